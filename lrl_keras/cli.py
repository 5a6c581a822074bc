"""`lrl-keras`: the verbs as commands. Parsing and printing only."""

import argparse
import contextlib
import dataclasses
import json
import os
import sys

from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.quiet import import_tensorflow

_PROBLEMS = {
    "dropped": "dropped frames",
    "unusable": "unusable clips",
    "unpaired": "forged clips without a mask",
    "cut_off": "clips that are cut off",
}
_SHOWN_PROBLEMS = 10
# Those of `lrl_keras.data.augment`, whose import takes seconds.
_AUGMENTATIONS = ["none", "flip", "strong"]
# Those of `lrl_keras.degradations`.
_DEGRADATIONS = [
    "saturation",
    "contrast",
    "blocks",
    "noise",
    "blur",
    "rescaling",
    "video_compression",
    "jpeg",
]


def main(argv=None):
    """Run a command line.

    Args:
        argv: list of strings. Defaults to the arguments of the process.

    Returns:
        exit code: 0 done, 1 it failed, 2 wrong usage (raised by `argparse`), 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    prepares = argv[:1] == ["prepare"]
    if prepares:
        import_tensorflow()
    parser = _parser(prepares)
    arguments, others = parser.parse_known_args(argv)
    if prepares and arguments.runner:
        arguments.beam_options = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    import_tensorflow()
    try:
        return arguments.command(arguments)
    except (InputError, UnreachableError, FloatingPointError) as error:
        print(f"lrl-keras: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lrl-keras: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of standard output has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A place that cannot be written, a full disk.
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"lrl-keras: error: {' '.join(reason.split())}", file=sys.stderr)
        return 1


def _prepare(arguments):
    from tfrecords.build import OPTIONS, prepare
    from tfrecords.sources import SOURCES

    options = {**OPTIONS, **SOURCES[arguments.source].OPTIONS}
    manifest = prepare(
        arguments.source,
        arguments.root,
        arguments.out,
        workers=arguments.workers,
        runner=arguments.runner,
        beam_options=arguments.beam_options,
        overwrite=arguments.overwrite,
        **{name: value for name, value in vars(arguments).items() if name in options},
    )
    if arguments.json:
        _print_json({"out": arguments.out, "counts": manifest["counts"]})
    else:
        _print_counts(arguments.out, manifest["counts"])
    return 0


def _inspect(arguments):
    from lrl_keras import inspection

    result = inspection.inspect(
        arguments.records,
        split=arguments.split,
        out=arguments.out,
        per_kind=arguments.per_kind,
        patches=arguments.patches,
        verify=arguments.verify,
    )
    if arguments.json:
        _print_json(result)
    else:
        _print_inspection(result)
    faults = [shard["fault"] for shard in result["shards"] if shard["fault"]]
    for fault in faults:
        print(f"lrl-keras: error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _train(arguments):
    from lrl_keras import training

    names = {field.name for field in dataclasses.fields(training.Settings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    if given.get("weights") == "none":
        given["weights"] = None
    settings = training.Settings(**given) if given or not arguments.resume else None
    if arguments.resume and given:
        settings = dataclasses.replace(training.saved_settings(arguments.run), **given)
    with _standard_output_to_error():
        training.train(
            arguments.records,
            arguments.run,
            settings,
            resume=arguments.resume,
            verbose=_verbosity(),
        )
    print(arguments.run)
    return 0


def _evaluate(arguments):
    import lrl_keras
    from lrl_keras import evaluation

    if not arguments.degrade:
        for name in ("degradations", "levels", "seed"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} says how faces are degraded; give --degrade as well")
    model = lrl_keras.load(arguments.run)
    out = arguments.out or arguments.run
    result = evaluation.evaluate(
        model,
        arguments.records,
        arguments.split,
        methods=arguments.methods,
        batch_size=arguments.batch_size,
        out=out,
    )
    robustness = _robustness(arguments, model, out) if arguments.degrade else None
    if arguments.json:
        _print_json({**result, "robustness": robustness} if robustness else result)
        return 0
    _print_figures(result)
    if robustness:
        _print_robustness(robustness)
    return 0


def _robustness(arguments, model, out):
    from lrl_keras import robustness

    result = robustness.measure(
        {"model": model},
        arguments.records,
        arguments.split,
        methods=arguments.methods,
        degradations=arguments.degradations,
        levels=arguments.levels or robustness.LEVELS,
        seed=arguments.seed or 0,
        batch_size=arguments.batch_size,
        out={"model": out},
    )["model"]
    for name, cells in result["cells"].items():
        unchanged = max(cell["unchanged_faces"] for cell in cells)
        if unchanged:
            print(
                f"lrl-keras: warning: {name} changes nothing in {_number(unchanged, 'face')}: "
                "no colour or contrast to lose",
                file=sys.stderr,
            )
    return result


def _predict(arguments):
    import lrl_keras
    from lrl_keras import prediction

    model = lrl_keras.load(arguments.run)
    failed = False
    for result in prediction.predict(
        model,
        arguments.inputs,
        frames_per_video=arguments.frames_per_video,
        crop=arguments.crop,
        overlay=arguments.overlay,
        batch_size=arguments.batch_size,
        boxes=arguments.boxes,
    ):
        if "score" in result:
            _print_json(result)
        for kind in ("warning", "error"):
            if kind in result:
                print(f"lrl-keras: {kind}: {result[kind]}", file=sys.stderr)
        failed = failed or "error" in result
    return 1 if failed else 0


def _benchmark(arguments):
    from lrl_keras import benchmark

    result = benchmark.benchmark_data(
        arguments.records,
        batch_size=arguments.batch_size,
        image_size=arguments.image_size,
        augment=arguments.augment,
        cache=arguments.cache,
    )
    if arguments.json:
        _print_json(result)
    else:
        _print_data_benchmark(result)
    return 0


def _demo(arguments):
    from lrl_keras import demo

    with _standard_output_to_error():
        done = demo.demo(arguments.out, verbose=_verbosity())
    _print_figures(done["figures"])
    paths = done["paths"]
    print(
        f"""
Measured on {done["figures"]["frame"]["overall"]["real"]} real and \
{done["figures"]["frame"]["overall"]["forged"]} forged cuts of photographs never trained on.

forgeries and masks     {paths["forgeries.png"]}
scores and heat maps    {paths["predictions.png"]}
numbers and curves      {paths["run"]}/metrics.json, roc.png, scores.png
training curves         tensorboard --logdir {paths["run"]}/logs

Next: score a picture of your own
    lrl-keras predict {paths["run"]} PICTURE --crop none --overlay {paths["overlays"]}
(this small network has seen no face; README tells how to train on FaceForensics++)"""
    )
    return 0


def _print_json(value):
    print(json.dumps(value, allow_nan=False), flush=True)


def _print_figures(result):
    columns = ("accuracy", "balanced_accuracy", "auc", "average_precision", "eer")
    heads = ("ACC", "bal. ACC", "AUC", "AP", "EER")
    print(f"{'':24}" + "".join(f"{head:>10}" for head in heads) + f"{'real':>8}{'forged':>8}")
    for level in ("frame", "video"):
        rows = {"overall": result[level]["overall"], **result[level]["methods"]}
        for method, figures in rows.items():
            numbers = "".join(f"{100 * figures[name]:9.2f}%" for name in columns)
            counts = f"{figures['real']:8}{figures['forged']:8}"
            print(f"{level + ' ' + method:24}{numbers}{counts}")


def _print_robustness(result):
    clean = result["clean"]["overall"]["auc"]
    titles = {
        "auc": f"AUC of frames under degradation; {100 * clean:.2f}% without",
        "flipped": "decisions that are other than without",
    }
    levels = [cell["level"] for cell in next(iter(result["cells"].values()))]
    for figure, title in titles.items():
        print(f"\n{title}\n{'':24}" + "".join(f"{f'level {level}':>10}" for level in levels))
        for name, cells in result["cells"].items():
            numbers = "".join(f"{100 * cell['overall'][figure]:9.2f}%" for cell in cells)
            print(f"{name:24}{numbers}")


def _print_data_benchmark(result):
    machine = result["machine"]
    print(
        f"{result['records']}: {result['bytes_per_example'] / 1000:.0f} kB an example, "
        f"{result['image_size']} pixels, batches of {result['batch_size']}\n"
        f"{machine['cores']} cores, {machine['processor']}, load {machine['load']}\n"
    )
    print(f"{'augment':16}{'images/s':>10}{'least':>8}{'most':>8}{'processor ms an image':>24}")
    for name, found in result["pipelines"].items():
        print(
            f"{name:16}{found['images_per_second']:10.0f}{found['least']:8.0f}{found['most']:8.0f}"
            f"{found['processor_ms_per_image']:24.2f}"
        )


def _print_counts(out, counts):
    columns = (
        "listed_videos",
        "missing_videos",
        "unusable_videos",
        "unpaired_videos",
        "dropped_frames",
        "examples",
    )
    heads = [name.replace("_", " ") for name in columns]
    print(f"{out}/manifest.json names every video and frame.\n")
    print(f"{'split':6}{'':5} {'method':16}" + "".join(f"{head:>17}" for head in heads))
    for split, kinds in counts.items():
        for kind, methods in kinds.items():
            for method, numbers in methods.items():
                values = "".join(f"{numbers[name]:17}" for name in columns)
                print(f"{split:6}{kind:5} {method:16}{values}")


def _print_inspection(result):
    _print_counts(result["records"], result["counts"])
    made, side = result["versions"], result["arguments"]["image_size"]
    packages = [f"{name} {made[name]}" for name in ("lrl_keras", "tensorflow") if name in made]
    print(
        f"\n{result['source']}, faces of {side} x {side} pixels, schema version "
        f"{result['schema_version']}, made with {', '.join(packages) or 'unknown versions'}"
    )
    for split, numbers in result["balance"].items():
        print(f"{split:6}{numbers['real']:9} real and {numbers['forged']:9} forged examples")
    print(f"several faces in {_number(result['several_faces'], 'clip')}")
    for kind, title in _PROBLEMS.items():
        _print_problems(title, result[kind])
    shards = result["shards"]
    size = sum(shard["bytes"] or 0 for shard in shards) / 1e6
    good = sum(shard["fault"] is None for shard in shards)
    state = "have their checksum" if result["verified"] else "are there (checksums not compared)"
    print(f"\n{good} of {_number(len(shards), 'shard')} {state}, {size:,.1f} MB in all")
    print(f"examples drawn: {result['sheet'] or 'none'}")


def _print_problems(title, rows):
    if rows:
        print(f"\n{title}")
    for row in rows[:_SHOWN_PROBLEMS]:
        clips, paths = _number(row["clips"], "clip"), ", ".join(row["first"])
        number = f"{_number(row['frames'], 'frame')} of {clips}" if row["frames"] else clips
        print(f"{row['split']:6}{row['method']}: {number}: {row['reason']}")
        print(f"{'':6}{paths}{', ...' if row['clips'] > len(row['first']) else ''}")
    if len(rows) > _SHOWN_PROBLEMS:
        print(f"{'':6}and {len(rows) - _SHOWN_PROBLEMS} more; --json prints all")


def _number(count, thing):
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _verbosity():
    """For Keras: a moving bar on a terminal, a line an epoch elsewhere."""
    return 1 if sys.stderr.isatty() else 2


def _standard_output_to_error():
    # Keras prints its progress to standard output, which is for results.
    return contextlib.redirect_stdout(sys.stderr)


def _parser(prepares):
    parser = argparse.ArgumentParser(
        prog="lrl-keras",
        description="Local Relation Learning for face forgery detection.",
        epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage, 130 interrupted.",
    )
    from lrl_keras import __version__

    parser.add_argument("--version", action="version", version=f"lrl-keras {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add_prepare(verbs, prepares)
    _add_inspect(verbs)
    _add_train(verbs)
    _add_evaluate(verbs)
    _add_predict(verbs)
    _add_benchmark(verbs)
    _add_demo(verbs)
    return parser


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but for options whose default is that nothing is given."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def _add(verbs, name, command, description, note):
    parser = verbs.add_parser(
        name,
        help=description,
        description=f"{description} {note}",
        formatter_class=_Formatter,
    )
    parser.set_defaults(command=command)
    return parser


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return value


def _from_zero(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, received {text}")
    return value


def _add_prepare(verbs, chosen):
    parser = _add(
        verbs,
        "prepare",
        _prepare,
        "Make records of faces and masks from a dataset's videos or images.",
        "Reads the dataset below ROOT, writes shards and manifest.json to OUT. The same command "
        "goes on where an interrupted one stopped. `lrl-keras prepare SOURCE --help` shows what "
        "each source reads and its options.",
    )
    if not chosen:
        return  # The sources' own options take seconds to import.
    from tfrecords.build import OPTIONS
    from tfrecords.sources import SOURCES, photographs

    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    for name, module in SOURCES.items():
        if module is not photographs:
            _add_source(sources, name, module, {**module.OPTIONS, **OPTIONS})


def _add_source(sources, name, module, options):
    from tfrecords.options import add_to

    parser = sources.add_parser(
        name,
        help=module.SUMMARY,
        description=f"{module.SUMMARY} Writes shards and manifest.json to OUT.",
        formatter_class=_Formatter,
    )
    parser.add_argument("root", metavar="ROOT", help="folder of the dataset, or its URL")
    parser.add_argument("out", metavar="OUT", help="folder of the records, or its URL")
    add_to(parser, options)
    parser.add_argument(
        "--workers", type=_count, default=None, help="processes (default: one for each core)"
    )
    parser.add_argument(
        "--runner",
        metavar="RUNNER",
        help="run on Apache Beam: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner, ...; "
        "all options after OUT that are not listed here go to Beam (default: without Beam)",
    )
    parser.set_defaults(beam_options=())
    parser.add_argument(
        "--overwrite", action="store_true", help="replace records in OUT that were made otherwise"
    )
    parser.add_argument("--json", action="store_true", help="print the counts as one JSON line")


def _add_inspect(verbs):
    parser = _add(
        verbs,
        "inspect",
        _inspect,
        "Look at records: counts, drops and reasons, checksums, pictures.",
        "Reads RECORDS, compares every shard with its checksum, and draws a contact sheet: for "
        "each split and method some examples with image, mask and similarity target. Damaged and "
        "missing files are one line each on standard error, and the exit code is 1.",
    )
    parser.add_argument("records", metavar="RECORDS", help="folder of records, or its URL")
    parser.add_argument(
        "--split", default=None, choices=["train", "val", "test"], help="look at this one alone"
    )
    parser.add_argument(
        "--out", default="inspect.png", metavar="PNG", help="where to write the contact sheet"
    )
    parser.add_argument(
        "--per-kind", type=_count, default=3, help="examples of each split and method on the sheet"
    )
    parser.add_argument(
        "--patches", type=_count, default=5, help="k of the similarity target, k² x k²"
    )
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="read the shards whole and compare their checksums",
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON line")


def _add_train(verbs):
    parser = _add(
        verbs,
        "train",
        _train,
        "Train on records.",
        "Reads RECORDS (splits train and val), writes the run directory RUN: config.json, "
        "best.weights.h5, checkpoints, history.csv and TensorBoard logs. The defaults are the "
        "paper's settings.",
    )
    parser.add_argument("records", metavar="RECORDS", help="folder of records")
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--resume", action="store_true", help="go on with RUN after its last finished epoch"
    )

    def option(name, default, **arguments):
        # Left out of the namespace unless given: --resume takes the run's own settings.
        text = arguments.pop("help")
        parser.add_argument(
            name, default=argparse.SUPPRESS, help=f"{text} (default: {default})", **arguments
        )

    option(
        "--architecture",
        "lrl",
        choices=["lrl", "classifier"],
        help="classifier: a backbone with one output, the baseline of Tables 1 to 3",
    )
    option(
        "--backbone",
        "efficientnet_b4, xception for the classifier",
        help="efficientnet_b4, efficientnet_b0, xception, mobilenet_v3_small or tiny",
    )
    option("--weights", "imagenet", help="imagenet, none, or a weights file of the backbone")
    option("--image-size", 299, type=_count, help="side of the input, pixels")
    option("--patches", 5, type=_count, help="k, patches along each side")
    option("--alpha", 0.33, type=float, help="low-frequency triangle that is filtered out")
    option("--decoder", "light", help="light or deepfakebench")
    boolean = argparse.BooleanOptionalAction
    option("--frequency", "on", action=boolean, help="the frequency stream (Table 4)")
    option("--rfam", "on", action=boolean, help="RFAM (Table 4)")
    option("--similarity", "on", action=boolean, help="MPSM (Table 4)")
    option("--attend-streams", "on", action=boolean, help="feed attended maps to the next stage")
    option("--methods", "all", nargs="+", metavar="METHOD", help="forgery methods to train on")
    option("--head-epochs", 0, type=int, help="first epochs that leave the backbones as they are")
    option("--epochs", 50, type=_count, help="passes over the balanced training split")
    option("--batch-size", 32, type=_count, help="faces a step, over all GPUs")
    option("--learning-rate", "2e-4", type=float, help="of the first epoch")
    option("--halve-every", 10, type=_count, help="epochs after which the rate is halved")
    option("--weight-decay", "1e-5", type=float, help="L2 factor, added to the gradient")
    option("--label-weight", 1, type=float, help="weight of the label loss")
    option("--similarity-weight", 10, type=float, help="weight of the similarity loss")
    option("--mask-weight", 1, type=float, help="weight of the mask loss")
    option("--similarity-norm", "off", action=boolean, help="Eq. (10) literally")
    option(
        "--pixel-reduction",
        "mean",
        choices=["mean", "sum"],
        help="over the pixels in the mask loss; sum is Eq. (12) literally",
    )
    option(
        "--augment",
        "flip",
        choices=_AUGMENTATIONS,
        help="random changes of the faces; strong: mirrored, turned, scaled, blurred, recoloured, "
        "noisy, compressed, with parts erased",
    )
    option("--cache", "off", action=boolean, help="keep the decoded training faces in memory")
    option(
        "--precision",
        "auto",
        choices=["auto", "float32", "mixed_float16", "mixed_bfloat16"],
        help="auto is mixed_float16 on a GPU, float32 elsewhere",
    )
    option("--seed", 0, type=int, help="of weights, order and augmentation")


def _add_evaluate(verbs):
    parser = _add(
        verbs,
        "evaluate",
        _evaluate,
        "Measure a run on records, frame and video level.",
        "Prints ACC, balanced ACC, AUC, AP and EER per method and overall; writes metrics.json, "
        "scores.csv, roc.png and scores.png. With --degrade it goes on with faces that are "
        "degraded in eight ways at five levels each, prints the AUC and the share of other "
        "decisions, and writes robustness.json, robustness.csv and robustness.png.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("records", metavar="RECORDS", help="folder of records")
    parser.add_argument(
        "--split",
        default="test",
        choices=["train", "val", "test", "all"],
        help="which part of the records; all is for records that the run was not trained on",
    )
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help="forgery methods to measure (default: all)"
    )
    parser.add_argument(
        "--out", default=None, metavar="FOLDER", help="where to write (default: into RUN)"
    )
    parser.add_argument("--batch-size", type=_count, default=32, help="faces scored at once")
    parser.add_argument(
        "--degrade",
        action="store_true",
        help="measure on degraded faces too; each one counts as a face scored",
    )
    parser.add_argument(
        "--degradations",
        nargs="+",
        choices=_DEGRADATIONS,
        metavar="NAME",
        help=f"of {', '.join(_DEGRADATIONS)} (default: all)",
    )
    parser.add_argument(
        "--levels",
        nargs="+",
        type=int,
        choices=range(1, 6),
        metavar="N",
        help="from 1, weak, to 5, strong (default: all)",
    )
    parser.add_argument(
        "--seed",
        type=_from_zero,
        metavar="N",
        help="of the degradations that draw: blocks and noise (default: 0)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON line")


def _add_predict(verbs):
    parser = _add(
        verbs,
        "predict",
        _predict,
        "Score images, videos and folders of them.",
        "Prints one JSON line for each input: the score (0 real, 1 forged), each face with its "
        "box, and for a video the score of each frame. What cannot be read is one line on "
        "standard error, and the exit code is 1.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="image, video or folder")
    parser.add_argument(
        "--crop",
        default="face",
        choices=["face", "none"],
        help="find the faces, or take the whole picture as the face",
    )
    parser.add_argument(
        "--frames-per-video",
        type=_count,
        default=50,
        help="frames of each video, evenly spaced; with --boxes all of the records",
    )
    parser.add_argument(
        "--overlay",
        default=None,
        metavar="FOLDER",
        help="write pictures and videos with box, score and heat map",
    )
    parser.add_argument(
        "--boxes",
        default=None,
        metavar="RECORDS",
        help="take frames and face boxes of videos from these records instead of finding them",
    )
    parser.add_argument("--batch-size", type=_count, default=16, help="faces scored at once")


def _add_benchmark(verbs):
    parser = _add(
        verbs,
        "benchmark",
        _benchmark,
        "Measure the speed of this machine.",
        "`benchmark data` measures how many images a second training is fed with, from RECORDS or "
        "from crops of photographs that it makes for the purpose.",
    )
    parser.add_argument("what", choices=["data"], help="what to measure")
    parser.add_argument("records", metavar="RECORDS", nargs="?", help="folder of records")
    parser.add_argument("--batch-size", type=_count, default=32, help="faces a batch")
    parser.add_argument(
        "--image-size", type=_count, default=None, help="side of the input (default: the records')"
    )
    parser.add_argument(
        "--augment",
        nargs="+",
        default=_AUGMENTATIONS,
        choices=_AUGMENTATIONS,
        help="random changes of the faces, named after RECORDS",
    )
    parser.add_argument(
        "--cache", action="store_true", help="measure with the faces in memory as well"
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON line")


def _add_demo(verbs):
    parser = _add(
        verbs,
        "demo",
        _demo,
        "See all of it work in some minutes, without any download.",
        "Makes forgeries from the photographs that ship inside scikit-image, trains the tiny "
        "backbone on them, evaluates and predicts on photographs it has never seen, and draws.",
    )
    parser.add_argument("out", metavar="OUT", nargs="?", default="demo", help="folder to write")


if __name__ == "__main__":
    sys.exit(main())
