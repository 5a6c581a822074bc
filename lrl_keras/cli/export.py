"""`lrl-keras export`"""

import json

from lrl_keras.cli.tables import RUN, print_export, print_json
from lrl_keras.saving.formats import FORMATS
from lrl_keras.system.options import Argument, Option

NOTE = (
    "Rebuilds the network of RUN in float32, writes it, loads it with its own runtime in a fresh "
    "process, compares its answers for 1, 3 and 8 faces with the Keras model's, and prints the "
    "largest differences; PATH.json holds them too. Where they are too large nothing is left "
    "behind."
)
OUTPUTS = ("all", "label")
QUANTIZATIONS = ("none", "float16", "int8")
OPTIONS = {
    "run": Argument("RUN", RUN),
    "out": Argument(
        "OUT",
        "folder to write to, or a file that ends in .tflite, .onnx or .xml; a SavedModel becomes "
        "the next version, OUT/1, OUT/2, ...",
    ),
    "format": Option(
        "saved_model",
        "saved_model is for TensorFlow Serving, openvino an .xml and a .bin file",
        FORMATS,
    ),
    "outputs": Option("all", "label: without mask and similarity no decoder is computed", OUTPUTS),
    "quantize": Option(
        "none",
        "float16: weights of half the size; int8: 8-bit convolutions, not for saved_model",
        QUANTIZATIONS,
    ),
    "calibration": Option(
        None,
        "records for int8: ranges are measured on the train split, and on the test split (or val) "
        "the AUC may not fall by more than 0.01",
        metavar="RECORDS",
        type=str,
    ),
    "input_type": Option("float32", "what the file takes as RGB, 0..255", ("float32", "uint8")),
    "json": Option(False, "print the report as one JSON line", switch=True),
}


def run(arguments):
    """Write the file and print its differences from the model."""
    import lrl_keras
    from lrl_keras import export

    path = export.export(
        lrl_keras.load(arguments.run),
        arguments.out,
        arguments.format,
        outputs=arguments.outputs,
        quantize=arguments.quantize,
        input_type=arguments.input_type,
        calibration=arguments.calibration,
    )
    with open(f"{path}.json", encoding="utf-8") as file:
        report = json.load(file)
    if arguments.json:
        print_json({"path": path, **report})
    else:
        print_export(path, report)
    return 0
