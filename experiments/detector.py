"""The forgery detector that is shipped, and the paper's parts compared on pretrained features.

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

import itertools
import sys

from experiments.study import (
    calibration,
    command,
    datasets,
    detector_tables,
    measuring,
    provenance,
    report,
)
from experiments.study.grid import Task, Training
from experiments.study.networks import ABLATIONS, WHOLE, WITHOUT_MPSM
from lrl_keras.saving import run as saving
from lrl_keras.system import files, hardware
from lrl_keras.system.options import Option

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
    CLASSIFIER: ({"detector": "classifier"}, (SMALL, LARGE)),
    "RGB + MPSM": (ABLATIONS["RGB + MPSM"], (SMALL,)),
    WITHOUT_MPSM: (ABLATIONS[WITHOUT_MPSM], (SMALL,)),
    WHOLE: ({}, (SMALL, LARGE)),
    PLAIN_HEAD: ({"head_norm": False}, (SMALL,)),
}
_SMOKE_SIZE = 64
SHIPPED = "shipped"


class Detector:
    """The comparison under one budget, and the detector that is shipped."""

    def __init__(self, choice):
        self._choice = choice
        self._faces = self._records(CROP_SIZE)
        sets = [self._faces]
        if choice.extra["longer"]:
            # The detector is trained last on these.
            self._full = self._records(max(choice.image_size, CROP_SIZE))
            sets.append(self._full)
        self.records = list({each.folder: each for each in sets}.values())
        self._others = [datasets.finished(folder) for folder in choice.measured]

    def tasks(self):
        # The detector first, then seed by seed: what is unfinished can be read too.
        compared = itertools.chain(*zip(*self._compared().values(), strict=True))
        detectors = [self._detector()] if self._choice.extra["longer"] else []
        return [
            *(Task(run, run.records) for run in detectors),
            *(Task(run, self._faces) for run in compared),
        ]

    def report(self):
        shipped = self._ship() if self._choice.extra["longer"] else None
        found = {
            name: [
                self._measured(run.network, run.folder, run.records)
                for run in runs_
                if run.finished()
            ]
            for name, runs_ in self._compared().items()
        }
        every = [run for task in self.tasks() for run in _chain(task.run)]
        origin, about = provenance.describe(every, [*self.records, *self._others], self._choice)
        about |= {"experiment": "detector", "compared": found, "shipped": shipped}
        lines = [*report.heading("The shipped detector, and the paper's parts", self._choice)]
        if shipped:
            lines += ["## Shipped", "", *detector_tables.shipped(shipped), ""]
        lines += [
            f"## Under one budget, {self._choice.epochs} epochs",
            "",
            *detector_tables.compared(found),
            "",
        ]
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
        settings = small.settings.replace(
            image_size=self._size(self._choice.image_size),
            start=small.folder,
            learning_rate=small.settings.learning_rate / 2,
            **_lasting(self._choice.extra["full"]),
        )
        return Training(settings, self._full, self._choice.out, small)

    def _compared(self):
        """List the runs, one a seed, by the name of their row."""
        return {
            f"{row}, {size} px": tuple(
                self._run(seed, self._choice.epochs, size, network) for seed in self._choice.seeds
            )
            for row, (network, sizes) in NETWORKS.items()
            for size in sizes
        }

    def _run(self, seed, epochs, size, network):
        common = {"image_size": self._size(size), **network}
        clean = Training(
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
        return Training(video, self._faces, self._choice.out, clean)

    def _size(self, size):
        return _SMOKE_SIZE if self._choice.smoke else size

    def _measured(self, network, folder, faces, whole=False):
        """Measure a network once on each of its test sets; the metrics stay beside its weights."""
        sets = {"made here": faces, **{other.name: other for other in self._others}}
        cells = {} if whole else {"degradations": ("video_compression",), "levels": (1,)}
        figures, degraded = measuring.once(network, folder, sets, **cells)
        return {"figures": figures, "degraded": degraded}

    def _ship(self):
        """Calibrate the detector, write it as the package holds it, and measure that."""
        run = self._detector()
        if not run.finished():
            return None
        folder = files.join(self._choice.out, SHIPPED)
        if not saving.Run.exists(folder):
            network = run.network()
            scale, shift = calibration.calibrate(network, run.records.folder)
            saving.save(
                network,
                folder,
                half=True,
                about={
                    "settings": {
                        **run.settings.content(),
                        "start": files.name_of(run.before.folder),  # Wherever OUT lies.
                    },
                    "records": {"manifest_sha256": run.records.fingerprint},
                    "calibration": {"scale": scale, "shift": shift},
                    "command": self._choice.command,
                    "hardware": hardware.processor(),
                },
            )
        return self._measured(lambda: saving.load(folder), folder, run.records, whole=True)


def _lasting(epochs):
    return {"epochs": epochs, "halve_every": max(epochs // 3, 1)}


def _chain(run):
    """List a run and those that it starts from, the first one first."""
    return [] if run is None else [*_chain(run.before), run]


def main(argv=None):
    return command.run(
        "experiments.detector",
        __doc__,
        ["faces"],
        Detector,
        argv,
        measured=True,
        extra={
            "identities": (
                Option((930, 58, 140), "people of the splits train, val and test", least=1),
                (6, 2, 4),
            ),
            "longer": (
                Option(
                    24,
                    f"epochs of the detector that is shipped, at {SMALL} pixels; 0: only compare",
                    least=0,
                ),
                1,
            ),
            "full": (Option(9, "its epochs at the size of --image-size", least=1), 1),
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
