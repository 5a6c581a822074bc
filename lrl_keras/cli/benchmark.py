"""`lrl-keras benchmark`"""

import logging
import os

from lrl_keras.cli.export import OUTPUTS, QUANTIZATIONS
from lrl_keras.cli.tables import print_benchmark, print_data_benchmark, print_json
from lrl_keras.data.augment.choices import AUGMENTATIONS
from lrl_keras.errors import InputError
from lrl_keras.saving.formats import FORMATS
from lrl_keras.system.options import Argument, Option

NOTE = (
    "`benchmark RUN` exports the run for every installed runtime and measures them side by side: "
    "images a second, latency, memory, and the share of the machine's own rate of matrix products; "
    "it writes benchmark.json, benchmark.png and parts.png. `benchmark data` measures how many "
    "images a second training is fed with, from RECORDS or from crops of photographs that it makes "
    "for the purpose."
)
OPTIONS = {
    "what": Argument("RUN|data", "folder of a run, or the word data"),
    "records": Argument(
        "RECORDS",
        "data: records to read; RUN: records that calibrate int8, left out without them",
        "?",
    ),
    "json": Option(False, "print everything as one JSON line", switch=True),
}
GROUPS = {
    "of a run": {
        "formats": Option(
            ("keras", *FORMATS),
            "what is measured of RUN; training: a step of it (with large backbones the first one "
            "takes minutes)",
            ("keras", "training", *FORMATS),
        ),
        "outputs": Option(OUTPUTS, "of each", OUTPUTS),
        "quantize": Option(QUANTIZATIONS, "precisions of each", QUANTIZATIONS),
        "batches": Option((1, 8), "faces at once", least=1, most=64),
        "seconds": Option(2.0, "length of a turn", least=0.001, most=3600),
        "repeats": Option(5, "turns of each", least=1, most=10_000),
        "threads": Option(None, "cores to use", type=int, least=1, most=1024, stated="all"),
        "out": Option("benchmark", "where to write; exports are reused", metavar="FOLDER"),
    },
    "of the data": {
        "batch_size": Option(32, "faces a batch", least=1, most=100_000),
        "image_size": Option(
            None, "side of the input", type=int, least=1, most=4096, stated="the records'"
        ),
        "augment": Option(
            tuple(AUGMENTATIONS),
            "random changes of the faces, named after RECORDS",
            AUGMENTATIONS,
        ),
        "cache": Option(False, "measure with the faces in memory as well", switch=True),
    },
}
_log = logging.getLogger(__name__)


def run(arguments):
    """Measure and print a table."""
    from lrl_keras import benchmark

    if arguments.what != "data":
        return _of_run(arguments)
    result = benchmark.benchmark_data(
        arguments.records,
        batch_size=arguments.batch_size,
        image_size=arguments.image_size,
        augment=arguments.augment,
        cache=arguments.cache,
    )
    if arguments.json:
        print_json(result)
    else:
        print_data_benchmark(result)
    return 0


def _of_run(arguments):
    import lrl_keras
    from lrl_keras import benchmark
    from lrl_keras.system import files

    model = lrl_keras.load(arguments.what)
    files.make_folder(arguments.out)
    rows = _exports(model, arguments)
    result = benchmark.benchmark_inference(
        model,
        rows,
        training=arguments.what if "training" in arguments.formats else None,
        batches=arguments.batches,
        seconds=arguments.seconds,
        repeats=arguments.repeats,
        threads=arguments.threads,
    )
    whole = next((path for path in rows.values() if path.endswith("model.onnx")), None)
    if whole is not None:
        result["parts_ms"] = benchmark.parts_of(whole)
    benchmark.write(result, arguments.out)
    if arguments.json:
        print_json(result)
    else:
        print_benchmark(result, arguments.out)
    return 0


def _exports(model, arguments):
    """Return the path of each row of a benchmark by name, exported where it is not there yet."""
    from lrl_keras import export

    rows = {}
    if "keras" in arguments.formats:
        rows["Keras float32"] = arguments.what
    for kind in (name for name in FORMATS if name in arguments.formats):
        for quantize in arguments.quantize:
            for outputs in arguments.outputs:
                if quantize == "int8" and kind == "saved_model":
                    continue
                if quantize == "int8" and arguments.records is None:
                    continue
                folder = os.path.join(arguments.out, "exports", kind, outputs, quantize)
                _log.info("%s", folder)
                try:
                    path = export.finished(folder, model) or export.export(
                        model,
                        folder,
                        kind,
                        outputs=outputs,
                        quantize=quantize,
                        calibration=arguments.records if quantize == "int8" else None,
                    )
                except InputError as error:
                    # A runtime that is not installed, or int8 that costs too much AUC.
                    _log.warning("left out: %s", error)
                    continue
                precision = "float32" if quantize == "none" else quantize
                ending = ", label" if outputs == "label" else ""
                rows[f"{kind} {precision}{ending}"] = path
    return rows
