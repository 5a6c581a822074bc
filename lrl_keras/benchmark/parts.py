"""Time of an image, part by part of the network."""

import collections
import json
import os
import re
import tempfile

import numpy as np

# The first pattern that fits names the part; the second piece of an operation's name is its layer.
_PARTS = (
    ("frequency filter (DCT)", r"frequency_filter"),
    ("RGB stream", r"rgb_(low|mid|high|scale)|hrnet"),
    ("frequency stream", r"frequency_(low|mid|high|scale)"),
    ("RFAM", r"rfam_|concatenate_"),
    ("similarity", r"resize_|multi_scale|similarity"),
    ("label", r"entries|head_norm|flatten|label|pool|border"),
    ("decoder", r"decoder"),
)
_OTHER = "change of layout, other"


def parts_of(path, threads=1, repeats=10):
    """Measure the milliseconds of each part of an exported network, as ONNX Runtime reports them.

    Args:
        path: `.onnx` file of `lrl_keras.export`.
        threads: processor cores to use.
        repeats: images, one at a time, of which the median counts.

    Returns:
        dict of part to milliseconds an image.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(folder, "profile")
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        (entry,) = session.get_inputs()
        dtype = np.uint8 if entry.type == "tensor(uint8)" else np.float32
        image = np.random.default_rng(0).integers(0, 256, (1, *entry.shape[1:])).astype(dtype)
        for _ in range(repeats + 1):
            session.run(None, {entry.name: image})
        with open(session.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    times = collections.defaultdict(list)
    for event in events:
        name, ending, _ = event["name"].partition("_kernel_time")
        if event.get("cat") == "Node" and ending:
            times[name].append(event["dur"] / 1000)
    found = dict.fromkeys([part for part, _ in _PARTS] + [_OTHER], 0.0)
    for name, milliseconds in times.items():
        # Without the first image, during which memory is allocated.
        calls = len(milliseconds) // (repeats + 1)
        found[_part(name)] += calls * float(np.median(milliseconds[calls:]))
    return {part: round(value, 3) for part, value in found.items() if value}


def _part(name):
    layer = name.split("/")[1] if name.count("/") else ""
    return next((part for part, pattern in _PARTS if re.match(pattern, layer)), _OTHER)
