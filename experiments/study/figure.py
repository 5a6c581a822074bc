"""The parts that the figures share: networks of Table 4, test faces drawn by chance, the report."""

import dataclasses
import itertools
import sys
import zlib

import keras
import numpy as np

from experiments.study import datasets, grid, image_grids, networks, provenance, report
from lrl_keras.data import single_examples
from lrl_keras.system import files

# As they are called in the caption of Fig. 3, in its order.
KINDS = {
    "real": "Real",
    "Deepfakes": "DF",
    "Face2Face": "F2F",
    "FaceSwap": "FS",
    "NeuralTextures": "NT",
}

# Of the draw of faces and of the disturbances, not of the training: figures of two trainings show
# the same faces.
SEED = 0


class Figure:
    """An experiment that trains and tests rows of Table 4 and draws a figure of them.

    Subclasses set the class attributes and have `draw(path)`, which writes the image and returns
    (lines of Markdown, dict of plain values, lines on what was not the same as in the paper).

    Attributes:
        name, title: of the figure.
        rows: the rows of Table 4 that it needs.
    """

    name: str
    title: str
    rows: tuple[str, ...]

    def __init__(self, choice):
        self.choice = choice
        self.lq = datasets.faceforensics(choice, "c40")
        self.records = [self.lq]

    def run(self, row):
        """Make the `Training` of a row of Table 4, with the first seed."""
        return grid.runs(self.choice, self.lq, networks.ABLATIONS[row])[0]

    def tasks(self):
        return [grid.Task(self.run(row), self.lq) for row in self.rows]

    def network(self, row):
        """Load the trained network of a row."""
        return self.run(row).network()

    def faces(self, count, masked):
        """Draw test faces by chance: dict of kind to list of `Place`.

        Args:
            count: of each kind; where there are fewer, all of them.
            masked: whether only faces are drawn of which the manipulated region is known.
        """
        found = tested_faces(self.lq.opened, masked)
        return {kind: draw(kind, places, count) for kind, places in found.items()}

    def read(self, places):
        """Yield lists of (`Place`, `lrl_keras.data.schema.Example`), at most one batch each."""
        examples = read(self.lq, places)
        while batch := list(itertools.islice(examples, self.choice.batch_size)):
            yield batch

    def one_each(self):
        """Read the first drawn face of each kind: dict of kind to (`Place`, `Example`)."""
        drawn = self.faces(1, masked=True)
        return {kind: next(self.read(places))[0] for kind, places in drawn.items()}

    def report(self):
        waiting = [row for row in self.rows if not self.run(row).finished()]
        if waiting:
            if self.choice.of > 1:
                print(
                    f"{self.name}: not drawn yet, {' and '.join(waiting)} not trained to the end: "
                    "the share of another --index; give this command again when it is done",
                    file=sys.stderr,
                )
            return []
        files.make_folder(self.choice.out)
        image = f"{self.name}.png"
        shown, numbers, notes = self.draw(files.join(self.choice.out, image))
        if len(self.choice.seeds) > 1:
            notes = [*notes, f"only the training with seed {self.choice.seeds[0]} is shown"]
        used = [self.run(row) for row in self.rows]
        origin, found = provenance.describe(used, self.records, self.choice, notes)
        lines = [
            *report.heading(self.title, self.choice),
            f"![{self.title}]({image})",
            "",
            *shown,
            "",
            *self._networks(),
            "",
            *origin,
        ]
        found |= {"experiment": self.name, "seed_of_draw": SEED, **numbers}
        written = report.save(self.name, lines, found, self.choice)
        return [files.join(self.choice.out, image), *written]

    def _networks(self):
        """Yield lines that say how good the drawn networks are."""
        yield f"The networks, trained with seed {self.choice.seeds[0]}, frame level as in Table 4:"
        yield ""
        for row in self.rows:
            found = self.run(row).result(self.lq)
            metrics = "not measured"
            if found:
                overall = found["frame"]["overall"]
                metrics = f"ACC {100 * overall['accuracy']:.2f}, AUC {100 * overall['auc']:.2f}"
            yield f"- {row}: {metrics}"


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """The place of an example in its shard, and its origin.

    Attributes:
        shard: name of its file.
        position: its number in the shard, from 0.
        kind: forgery method, `"real"` for none.
        video, frame: of the dataset.
    """

    shard: str
    position: int
    kind: str
    video: str
    frame: int


def tested_faces(records, masked):
    """List every face of the test split by kind, those of the caption of Fig. 3 first.

    Args:
        records: `lrl_keras.data.Records`.
        masked: leave out faces of which the manipulated region is not known.

    Returns:
        dict of kind to list of `Place`, none of them empty.
    """
    found = {}
    for clip, start in records.placed(("test",)):
        if masked and clip.unpaired is not None:
            continue
        for position, frame in enumerate(clip.kept, start):
            place = Place(clip.shard, position, clip.method, clip.video, frame)
            found.setdefault(place.kind, []).append(place)
    order = [*KINDS, *sorted(set(found) - set(KINDS))]
    return {kind: found[kind] for kind in order if kind in found}


def draw(kind, places, count):
    """Draw `count` places by chance, in this order; a smaller draw begins a larger one."""
    generator = np.random.default_rng([SEED, zlib.crc32(kind.encode())])
    return [places[number] for number in generator.permutation(len(places))[:count]]


def read(records, places):
    """Yield (`Place`, `lrl_keras.data.schema.Example`) in the order in which they are stored.

    Args:
        records: `experiments.study.datasets.Records`.
        places: list of `Place`.
    """
    side = records.opened.image_size
    for shard, members in itertools.groupby(sorted(places), lambda place: place.shard):
        members = list(members)
        positions = [place.position for place in members]
        examples = single_examples.read(files.join(records.folder, shard), positions, side)
        yield from zip(members, examples, strict=True)


def mask_of(example):
    """Give the true mask of an example, float32 (S, S) of 0 and 1."""
    if example.mask is None:
        return np.zeros(example.image.shape[:2], np.float32)
    return example.mask.astype(np.float32)


def predict(model, images):
    """Predict the outputs for a list of uint8 faces (S, S, 3), as NumPy arrays."""
    outputs = model.predict_on_batch(np.stack(images).astype(np.float32))
    return {name: np.asarray(values, np.float32) for name, values in outputs.items()}


def with_maps(model, **maps):
    """Add feature maps to a network's outputs; `maps`: tensors of its graph by name."""
    return keras.Model(model.input, {**model.output, **maps})


def absent(drawn, masked):
    """Name the kinds of faces of the paper of which there are none in `drawn`, a line each."""
    those = " of which the manipulated region is known" if masked else ""
    return [f"{kind}: no test face{those}" for kind in KINDS if kind not in drawn]


def drawn_by_chance(masked):
    """Say in a sentence how the faces came about."""
    those = " of which the manipulated region is known" if masked else ""
    return (
        f"Faces of the test split{those}, drawn by chance (NumPy generator with the seed {SEED} "
        "and the CRC-32 of the method's name), none chosen by hand."
    )


def captions(drawn, scores):
    """Label the rows of a sheet, one for each face that `Figure.one_each` drew."""
    return [
        f"{KINDS.get(place.kind, place.kind)}\n{image_grids.shortened(place.video)}\n"
        f"frame {place.frame}\nscore {score:.2f}"
        for (place, _), score in zip(drawn.values(), scores, strict=True)
    ]
