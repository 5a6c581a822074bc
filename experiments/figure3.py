"""Figure 3: masks and local similarity patterns of each type of face, FaceForensics++ LQ.

    python -m experiments.figure3 OUT --ffpp ROOT

One row a type of face: the face, its true and its predicted mask, its true and its predicted
similarity pattern, by the last network of Table 4, which is trained if it is not there. The paper
says of its figure that predictions are the same as the truth, that the regions of a real face are
alike, and that each type of forgery shows a pattern of its own.

Not run yet with the whole dataset. Without the training it is a pass over five faces.
"""

import dataclasses
import sys

import numpy as np
from keras import ops

from experiments.study import command, figure, image_grids
from experiments.study.networks import WHOLE
from lrl_keras.layers import similarity_target

_COLOURS = {
    "true mask": "inferno",
    "predicted mask": "inferno",
    "true pattern": "viridis",
    "predicted pattern": "viridis",
}


class Figure3(figure.Figure):
    """One face of each type and all that the whole network says of it."""

    name = "figure3"
    title = "Figure 3: masks and similarity patterns, FaceForensics++ LQ"
    rows = (WHOLE,)

    def draw(self, path):
        drawn = self.one_each()
        model = self.network(WHOLE)
        outputs = figure.predict(model, [example.image for _, example in drawn.values()])
        masks = np.stack([figure.mask_of(example) for _, example in drawn.values()])
        truth = similarity_target(masks[..., None], model.patches)
        faces = {
            "score": outputs["label"][:, 0],
            "true mask": masks,
            "predicted mask": outputs["mask"][..., 0],
            "true pattern": ops.convert_to_numpy(truth),
            "predicted pattern": outputs["similarity"],
        }
        self._sheet(drawn, faces, path)
        rows = {
            kind: {**dataclasses.asdict(place), **_numbers(faces, row)}
            for row, (kind, (place, _)) in enumerate(drawn.items())
        }
        return _shown(), {"rows": rows}, figure.absent(drawn, masked=True)

    @staticmethod
    def _sheet(drawn, faces, path):
        labels = figure.captions(drawn, faces["score"])
        sheet = image_grids.Sheet(labels, ("face", *_COLOURS))
        for row, (_, example) in enumerate(drawn.values()):
            sheet.face(row, 0, example.image)
            for column, (name, colours) in enumerate(_COLOURS.items(), 1):
                sheet.map(row, column, faces[name][row], colours)
        sheet.bar("inferno", (1, 2), "0 real, 1 forged")
        sheet.bar("viridis", (3, 4), "0 unlike, 1 alike")
        sheet.save(path)


def _numbers(faces, row):
    score, mask, predicted, target, pattern = (values[row] for values in faces.values())
    return {
        "score": float(score),
        "forged_pixels": float(mask.mean()),
        "mask_error": float(np.abs(predicted - mask).mean()),
        "similarity_error": float(np.abs(pattern - target).mean()),
    }


def _shown():
    return [
        f"{figure.drawn_by_chance(masked=True)} One of each type; the score is the probability "
        "that the face is forged. The true mask is where the face differs from that of the real "
        "video (Sec. 3.3), the true pattern follows from it by Eq. (9). In a pattern each square "
        "is a pair of patches, row by row from the upper left of the face. Nothing is "
        "normalised: all colours go from 0 to 1.",
        "",
        "`mask_error` and `similarity_error` in the JSON are mean absolute differences of this one "
        "face.",
    ]


def main(argv=None):
    return command.run("experiments.figure3", __doc__, ["ffpp"], Figure3, argv)


if __name__ == "__main__":
    sys.exit(main())
