"""The work of `lrl-keras demo`: the shipped detector on a face, then all of it once, small."""

from pathlib import Path

import numpy as np
import skimage.data

from lrl_keras import data
from lrl_keras.data import blending
from lrl_keras.evaluation import evaluator
from lrl_keras.media import faces, images
from lrl_keras.plots import drawing
from lrl_keras.prediction import predictor
from lrl_keras.saving.run import DEFAULT, Run, load
from lrl_keras.training import trainer
from tfrecords.build import prepare
from tfrecords.sources import photographs

SETTINGS = trainer.Settings(
    backbone="tiny",
    weights=None,
    image_size=128,
    patches=4,
    epochs=12,
    batch_size=32,
    learning_rate=1e-3,
    halve_every=4,
)
_CUTS = 80
_SHOWN = 24
_FORGERIES = 3
# Around the only face that scikit-image ships, enough for the crop of it.
_PORTRAIT = slice(0, 300), slice(80, 380)


def show(out="demo"):
    """Score a real face and forgeries made of it by the shipped detector.

    Args:
        out: folder to write. Defaults to `"demo"`.

    Returns:
        dict: `results` of the predictions, the real face first, and `path` of an image of them
        with heat maps.
    """
    folder = Path(out) / "faces"
    folder.mkdir(parents=True, exist_ok=True)
    portrait = skimage.data.astronaut()[_PORTRAIT]
    paths = [folder / "real.png"]
    drawing.save_png(portrait, paths[0])
    ((face, *_),) = faces.FaceDetector()([portrait])
    for seed in range(_FORGERIES):
        forgery, _ = blending.self_blend(portrait, face.landmarks, np.random.default_rng(seed))
        paths.append(folder / f"forged-{seed + 1}.png")
        drawing.save_png(forgery, paths[-1])
    model = load(DEFAULT)
    results = list(predictor.predict(model, paths, overlay=Path(out) / "face-overlays"))
    overlays = [images.read_image(result["overlay"]) for result in results]
    path = Path(out) / "faces.png"
    captions = [f"{Path(result['input']).stem}: {result['score']:.3f}" for result in results]
    drawing.save_png(drawing.contact_sheet(overlays, len(overlays), captions), path)
    return {"results": results, "path": path}


def demo(out="demo", *, verbose=2):
    """Train and measure a small network on photographs that ship inside scikit-image.

    Takes some minutes on 2 cores and needs no download. Interrupted or called again, it goes on
    from what is there.

    Args:
        out: folder to write. Defaults to `"demo"`.
        verbose: as in `keras.Model.fit`.

    Returns:
        dict: `metrics` of the held-out photographs as `lrl_keras.evaluation.evaluate` returns
        them, `results` of the predictions, and `paths` of what was written.
    """
    out = Path(out)
    paths = {
        name: out / name
        for name in ("records", "run", "held_out", "overlays", "forgeries.png", "predictions.png")
    }
    prepare(
        photographs.NAME,
        photographs.ROOT,
        paths["records"],
        frames_per_video=_CUTS,
        image_size=SETTINGS.image_size,
    )
    shown = _held_out(paths["records"])
    _draw_forgeries(shown, paths["forgeries.png"])
    resume = Run.exists(paths["run"])
    trainer.train(paths["records"], paths["run"], SETTINGS, resume=resume, verbose=verbose)
    model = load(paths["run"])
    metrics = evaluator.evaluate(model, paths["records"], out=paths["run"])
    results = _predict(model, shown, paths)
    return {"metrics": metrics, "results": results, "paths": paths}


def _held_out(records):
    """Return examples of photographs that are never trained on, evenly spaced over the split."""
    examples = list(data.examples(records, "test", batch_size=1).as_numpy_iterator())
    step = len(examples) // _SHOWN
    return [
        {
            "name": f"{example['video'][0].decode()}-{example['frame'][0]:03d}-"
            f"{example['method'][0].decode()}.png",
            "image": example["image"][0].astype(np.uint8),
            "mask": example["mask"][0],
        }
        for example in examples[step // 2 :: step]
    ]


def _draw_forgeries(shown, path):
    tiles, captions = [], []
    for example in shown:
        tiles += [example["image"], drawing.heat_map(example["image"], example["mask"])]
        captions += [example["name"], "its mask" if example["mask"].any() else "no mask"]
    drawing.save_png(drawing.contact_sheet(tiles, 8, captions), path)


def _predict(model, shown, paths):
    paths["held_out"].mkdir(exist_ok=True)
    for example in shown:
        drawing.save_png(example["image"], paths["held_out"] / example["name"])
    results = list(
        predictor.predict(model, [paths["held_out"]], crop="none", overlay=paths["overlays"])
    )
    overlays = [images.read_image(result["overlay"]) for result in results]
    captions = [Path(result["input"]).stem for result in results]
    drawing.save_png(drawing.contact_sheet(overlays, 6, captions), paths["predictions.png"])
    return results
