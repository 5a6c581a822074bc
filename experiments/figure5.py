"""Figure 5: feature maps of the baseline and of the two streams, FaceForensics++ LQ.

    python -m experiments.figure5 OUT --ffpp ROOT

One row a type of face: the face, the last map of the baseline (the first row of Table 4), and of
the last network of Table 4 the maps of the RGB and of the frequency stream as RFAM lets them pass;
both networks are trained if they are not there. The paper says that the baseline looks at the
middle of any face, that the RGB stream answers in facial areas such as the eyes and the mouth and
the frequency stream along the border of the forgery, and that the latter is silent on real faces.

The paper does not say which level its maps are of. Here are two of them: the high one, which the
baseline's last map compares with, and the mid one, which has four times as many places to show.

Not run yet with the whole dataset. Without the trainings it is two passes over five faces.
"""

import dataclasses
import sys

import numpy as np

from experiments.study import command, figure, image_grids
from experiments.study.networks import BASELINE, WHOLE

LEVELS = ("mid", "high")
_HEADS = {
    "baseline": "baseline",
    "rgb_mid": "RGB, mid",
    "frequency_mid": "frequency, mid",
    "rgb_high": "RGB, high",
    "frequency_high": "frequency, high",
}


class Figure5(figure.Figure):
    """One face of each type and where the networks answer."""

    name = "figure5"
    title = "Figure 5: feature maps of the baseline and of both streams, FaceForensics++ LQ"
    rows = (BASELINE, WHOLE)

    def draw(self, path):
        drawn = self.one_each()
        maps, scores = self._maps([example.image for _, example in drawn.values()])
        greatest = {name: max(float(values.max()), 1e-6) for name, values in maps.items()}
        sheet = image_grids.Sheet(figure.captions(drawn, scores), ("face", *_HEADS.values()))
        for row, (_, example) in enumerate(drawn.values()):
            sheet.face(row, 0, example.image)
            mask = figure.mask_of(example)
            if 0 < mask.mean() < 1:
                sheet.outline(row, 0, mask)
            for column, name in enumerate(_HEADS, 1):
                sheet.map(row, column, maps[name][row] / greatest[name], "inferno")
        sheet.bar("inferno", (1, len(_HEADS)), "mean strength, of the greatest in the column")
        sheet.save(path)
        rows = {
            kind: {
                **dataclasses.asdict(place),
                "score": float(scores[row]),
                "maps": {name: _numbers(values[row]) for name, values in maps.items()},
            }
            for row, (kind, (place, _)) in enumerate(drawn.items())
        }
        notes = figure.absent(drawn, masked=True)
        return _shown(), {"rows": rows, "greatest": greatest}, notes

    def _maps(self, images):
        """Compute strengths by name, (B, H, W) each, and the scores of the whole network."""
        baseline = self.network(BASELINE)
        # The last map is the one that is pooled to the label.
        last = figure.with_maps(baseline, baseline=baseline.get_layer("pool").input)
        found = {"baseline": figure.predict(last, images)["baseline"]}
        whole = self.network(WHOLE)
        streams = {}
        for level in LEVELS:
            _, rgb, frequency = whole.get_layer(f"rfam_{level}").output
            streams |= {f"rgb_{level}": rgb, f"frequency_{level}": frequency}
        outputs = figure.predict(figure.with_maps(whole, **streams), images)
        found |= {name: outputs[name] for name in streams}
        return {name: strength(maps) for name, maps in found.items()}, outputs["label"][:, 0]


def strength(maps):
    """Measure how strongly a network answers at each place: the mean magnitude of the channels.

    The mid maps of EfficientNet and Xception are sums that no activation follows: half of their
    values are below 0, and a plain mean would be nearly 0 anywhere.

    Args:
        maps: (B, H, W, C).

    Returns:
        float32 (B, H, W).
    """
    return np.abs(maps).mean(axis=-1)


def _numbers(values):
    mean = float(values.mean())
    return {
        "mean": mean,
        "greatest": float(values.max()),
        "unevenness": float(values.std()) / max(mean, 1e-12),
    }


def _shown():
    return [
        f"{figure.drawn_by_chance(masked=True)} One of each type; its true mask is outlined, the "
        "score is that of the whole network. Baseline: its last map, which is pooled to the "
        "label. RGB and frequency: the maps of the two streams of the whole network, each times "
        "its attention (A_1 U_1 and A_2 U_2 of Eq. 6). The paper does not say of which level: the "
        "high one has the size of the baseline's map, the mid one shows four times as many places.",
        "",
        "A map is the mean over the channels, signs left out, divided by the greatest value in its "
        "column (`greatest` in the JSON). So the faces of a column can be compared, and an "
        "even map looks even; two columns cannot be compared.",
        "",
        "`unevenness` in the JSON is the standard deviation of a map over its mean.",
    ]


def main(argv=None):
    return command.run("experiments.figure5", __doc__, ["ffpp"], Figure5, argv)


if __name__ == "__main__":
    sys.exit(main())
