"""`lrl-keras demo`"""

from lrl_keras.cli.tables import print_metrics, standard_output_to_error, verbosity
from lrl_keras.system.options import Argument

NOTE = (
    "Scores a face and forgeries of it by the shipped detector. Then makes forgeries from the "
    "photographs that ship inside scikit-image, trains the tiny backbone on them, evaluates and "
    "predicts on photographs it has never seen, and draws. Writes to OUT, or else to demo."
)
KEPT = "; the same command goes on where it was"
OPTIONS = {"out": Argument("OUT", "folder to write (default: demo)", "?")}


def run(arguments):
    """Show the shipped detector at work, then the way from records to a detector."""
    from lrl_keras.cli import demonstration

    out = arguments.out or "demo"
    with standard_output_to_error():
        shown = demonstration.show(out)
    print("A face that ships with scikit-image, and forgeries of it, by the shipped detector:")
    for result in shown["results"]:
        print(f"    {result['input']}  {result['score']:.3f}")
    print(f"with heat maps          {shown['path']}\n", flush=True)
    with standard_output_to_error():
        done = demonstration.demo(out, verbose=verbosity())
    print_metrics(done["metrics"])
    paths = done["paths"]
    print(
        f"""
Measured on {done["metrics"]["frame"]["overall"]["real"]} real and \
{done["metrics"]["frame"]["overall"]["forged"]} forged crops of photographs never trained on.

forgeries and masks     {paths["forgeries.png"]}
scores and heat maps    {paths["predictions.png"]}
numbers and curves      {paths["run"]}/metrics.json, roc.png, scores.png
training curves         tensorboard --logdir {paths["run"]}/logs

Next: score a photo or a video of your own
    lrl-keras predict PHOTO --overlay overlays"""
    )
    return 0
