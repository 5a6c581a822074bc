"""The command line of `lrl-keras`: what may be given, and `--help`."""

import argparse

# Those of `lrl_keras.data.augment`, whose import takes seconds.
AUGMENTATIONS = ["none", "flip", "strong", "video"]
# Those of `lrl_keras.saving.runtimes`.
EXPORT_FORMATS = ["saved_model", "tflite", "onnx", "openvino"]
# Those of `lrl_keras.media.degradations`.
DEGRADATIONS = [
    "saturation",
    "contrast",
    "blocks",
    "noise",
    "blur",
    "rescaling",
    "video_compression",
    "jpeg",
]


def make_parser(prepares):
    """The parser of the command line; its result has `verb` and what the verb was given.

    Args:
        prepares: whether the verb is `prepare`, whose sources take seconds to import.

    Returns:
        `argparse.ArgumentParser`.
    """
    whole = argparse.ArgumentParser(
        prog="lrl-keras",
        description="Local Relation Learning for face forgery detection.",
        epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage, 130 interrupted.",
    )
    from lrl_keras import __version__

    whole.add_argument("--version", action="version", version=f"lrl-keras {__version__}")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add_prepare(verbs, prepares)
    _add_inspect(verbs)
    _add_train(verbs)
    _add_evaluate(verbs)
    _add_predict(verbs)
    _add_export(verbs)
    _add_serve(verbs)
    _add_benchmark(verbs)
    _add_demo(verbs)
    return whole


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but for options whose default is that nothing is given."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def _add(verbs, name, description, note):
    return verbs.add_parser(
        name,
        help=description,
        description=f"{description} {note}",
        formatter_class=_Formatter,
    )


_RUN = "folder of the run, or default: the shipped detector"


def count(text):
    """A whole number from 1 as a command line gives it."""
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
    from lrl_keras.system.options import add_to

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
        "--workers", type=count, default=None, help="processes (default: one for each core)"
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
        "--per-kind", type=count, default=3, help="examples of each split and method on the sheet"
    )
    parser.add_argument(
        "--patches", type=count, default=5, help="k of the similarity target, k² x k²"
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
        help="efficientnet_b4, efficientnet_b0, efficientnet_lite0, efficientnet_lite1, "
        "efficientnet_lite2, xception, mobilenet_v3_small or tiny",
    )
    option("--weights", "imagenet", help="imagenet, none, or a weights file of the backbone")
    option(
        "--start",
        "none",
        metavar="RUN",
        help="run that training begins with the weights of, or default: the shipped detector",
    )
    option("--image-size", 299, type=count, help="side of the input, pixels")
    option("--patches", 5, type=count, help="k, patches along each side")
    option("--alpha", 0.33, type=float, help="low-frequency triangle that is filtered out")
    option("--decoder", "light", help="light or deepfakebench")
    boolean = argparse.BooleanOptionalAction
    option("--frequency", "on", action=boolean, help="the frequency stream (Table 4)")
    option("--rfam", "on", action=boolean, help="RFAM (Table 4)")
    option("--similarity", "on", action=boolean, help="MPSM (Table 4)")
    option("--head-norm", "on", action=boolean, help="standardise the similarity for the label")
    option("--attend-streams", "on", action=boolean, help="feed attended maps to the next stage")
    option("--methods", "all", nargs="+", metavar="METHOD", help="forgery methods to train on")
    option("--head-epochs", 0, type=int, help="first epochs that leave the backbones as they are")
    option(
        "--frozen-norm",
        "off",
        action=boolean,
        help="leave the backbones' BatchNormalization as it was at the start",
    )
    option("--epochs", 50, type=count, help="passes over the balanced training split")
    option("--batch-size", 32, type=count, help="faces a step, over all GPUs")
    option("--learning-rate", "2e-4", type=float, help="of the first epoch")
    option("--halve-every", 10, type=count, help="epochs after which the rate is halved")
    option("--weight-decay", "1e-5", type=float, help="L2 factor, added to the gradient")
    option("--averaging", 0, type=float, help="momentum of the average of weights that is kept")
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
        choices=AUGMENTATIONS,
        help="random changes of the faces; strong: mirrored, turned, scaled, blurred, recoloured, "
        "noisy, compressed, with parts erased; video: mirrored, of a lower resolution, noisy, "
        "compressed as video or photograph, and as strong",
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
        "Measure a run on records, frame and video level.",
        "Prints ACC, balanced ACC, AUC, AP and EER per method and overall; writes metrics.json, "
        "scores.csv, roc.png and scores.png. With --degrade it goes on with faces that are "
        "degraded in eight ways at five levels each, prints the AUC and the share of other "
        "decisions, and writes robustness.json, robustness.csv and robustness.png.",
    )
    parser.add_argument("run", metavar="RUN", help=_RUN)
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
        "--out",
        default=None,
        metavar="FOLDER",
        help="where to write (default: into RUN, which the shipped detector's is not written to)",
    )
    parser.add_argument("--batch-size", type=count, default=32, help="faces scored at once")
    parser.add_argument(
        "--degrade",
        action="store_true",
        help="measure on degraded faces too; each one counts as a face scored",
    )
    parser.add_argument(
        "--degradations",
        nargs="+",
        choices=DEGRADATIONS,
        metavar="NAME",
        help=f"of {', '.join(DEGRADATIONS)} (default: all)",
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
        "Score images, videos and folders of them.",
        "Prints one JSON line for each input: the score (0 real, 1 forged), each face with its "
        "box, and for a video the score of each frame. What cannot be read is one line on "
        "standard error, and the exit code is 1.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="image, video or folder")
    parser.add_argument("--run", default="default", help=_RUN)
    parser.add_argument(
        "--crop",
        default="face",
        choices=["face", "none"],
        help="find the faces, or take the whole picture as the face",
    )
    parser.add_argument(
        "--frames-per-video",
        type=count,
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
    parser.add_argument("--batch-size", type=count, default=16, help="faces scored at once")


def _add_export(verbs):
    parser = _add(
        verbs,
        "export",
        "Make a file of a run that others load without this package.",
        "Rebuilds the network of RUN in float32, writes it, loads it with its own runtime in a "
        "fresh process, compares its answers for 1, 3 and 8 faces with the Keras model's, and "
        "prints the largest differences; PATH.json holds them too. Where they are too large "
        "nothing is left behind.",
    )
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument(
        "out",
        metavar="OUT",
        help="folder to write to, or a file that ends in .tflite, .onnx or .xml; a SavedModel "
        "becomes the next version, OUT/1, OUT/2, ...",
    )
    parser.add_argument(
        "--format",
        default="saved_model",
        choices=EXPORT_FORMATS,
        help="saved_model is for TensorFlow Serving, openvino an .xml and a .bin file",
    )
    parser.add_argument(
        "--outputs",
        default="all",
        choices=["all", "label"],
        help="label: without mask and similarity no decoder is computed",
    )
    parser.add_argument(
        "--quantize",
        default="none",
        choices=["none", "float16", "int8"],
        help="float16: weights of half the size; int8: 8-bit convolutions, not for saved_model",
    )
    parser.add_argument(
        "--calibration",
        metavar="RECORDS",
        help="records for int8: ranges are measured on the train split, and on the test split "
        "(or val) the AUC may not fall by more than 0.01",
    )
    parser.add_argument(
        "--input-type",
        default="float32",
        choices=["float32", "uint8"],
        help="what the file takes as RGB, 0..255",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON line")


def _add_serve(verbs):
    parser = _add(
        verbs,
        "serve",
        "Answer over HTTP as TensorFlow Serving does.",
        "Loads MODEL, which `lrl-keras export` wrote, and answers POST /v1/models/lrl:predict, "
        "GET /v1/models/lrl, GET /v1/models/lrl/metadata and, for Prometheus, GET /metrics. "
        "Stops on SIGTERM or SIGINT when what it has accepted is answered.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="exported file, or folder of a SavedModel or its versions"
    )
    parser.add_argument("--name", default="lrl", help="the model's name in the paths")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all networks"
    )
    parser.add_argument("--port", type=count, default=8501, help="port to listen on")
    parser.add_argument(
        "--threads", type=count, default=None, help="processor cores to use (default: all)"
    )
    parser.add_argument("--batch-size", type=count, default=8, help="faces computed at once")
    parser.add_argument(
        "--batch-timeout-ms",
        type=float,
        default=2.0,
        help="how long a face waits for others to be computed with it",
    )
    parser.add_argument(
        "--queue-size",
        type=count,
        default=64,
        help="faces that wait at most; beyond that the answer is 503",
    )
    parser.add_argument(
        "--max-body-mb", type=count, default=32, help="largest request, in megabytes"
    )


def _add_benchmark(verbs):
    parser = _add(
        verbs,
        "benchmark",
        "Measure the speed of this machine.",
        "`benchmark RUN` exports the run for every installed runtime and measures them side by "
        "side: images a second, latency, memory, and the share of the machine's own rate of "
        "matrix products; it writes benchmark.json, benchmark.png and parts.png. `benchmark data` "
        "measures how many images a second training is fed with, from RECORDS or from crops of "
        "photographs that it makes for the purpose.",
    )
    parser.add_argument("what", metavar="RUN|data", help="folder of a run, or the word data")
    parser.add_argument(
        "records",
        metavar="RECORDS",
        nargs="?",
        help="data: records to read; RUN: records that calibrate int8, left out without them",
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON line")
    run = parser.add_argument_group("of a run")
    run.add_argument(
        "--formats",
        nargs="+",
        default=["keras", *EXPORT_FORMATS],
        choices=["keras", "training", *EXPORT_FORMATS],
        help="what is measured, named after RUN; training: a step of it, in which the first takes "
        "minutes with large backbones",
    )
    run.add_argument(
        "--outputs", nargs="+", default=["all", "label"], choices=["all", "label"], help="of each"
    )
    run.add_argument(
        "--quantize",
        nargs="+",
        default=["none", "float16", "int8"],
        choices=["none", "float16", "int8"],
        help="precisions of each",
    )
    run.add_argument("--batches", nargs="+", type=count, default=[1, 8], help="faces at once")
    run.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    run.add_argument("--repeats", type=count, default=5, help="turns of each")
    run.add_argument("--threads", type=count, default=None, help="cores to use (default: all)")
    run.add_argument(
        "--out", default="benchmark", metavar="FOLDER", help="where to write; exports are reused"
    )
    fed = parser.add_argument_group("of the data")
    fed.add_argument("--batch-size", type=count, default=32, help="faces a batch")
    fed.add_argument(
        "--image-size", type=count, default=None, help="side of the input (default: the records')"
    )
    fed.add_argument(
        "--augment",
        nargs="+",
        default=AUGMENTATIONS,
        choices=AUGMENTATIONS,
        help="random changes of the faces, named after RECORDS",
    )
    fed.add_argument(
        "--cache", action="store_true", help="measure with the faces in memory as well"
    )


def _add_demo(verbs):
    parser = _add(
        verbs,
        "demo",
        "See all of it work in some minutes, without any download.",
        "Makes forgeries from the photographs that ship inside scikit-image, trains the tiny "
        "backbone on them, evaluates and predicts on photographs it has never seen, and draws.",
    )
    parser.add_argument("out", metavar="OUT", nargs="?", default="demo", help="folder to write")
