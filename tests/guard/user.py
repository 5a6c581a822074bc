"""What users of the project have in hand: names, options, records, the weights of a training.

    python tests/guard/user.py > tests/guard/user.json

writes it down anew, where a change is intended; CHANGELOG names it then.
"""

import argparse
import contextlib
import csv
import hashlib
import importlib
import inspect
import io
import json
import re
import sys
import tempfile
from pathlib import Path
from unittest import mock

MODULES = (
    "lrl_keras",
    "lrl_keras.layers",
    "lrl_keras.losses",
    "lrl_keras.metrics",
    "lrl_keras.optimizers",
    "lrl_keras.models",
    "lrl_keras.data",
    "lrl_keras.training",
    "lrl_keras.evaluation",
    "lrl_keras.evaluation.robustness",
    "lrl_keras.prediction",
    "lrl_keras.export",
    "lrl_keras.saving.runtimes",
    "lrl_keras.serving",
)
VERBS = (
    "inspect", "train", "evaluate", "compare", "predict", "convert", "export", "serve", "benchmark",
    "demo",
)  # fmt: skip
_SIDE, _COUNT = 32, 6
_TRAINING = (
    "--backbone tiny --weights none --image-size 32 --patches 2 --batch-size 4 --epochs 2 "
    "--learning-rate 1e-3 --precision float32"
)


def names():
    """Signatures of the public functions and classes, by module and name."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        public = getattr(module, "__all__", None) or [
            each
            for each, value in vars(module).items()
            if not each.startswith("_") and getattr(value, "__module__", None) == name
        ]
        found[name] = {each: _signature(getattr(module, each)) for each in sorted(public)}
    return found


def _signature(value):
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return type(value).__name__


def commands():
    """Options and defaults of every command, as their own parser has them."""
    from tfrecords.sources import SOURCES

    sources = [name for name in SOURCES if name != "photographs"]
    lines = [(verb,) for verb in VERBS] + [("prepare", source) for source in sources]
    return {" ".join(line): _options(line) for line in lines}


class _Found(Exception):
    pass


def _options(line):
    from lrl_keras.cli import main

    def caught(self, *arguments):
        raise _Found(self)

    # The innermost parser is the first one to print its help.
    with mock.patch.object(argparse.ArgumentParser, "print_help", caught):
        try:
            main([*line, "--help"])
        except _Found as found:
            parser = found.args[0]
    return {
        " ".join(action.option_strings) or action.dest: {
            key: _plain(getattr(action, key))
            for key in ("nargs", "choices", "required", "metavar")
            if getattr(action, key) not in (None, False)
        }
        | ({"default": _default(action)} if action.option_strings and action.nargs != 0 else {})
        for action in parser._actions
        if action.dest not in ("help", "version")
    }


def _default(action):
    """The default as `--help` states it, numbers as numbers."""
    stated = re.search(r" \(default: (.*)\)$", action.help or "")
    if stated:
        found = stated[1]
    elif action.default in (None, argparse.SUPPRESS):
        return None
    else:
        found = action.default
    found = " ".join(map(str, found)) if isinstance(found, (list, tuple)) else str(found)
    words = {"True": "on", "False": "off"}
    try:
        return float(found)
    except ValueError:
        return words.get(found, found)


def _plain(value):
    return value if isinstance(value, (str, int, float)) else [_plain(each) for each in value]


def dataset(root):
    """Write real and forged pictures, and the list that pairs them."""
    import numpy as np
    from PIL import Image
    from skimage import data

    rng = np.random.default_rng(0)
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    lines = ["path,label,source,identity,method,split"]
    for number in range(_COUNT * 3):
        split = ("train", "train", "val")[number % 3]
        image = photographs[number % 4]
        y, x = (int(rng.integers(side - _SIDE)) for side in image.shape[:2])
        real = image[y : y + _SIDE, x : x + _SIDE]
        fake = real.copy()
        fake[8:24, 8:24] = real[8:24, 8:24][::-1]
        for name, picture in (("real", real), ("fake", fake)):
            Image.fromarray(picture).save(root / f"{name}{number}.png")
        lines.append(f"real{number}.png,real,,p{number},,{split}")
        lines.append(f"fake{number}.png,fake,real{number}.png,p{number},flipped,{split}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")


def records(folder):
    """SHA-256 of what each shard holds, pictures decoded: how they are packed is TensorFlow's."""
    import tensorflow as tf

    (folder / "data").mkdir()
    dataset(folder / "data")
    _run(
        *f"prepare folder {folder}/data {folder}/records --csv list.csv --crop none".split(),
        *f"--image-size {_SIDE} --workers 1".split(),
    )
    found = {}
    for path in sorted((folder / "records").glob("*.tfrecord")):
        digest = hashlib.sha256()
        for line in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(line).features.feature
            for name in sorted(features):
                kind = features[name].WhichOneof("kind")
                values = list(getattr(features[name], kind).value) if kind else []
                if name in ("image", "mask") and values and values[0]:
                    values = [tf.io.decode_png(values[0]).numpy().tobytes()]
                digest.update(repr((name, kind, values)).encode())
        found[path.name] = digest.hexdigest()
    return found


def training(folder):
    """Losses of each epoch, and norms of the weights, of a short training on `records`."""
    import numpy as np

    import lrl_keras

    _run("train", f"{folder}/records", f"{folder}/run", *_TRAINING.split())
    rows = list(csv.DictReader(io.StringIO((folder / "run" / "history.csv").read_text())))
    model = lrl_keras.load(folder / "run")
    return {
        "losses": {
            name: [float(row[name]) for row in rows] for name in rows[0] if name.endswith("loss")
        },
        "weights": {
            variable.path: float(np.linalg.norm(np.asarray(variable, np.float64)))
            for variable in model.variables
        },
    }


def _run(*arguments):
    from lrl_keras.cli import main

    with contextlib.redirect_stdout(io.StringIO()):
        code = main(list(map(str, arguments)))
    if code:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}")


def everything(folder):
    """All of it, by what it is."""
    return {
        "names": names(),
        "commands": commands(),
        "records": records(folder),
        "training": training(folder),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        json.dump(everything(Path(folder)), sys.stdout, indent=1)
    print()
