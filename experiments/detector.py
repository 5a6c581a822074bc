"""The detector that is shipped, and what the paper's parts are worth on pretrained features.

    python -m experiments.detector OUT --faces ROOT [--measure RECORDS ...]

ROOT holds real faces, one folder a person. Training forges them anew in every epoch (source
`self-blended`, `--fresh`). Each network starts from ImageNet weights and is trained twice: on clean
faces, where it learns quickly what a forgery is, and from there on, four times as long, on faces
that passed, real and forged alike, through lower resolutions and compression (augmentation
`video`); then the backbones' BatchNormalization stays as it is, and the average of the weights is
kept.

Under one budget, and with each of `--seeds`, a plain classifier, RGB + MPSM, RGB + frequency + RFAM
and the whole LRL, with and without `head_norm`, are trained at 160 pixels, classifier and LRL at
224 too. The detector is the whole LRL, trained longer, at 160 pixels first, where a face costs a
quarter, and then at the size of `--image-size`; its scores are calibrated on the validation faces,
so that 0.5 is a threshold, and its weights are written to OUT/shipped as the package holds them.

All are tested on forgeries of people never trained on, undamaged and at CRF 30, and on the RECORDS
given, which are finished records (`lrl-keras prepare`) and choose nothing. What came out, the
command, the time and the hardware: detector.md beside this file.
"""

import dataclasses
import functools
import itertools
import sys

import numpy as np
from scipy import special
from sklearn import linear_model

from experiments import command, datasets, report
from experiments.grid import Run, Task, read_json
from experiments.networks import ABLATIONS, WHOLE, WITHOUT_MPSM
from lrl_keras import data, evaluation, files, machine, robustness, runs

METHODS = ("self-blended", "swap")
BACKBONE = "efficientnet_lite0"
SMALL, LARGE, FULL = 160, 224, 320
# Side of the crops in the records, which the smaller networks see smaller.
CROP_SIZE = 256
CLASSIFIER = "Classifier"
# The scores of whole videos differed widely between the weights of one epoch and the next.
AVERAGING = 0.997
PLAIN_HEAD = f"{WHOLE}, no head norm"
NETWORKS = {
    CLASSIFIER: ({"architecture": "classifier"}, (SMALL, LARGE)),
    "RGB + MPSM": (ABLATIONS["RGB + MPSM"], (SMALL,)),
    WITHOUT_MPSM: (ABLATIONS[WITHOUT_MPSM], (SMALL,)),
    WHOLE: ({}, (SMALL, LARGE)),
    PLAIN_HEAD: ({"head_norm": False}, (SMALL,)),
}
# Draws of what happens to the validation faces that scores are calibrated over.
_DRAWS = 8
_SMOKE_SIZE = 64
SHIPPED = "shipped"


class Detector:
    """The comparison under one budget, and the detector that is shipped."""

    def __init__(self, choice):
        self._choice = choice
        self._faces = self._records(CROP_SIZE)
        # What the detector is trained on last.
        self._full = self._records(max(choice.image_size, CROP_SIZE))
        self.records = list({each.folder: each for each in (self._faces, self._full)}.values())
        self._others = [datasets.finished(folder) for folder in choice.measured]

    def tasks(self):
        # The detector first, then seed by seed: what is unfinished can be read too.
        compared = itertools.chain(*zip(*self._compared().values(), strict=True))
        detector = self._detector()
        return [Task(detector, detector.records), *(Task(run, self._faces) for run in compared)]

    def report(self):
        shipped = self._ship()
        found = {
            name: [
                self._measured(run.network, run.folder, run.records)
                for run in runs_
                if run.finished()
            ]
            for name, runs_ in self._compared().items()
        }
        every = [run for task in self.tasks() for run in _chain(task.run)]
        origin, about = report.provenance(every, [*self.records, *self._others], self._choice)
        about |= {"experiment": "detector", "compared": found, "shipped": shipped}
        lines = [*report.heading("The shipped detector, and the paper's parts", self._choice)]
        if shipped:
            lines += ["## Shipped", "", *_shipped_lines(shipped), ""]
        lines += [f"## Under one budget, {self._choice.epochs} epochs", "", *_table(found), ""]
        return report.save("detector", [*lines, *origin], about, self._choice)

    def _records(self, size):
        size = self._size(size)
        return datasets.records(
            self._choice.out,
            f"faces-{size}",
            "self-blended",
            self._choice.roots["faces"],
            methods=METHODS,
            fresh=True,
            crops=2,
            splits=tuple(map(float, self._choice.extra["identities"])),
            image_size=size,
        )

    def _detector(self):
        small = self._run(self._choice.seeds[0], self._choice.extra["longer"], SMALL, {})
        settings = dataclasses.replace(
            small.settings,
            image_size=self._size(self._choice.image_size),
            start=small.folder,
            learning_rate=small.settings.learning_rate / 2,
            **_lasting(self._choice.extra["full"]),
        )
        return Run(settings, self._full, self._choice.out, small)

    def _compared(self):
        """Runs, one a seed, by the name of their row."""
        return {
            f"{row}, {size} px": tuple(
                self._run(seed, self._choice.epochs, size, network) for seed in self._choice.seeds
            )
            for row, (network, sizes) in NETWORKS.items()
            for size in sizes
        }

    def _run(self, seed, epochs, size, network):
        common = {"image_size": self._size(size), **network}
        clean = Run(
            self._choice.settings(seed, **common, **_lasting(max(epochs // 4, 1))),
            self._faces,
            self._choice.out,
        )
        video = self._choice.settings(
            seed,
            augment="video",
            start=clean.folder,
            # Its statistics are those of faces by now, and of larger numbers than a batch.
            frozen_norm=True,
            averaging=AVERAGING,
            **common,
            **_lasting(epochs),
        )
        return Run(video, self._faces, self._choice.out, clean)

    def _size(self, size):
        return _SMOKE_SIZE if self._choice.smoke else size

    def _measured(self, network, folder, faces, whole=False):
        """Figures of a network by what it is tested on: evaluated once, kept beside its weights."""
        network = functools.cache(network)
        found = {}
        for name, records, split in (
            ("made here", faces, "test"),
            *((other.name, other, "all") for other in self._others),
        ):
            place = files.join(folder, f"on-{name}".replace(" ", "-"))
            path = files.join(place, "metrics.json")
            if not _is_of(path, records):
                evaluation.evaluate(network(), records.folder, split, out=place)
            found[name] = read_json(path)
        path = files.join(folder, "robustness.json")
        if not _is_of(path, faces):
            cells = {} if whole else {"degradations": ("video_compression",), "levels": (1,)}
            robustness.measure({"it": network()}, faces.folder, "test", out={"it": folder}, **cells)
        return {"figures": found, "degraded": read_json(path)["cells"]}

    def _ship(self):
        """Calibrate the detector, write it as the package holds it, and measure that."""
        run = self._detector()
        if not run.finished():
            return None
        folder = files.join(self._choice.out, SHIPPED)
        if not runs.is_run(folder):
            network = run.network()
            scale, shift = calibrate(network, run.records.folder)
            runs.save(
                network,
                folder,
                half=True,
                about={
                    "settings": {
                        **dataclasses.asdict(run.settings),
                        "start": files.name_of(run.before.folder),  # Wherever OUT lies.
                    },
                    "records": {"manifest_sha256": run.records.fingerprint},
                    "calibration": {"scale": scale, "shift": shift},
                    "command": self._choice.command,
                    "hardware": machine.processor(),
                },
            )
        return self._measured(lambda: runs.load(folder), folder, run.records, whole=True)


def _lasting(epochs):
    return {"epochs": epochs, "halve_every": max(epochs // 3, 1)}


def _chain(run):
    """A run and those that it starts from, the first one first."""
    return [] if run is None else [*_chain(run.before), run]


def calibrate(network, records):
    """Scale and shift a network's logits so that its scores are probabilities (Platt 1999).

    They are fitted to the validation faces as they are and as the augmentation `video` leaves them,
    and become part of the weights of the label's layer.

    Args:
        network: a detector with a layer `"label"`; changed in place.
        records: folder of records whose split `val` is fitted to.

    Returns:
        (scale, shift).
    """
    logits, labels = [], []
    for draw in range(_DRAWS):
        augment = "video" if draw else "none"
        batches = data.load(
            records, "val", 32, image_size=network.image_size, augment=augment, epoch=draw
        )
        for images, targets, _ in batches:
            scores = np.asarray(network.predict_on_batch(images)["label"], np.float64)[:, 0]
            logits.extend(special.logit(np.clip(scores, 1e-7, 1 - 1e-7)))
            labels.extend(np.asarray(targets["label"])[:, 0])
    fitted = linear_model.LogisticRegression(C=np.inf, class_weight="balanced")
    fitted.fit(np.array(logits)[:, None], np.array(labels) > 0.5)
    scale, shift = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    kernel, bias = network.get_layer("label").get_weights()
    network.get_layer("label").set_weights([scale * kernel, scale * bias + shift])
    return scale, shift


def _is_of(path, records):
    return files.exists(path) and read_json(path).get("manifest_sha256") == records.fingerprint


def _table(found):
    """A row a network: AUC in percent of everything it was tested on."""
    names = list(next((of[0]["figures"] for of in found.values() if of), {}))
    cells = []
    for row, measured in found.items():
        line = [
            report.percent([_auc(one["figures"][name]["frame"]) for one in measured])
            for name in names
        ]
        crf30 = [_auc(one["degraded"]["video_compression"][0]) for one in measured]
        cells.append([row, *line, report.percent(crf30)])
    return report.rows(["AUC", *names, "made here, CRF 30"], cells)


def _shipped_lines(shipped):
    heads = ["", "AUC", "video AUC", "balanced accuracy at 0.5", "real", "forged"]
    cells = []
    for name, result in shipped["figures"].items():
        methods = result["frame"]["methods"]
        for method in (None, *methods):
            frame, video = (
                result[level]["overall"] if method is None else result[level]["methods"][method]
                for level in ("frame", "video")
            )
            cells.append([
                name if method is None else f"{name}, {method}",
                *(f"{100 * figure:.2f}" for figure in (frame["auc"], video["auc"])),
                f"{100 * frame['balanced_accuracy']:.2f}",
                str(frame["real"]),
                str(frame["forged"]),
            ])  # fmt: skip
    degraded = {
        name: np.mean([cell["overall"]["auc"] for cell in row])
        for name, row in shipped["degraded"].items()
    }
    rows = [[name.replace("_", " "), f"{100 * auc:.2f}"] for name, auc in degraded.items()]
    rows.append(["mean", f"{100 * np.mean(list(degraded.values())):.2f}"])
    return [
        *report.rows(heads, cells),
        "",
        "Made here, under each degradation, mean over its levels:",
        "",
        *report.rows(["", "AUC"], rows),
    ]


def _auc(figures):
    return 100 * figures["overall"]["auc"]


def main(argv=None):
    return command.run(
        "experiments.detector",
        __doc__,
        ["faces"],
        Detector,
        argv,
        measured=True,
        extra={
            "identities": ((930, 58, 140), (6, 2, 4), "people of the splits train, val and test"),
            "longer": (24, 1, f"epochs of the detector that is shipped, at {SMALL} pixels"),
            "full": (9, 1, "its epochs at the size of --image-size"),
        },
        backbone=BACKBONE,
        image_size=FULL,
        epochs=8,
        batch_size=16,
        learning_rate=3e-4,
        seeds=(0, 1),
    )


if __name__ == "__main__":
    sys.exit(main())
