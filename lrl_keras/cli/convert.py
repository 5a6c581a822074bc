"""`lrl-keras convert`"""

from lrl_keras.cli.tables import print_json
from lrl_keras.system.options import Argument, Option

NOTE = (
    "Reads FILE, of which no code is run, and writes RUN, a run that evaluate, predict, export and "
    "serve take as one that was trained here. Its config.json has name, SHA-256 and licence of "
    "FILE. Prints RUN and its detector."
)
OPTIONS = {
    "kind": Argument(
        "KIND", "mesonet: Meso-4 or MesoInception-4, weights/*.h5 of github.com/DariusAf/MesoNet"
    ),
    "file": Argument("FILE", "the weights as they were published"),
    "run": Argument("RUN", "folder to write; must not hold a run already"),
    "json": Option(False, "print the result as one JSON line", switch=True),
}


def run(arguments):
    """Write the run and print what it is."""
    from lrl_keras.saving.convert import convert

    made = convert(arguments.kind, arguments.file, arguments.run)
    if arguments.json:
        print_json({"run": str(made), "detector": made.detector})
    else:
        print(f"{made}: {made.detector}")
    return 0
