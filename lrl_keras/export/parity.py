"""Comparison of an exported file, run in a process of its own, with the Keras model."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import skimage.data
from sklearn.metrics import roc_auc_score

from lrl_keras.errors import InputError
from lrl_keras.media import images

BATCHES = (1, 3, 8)
# Largest differences of each output that are let through.
BOUNDS = {
    "none": {"label": 1e-5, "similarity": 1e-5, "mask": 1e-4, "xray": 1e-4},
    "float16": {"label": 1e-2, "similarity": 1e-2, "mask": 1e-1, "xray": 1e-1},
}
AUC_BOUND = 0.01
_PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
_SEED = 8
# Standard deviation, in levels of 0..255: some ten times what float32 rounds a pixel by.
_NOISE = 1e-4


def check(reference, written, chosen, calibration):
    """Compare the answers of an exported file with those of the model.

    Args:
        reference: Keras model that the file must agree with.
        written: path of the file or folder.
        chosen: `lrl_keras.export.chosen.Chosen`.
        calibration: `Calibration` whose held-out faces give the AUC of int8, or `None`.

    Returns:
        dict that can be written as JSON: `differences`, by batch size and output the largest
        absolute one; `bounds`; for int8 `auc` too.

    Raises:
        InputError: the file cannot be run, or differs too much.
    """
    batches = {str(size): _faces(size, chosen) for size in BATCHES}
    if calibration is not None:
        batches["held out"] = calibration.held_out
    found = _run_elsewhere(written, batches)
    expected = {
        batch: _predict(reference, faces.astype(np.float32)) for batch, faces in batches.items()
    }
    bounds = BOUNDS.get(chosen.quantize, {})
    differences = {
        str(size): {
            name: float(np.abs(found[f"{size}/{name}"] - expected[str(size)][name]).max())
            for name in chosen.outputs
        }
        for size in BATCHES
    }
    for size, of_outputs in differences.items():
        for name, difference in of_outputs.items():
            if not difference <= bounds.get(name, np.inf):
                raise InputError(
                    f"{os.path.basename(written)}: differs from the Keras model by "
                    f"{difference:.1e} in {name} at batch size {size}, more than "
                    f"{bounds[name]:.0e}; nothing was left behind"
                    f"{_of_its_own(reference, batches[size], expected[size], name, bounds[name])}"
                )
    result = {"differences": differences, "bounds": bounds}
    if calibration is not None:
        result["auc"] = _auc(written, calibration, found, expected)
    return result


def _of_its_own(reference, faces, expected, name, bound):
    """Remark on a network that no file can agree with, as it magnifies rounding itself."""
    noise = np.random.default_rng(_SEED).normal(0, _NOISE, faces.shape)
    moved = _predict(reference, (faces + noise).astype(np.float32))[name]
    difference = np.abs(moved - expected[name]).max()
    if difference <= bound:
        return ""
    return (
        f"; Keras's own answer moves by {difference:.1e} where the pixels move by {_NOISE:.0e} of "
        "255: this network magnifies rounding, as after few training steps; train it further"
    )


def _auc(written, calibration, found, expected):
    scores = {"float32": expected["held out"]["label"], "int8": found["held out/label"]}
    auc = {
        name: float(roc_auc_score(calibration.labels, values[:, 0]))
        for name, values in scores.items()
    }
    if not auc["int8"] >= auc["float32"] - AUC_BOUND:
        raise InputError(
            f"{os.path.basename(written)}: int8 lowers the AUC from {auc['float32']:.4f} to "
            f"{auc['int8']:.4f} on {len(calibration.labels)} held-out faces, more than "
            f"{AUC_BOUND}; nothing was left behind; use float16, or more records for calibration"
        )
    return {**auc, "bound": AUC_BOUND, **calibration.about}


def _faces(count, chosen):
    """Make crops of photographs with noise, of the type that the file takes."""
    rng, side = np.random.default_rng([_SEED, count]), chosen.image_size
    faces = []
    for index in range(count * chosen.frames):
        photograph = getattr(skimage.data, _PHOTOGRAPHS[index % len(_PHOTOGRAPHS)])()
        cut = int(rng.integers(100, 250))
        y, x = (int(rng.integers(length - cut)) for length in photograph.shape[:2])
        crop = photograph[y : y + cut, x : x + cut]
        face = images.resize(crop, side).numpy().astype(np.float32)
        # Grain, stronger on some faces than on others, so that the frequency stream sees a signal.
        face += rng.normal(0, 3 * (index % 3), face.shape)
        faces.append(np.clip(face, 0, 255))
    stacked = np.stack(faces).reshape(-1, *chosen.shape)
    return np.rint(stacked).astype(np.uint8) if chosen.input_type == "uint8" else stacked


def _predict(reference, faces):
    parts = [reference(faces[at : at + 8], training=False) for at in range(0, len(faces), 8)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _run_elsewhere(written, batches):
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = (os.path.join(folder, name) for name in ("inputs.npz", "outputs.npz"))
        np.savez(inputs, **batches)
        done = subprocess.run(
            [sys.executable, "-m", "lrl_keras.saving.runtimes", written, inputs, outputs],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise InputError(f"{os.path.basename(written)}: does not run: {lines[-1][:300]}")
        with np.load(outputs) as found:
            return dict(found)
