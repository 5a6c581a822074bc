"""Table 5, ours: every system on faces that anyone may use, under one budget.

    python -m experiments.table5 OUT --faces ROOT [--measure RECORDS ...] [--detectors NAME ...]

ROOT holds real faces, one folder a person. Half of the faces that a network is trained on are
self-blended, none is swapped; all passed through lower resolutions and compression, real and forged
alike (augmentation `video`). Each system has the loss, the optimizer and the batch of its authors
and the same number of epochs; those that resize the face see it at `--image-size`, those that look
at the traces in single pixels see the middle of it as the records hold it. The detector that is
shipped stands beside them: it was trained far longer, on swapped faces too.

All are tested on people never trained on: self-blended as in training, swapped, and both at CRF 30;
and on the RECORDS given, which are finished records (`lrl-keras prepare`). Speed is that of ONNX
Runtime, float32, all outputs.

What came out, the command, the time and the hardware: table5.md beside this file.
"""

import functools
import itertools
import sys

from experiments.study import (
    command,
    datasets,
    measuring,
    networks,
    provenance,
    report,
    systems_table,
)
from experiments.study.grid import Task, Training, read_json
from lrl_keras import benchmark, export
from lrl_keras.models import detector, multiply_adds
from lrl_keras.saving import run as saving
from lrl_keras.system import files
from lrl_keras.system.options import Option

TRAINED_ON, UNSEEN = "self-blended", "swap"
METHODS = (TRAINED_ON, UNSEEN)
# Side of the crops in the records.
CROP_SIZE = 256
LITE = {"backbone": "efficientnet_lite0", "weights": "imagenet"}
# No other backbone has weights here, and a photograph has one frame.
OTHERS = {
    "lrl": LITE,
    "xception": {"weights": None},
    "two_branch": {"weights": None, "frames": 2},
    "f3_net": {"weights": None},
}
ROWS = {
    **{name: {"detector": kind, **OTHERS.get(kind, {})} for name, kind in networks.SYSTEMS.items()},
    "Meso-4": {"detector": "meso4"},
    "Face X-ray, EfficientNet-Lite0": {"detector": "face_xray", **LITE},
    "Classifier, EfficientNet-Lite0": {"detector": "classifier", **LITE},
}
SHIPPED = "LRL, shipped"
_SPEED = "speed.json"


class Table5:
    """Every system, trained and tested on faces made here."""

    def __init__(self, choice):
        self._choice = choice
        self._faces = datasets.records(
            choice.out,
            f"faces-{CROP_SIZE}-forged",
            "self-blended",
            choice.roots["faces"],
            methods=METHODS,
            splits=tuple(map(float, choice.extra["identities"])),
            image_size=CROP_SIZE,
        )
        self.records = [self._faces]
        self._others = [datasets.finished(folder) for folder in choice.measured]

    def tasks(self):
        # Seed by seed: what is unfinished can be read too.
        trained = [
            self._runs(row)
            for row, network in ROWS.items()
            if network["detector"] in self._choice.extra["detectors"]
        ]
        return [
            Task(run, self._faces, METHODS)
            for run in itertools.chain(*itertools.zip_longest(*trained))
            if run is not None
        ]

    def report(self):
        every = [run for row in ROWS for run in self._runs(row)]
        found = {
            row: [
                self._measured(run.network, run.folder) for run in self._runs(row) if run.finished()
            ]
            for row in ROWS
        }
        folder = files.join(self._choice.out, "shipped-detector")
        found[SHIPPED] = [self._measured(lambda: saving.load(saving.DEFAULT), folder)]
        origin, about = provenance.describe(every, [*self.records, *self._others], self._choice)
        about |= {"experiment": "table5", "systems": found}
        title = "Table 5, ours: all systems under one budget, on faces that anyone may use"
        lines = [
            *report.heading(title, self._choice),
            f"{self._choice.epochs} epochs each, seeds {self._choice.seeds}. AUC in percent.",
            "",
            *systems_table.table(found),
            "",
        ]
        plot = files.join(self._choice.out, "table5.png")
        systems_table.draw(found, plot)
        return [*report.save("table5", [*lines, *origin], about, self._choice), plot]

    def _runs(self, row):
        network = ROWS[row]
        whole = "side" in detector(network["detector"]).OPTIONS
        size = CROP_SIZE if whole else self._choice.image_size
        return tuple(
            Training(
                self._choice.settings(
                    seed,
                    **{"augment": "video", **network, "image_size": size},
                    methods=(TRAINED_ON,),
                ),
                self._faces,
                self._choice.out,
            )
            for seed in self._choice.seeds
        )

    def _measured(self, network, folder):
        """Measure a network once on each test set; what is found stays in its folder."""
        network = functools.cache(network)
        sets = {records.name: records for records in (self._faces, *self._others)}
        results, cells = measuring.once(
            network, folder, sets, degradations=("video_compression",), levels=(1,)
        )
        (cell,) = cells["video_compression"]
        figures = {name: _aucs(result) for name, result in results.items()}
        figures["CRF 30"] = {name: each["auc"] for name, each in _cases(cell).items()}
        path = files.join(folder, _SPEED)
        if not files.exists(path):
            files.write_json(path, _speed(network(), files.join(folder, "export")))
        return {"figures": figures, "folder": folder, **read_json(path)}


def _aucs(result):
    return {
        level: {name: each["auc"] for name, each in _cases(result[level]).items()}
        for level in ("frame", "video")
    }


def _cases(metrics):
    return {"overall": metrics["overall"], **metrics["methods"]}


def _speed(network, folder):
    """Measure images a second by ONNX Runtime, beside the machine's rate of matrix products."""
    path = export.finished(folder, network) or export.export(network, folder, "onnx")
    found = benchmark.benchmark_inference(network, {"onnx": path}, batches=(8,), seconds=1.0)
    (row,) = found["rows"]
    return {
        "weights": network.count_params(),
        "multiply_adds": multiply_adds(network)["total"],
        "images_per_second": row["images_per_second"],
        "gflops_of_matrix_product": found["matrix_product"]["median"],
    }


def main(argv=None):
    names = tuple(dict.fromkeys(network["detector"] for network in ROWS.values()))
    return command.run(
        "experiments.table5",
        __doc__,
        ["faces"],
        Table5,
        argv,
        measured=True,
        extra={
            "identities": (
                Option((930, 58, 140), "people of the splits train, val and test", least=1),
                (6, 2, 4),
            ),
            **networks.chosen_systems(names),
        },
        image_size=160,
        epochs=4,
        seeds=(0, 1),
    )


if __name__ == "__main__":
    sys.exit(main())
