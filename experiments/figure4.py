"""Figure 4: mean similarity patterns and most predictive patches by type of face, LQ.

    python -m experiments.figure4 OUT --ffpp ROOT [--faces 1000]

Over 1000 faces of each type, by the last network of Table 4, which is trained if it is not there:
the mean of the predicted similarity patterns, and how often each of the k x k patches is the most
predictive one. The paper shows Real, Deepfakes and NeuralTextures and says that the patches of
real faces are alike and all of them take their turn, and that on forged faces the nose and the
mouth do.

The paper chooses the patch 'based on the activation of the final feature map' and says no more.
Here it is the patch with the greatest mean over its pixels of the fused high map of RFAM, the
channels' values above 0 averaged before; the map is cut into patches as PatchSimilarity cuts it.

Not run yet with the whole dataset. Without the training it is a pass of the network over 5000
faces.
"""

import itertools
import math
import sys

import numpy as np

from experiments.study import command, figure, image_grids
from experiments.study.networks import WHOLE
from lrl_keras.system.options import Option

PAPER_FACES = 1000
_NAMES = {"real": "Real"}


class Figure4(figure.Figure):
    """Statistics over many faces of each type."""

    name = "figure4"
    title = "Figure 4: mean similarity patterns and most predictive patches, FaceForensics++ LQ"
    rows = (WHOLE,)

    def draw(self, path):
        wanted = self.choice.extra["faces"]
        drawn = self.faces(wanted, masked=False)
        model = self.network(WHOLE)
        fused = model.get_layer("rfam_high").output[0]
        side = fused.shape[1]
        model, patches = figure.with_maps(model, fused=fused), model.patches
        found = {kind: self._statistics(model, patches, drawn[kind]) for kind in drawn}
        image_grids.statistics(
            {
                _NAMES.get(kind, kind): (
                    each["pattern"], each["shares"], each["face"], len(drawn[kind]), side,
                )
                for kind, each in found.items()
            },
            path,
        )  # fmt: skip
        rows = {
            kind: {
                "faces": len(drawn[kind]),
                "mean_pattern": each["pattern"].tolist(),
                "most_predictive": each["counts"].tolist(),
                "without_activation": each["silent"],
            }
            for kind, each in found.items()
        }
        fewer = [
            f"{kind}: {row['faces']} faces, the paper: {PAPER_FACES}"
            for kind, row in rows.items()
            if row["faces"] != PAPER_FACES
        ]
        notes = figure.absent(drawn, masked=False) + fewer
        return _shown(rows), {"faces": wanted, "rows": rows}, notes

    def _statistics(self, model, patches, places):
        """Compute mean pattern and face, and how often each patch was the most predictive one."""
        pattern, face, counts, silent = 0.0, 0.0, np.zeros((patches, patches), int), 0
        for batch in self.read(places):
            images = [example.image for _, example in batch]
            outputs = figure.predict(model, images)
            pattern = pattern + outputs["similarity"].sum(axis=0, dtype=np.float64)
            face = face + np.sum(images, axis=0, dtype=np.float64)
            for row, column in most_predictive(outputs["fused"], patches):
                if row < 0:
                    silent += 1
                else:
                    counts[row, column] += 1
        return {
            "pattern": pattern / len(places),
            "face": np.rint(face / len(places)).astype(np.uint8),
            "counts": counts,
            "shares": counts / max(counts.sum(), 1),
            "silent": silent,
        }


def most_predictive(maps, patches):
    """Find the patch of each face with the greatest mean activation.

    Args:
        maps: feature maps (B, H, W, C).
        patches: k, the patches along each side, of Ceil(H / k) x Ceil(W / k) pixels; those that
            lie wholly beyond the border are never chosen.

    Returns:
        list of (row, column); (-1, -1) for a face without any activation.
    """
    # Swish leaves values below 0, which stand for no answer.
    answers = np.maximum(maps, 0).mean(axis=-1)
    _, height, width = answers.shape
    h, w = math.ceil(height / patches), math.ceil(width / patches)
    means = np.zeros((len(maps), patches, patches))
    for row, column in itertools.product(range(patches), repeat=2):
        pixels = answers[:, row * h : (row + 1) * h, column * w : (column + 1) * w]
        if pixels.size:
            means[:, row, column] = pixels.mean(axis=(1, 2))
    flat = means.reshape(len(maps), -1)
    best = [divmod(int(number), patches) for number in flat.argmax(axis=1)]
    return [
        place if any_answer else (-1, -1)
        for place, any_answer in zip(best, flat.max(axis=1) > 0, strict=True)
    ]


def _shown(rows):
    counted = ", ".join(f"{kind} {row['faces']}" for kind, row in rows.items())
    lines = [
        f"{figure.drawn_by_chance(masked=False)} They are: {counted}; the paper's "
        "figure has real faces, Deepfakes and NeuralTextures. Left: the mean of the "
        "predicted patterns; each square is a pair of patches, row by row from the upper left of "
        "the face. Middle and right: the share of the faces, in percent, of which a patch is the "
        "most predictive one; at the right the colours of each type go up to its own greatest "
        "share.",
        "",
        "The paper does not define the most predictive patch beyond 'the activation of the final "
        "feature map'. Here it is the patch with the greatest mean, over its pixels, of the fused "
        "high map (layer `rfam_high`, Eq. 6), of which the values above 0 are averaged over the "
        "channels. The map is cut into patches as for the similarity (Sec. 3.3): Ceil(H / k) x "
        "Ceil(W / k) pixels, patches at the lower and right border smaller or empty.",
    ]
    silent = {kind: row["without_activation"] for kind, row in rows.items()}
    if any(silent.values()):
        counted = ", ".join(f"{kind} {count}" for kind, count in silent.items() if count)
        lines += ["", f"Not counted, since their map is nowhere above 0: {counted}."]
    return lines


def main(argv=None):
    extra = {"faces": (Option(PAPER_FACES, "faces of each type", least=1), PAPER_FACES)}
    return command.run("experiments.figure4", __doc__, ["ffpp"], Figure4, argv, extra=extra)


if __name__ == "__main__":
    sys.exit(main())
