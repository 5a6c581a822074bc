"""Figures of results, drawn by Matplotlib into PNG files.

The colours of curves and bars are those of Okabe and Ito, for any kind of colour vision.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import auc, roc_curve

from lrl_keras.plots.drawing import FORGED, REAL
from lrl_keras.system.files import replacing

_CURVES = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = ("-", "--", "-.", ":")


def roc_curves(curves, path):
    """Draw receiver operating characteristics, where forged is the positive class.

    Args:
        curves: dict of name to `(labels, scores)`: 0 real or 1 forged, and scores; both classes.
        path: PNG file to write.
    """
    figure, axes = _figure(5.4, 5.2)
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
    for index, (name, (labels, scores)) in enumerate(curves.items()):
        false, true, _ = roc_curve(labels, scores)
        axes.plot(
            false,
            true,
            label=f"{name}  AUC {100 * auc(false, true):.1f}%",
            color=_CURVES[index % len(_CURVES)],
            linestyle=_STYLES[index % len(_STYLES)],
            linewidth=2.4 if index == 0 else 1.6,
        )
    axes.plot([0, 1], [1, 0], color="0.6", linewidth=1, linestyle=":", label="equal errors")
    axes.set(
        xlabel="real faces called forged",
        ylabel="forged faces called forged",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color="0.92")
    axes.legend(loc="lower right", framealpha=0.95)
    _save_figure(figure, path)


def score_histogram(labels, scores, path, threshold=0.5):
    """Draw histograms of the scores of real and of forged faces.

    Args:
        labels: 0 real or 1 forged.
        scores: in [0, 1].
        path: PNG file to write.
        threshold: where to draw the line above which a face is called forged. Defaults to 0.5.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    figure, axes = _figure(6.4, 4)
    for label, name, colour, hatch in ((0, "real", REAL, None), (1, "forged", FORGED, "///")):
        chosen = scores[labels == label]
        edge = np.array(colour) / 255
        axes.hist(
            chosen,
            bins=np.linspace(0, 1, 41),
            weights=np.full(len(chosen), 1 / max(len(chosen), 1)),
            histtype="stepfilled",
            label=f"{name} ({len(chosen)})",
            facecolor=(*edge, 0.35),
            edgecolor=edge,
            linewidth=1.4,
            hatch=hatch,
        )
    axes.axvline(threshold, color="0.3", linestyle="--", linewidth=1, label="threshold")
    axes.set(xlabel="score (0 real, 1 forged)", ylabel="share of the class", xlim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.legend(framealpha=0.95)
    _save_figure(figure, path)


def robustness_map(cells, levels, clean, path):
    """Draw the AUC under degradations as a table of coloured numbers.

    Args:
        cells: dict of name to a row of (AUC in [0, 1], strength in words), one a level.
        levels: names of the columns.
        clean: AUC without degradation.
        path: PNG file to write.
    """
    values = np.array([[auc for auc, _ in row] for row in cells.values()])
    figure, axes = _figure(2 + 1.15 * len(levels), 1.4 + 0.55 * len(cells))
    drawn = axes.imshow(values, cmap="viridis", vmin=0.5, vmax=1, aspect="auto")
    for y, row in enumerate(cells.values()):
        for x, (value, strength) in enumerate(row):
            # Black on the bright half of the colours, white on the dark one.
            colour = "black" if value > 0.8 else "white"
            axes.text(x, y - 0.12, f"{100 * value:.1f}", color=colour, ha="center", va="center")
            axes.text(x, y + 0.26, strength, color=colour, ha="center", va="center", size=7)
    axes.set_xticks(range(len(levels)), [f"level {level}" for level in levels])
    axes.set_yticks(range(len(cells)), cells)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"AUC in %, {100 * clean:.1f} without degradation", size=11)
    legend = figure.colorbar(drawn, ax=axes, extend="min", ticks=np.linspace(0.5, 1, 6))
    legend.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _save_figure(figure, path)


def bars(groups, label, path):
    """Draw horizontal bars with their numbers and, where given, their spread.

    Args:
        groups: dict of a group's name to a dict of a bar's name to (value, least, most), each
            of at least 0; groups have the same bars or some of them.
        label: name and unit of the values.
        path: PNG file to write.
    """
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    figure, axes = _figure(8, 1.2 + 0.36 * len(names) * len(groups))
    height = 0.8 / len(groups)
    for index, (group, found) in enumerate(groups.items()):
        places = [names.index(name) + index * height for name in found]
        values, least, most = np.array(list(found.values())).T
        axes.barh(
            places,
            values,
            height,
            label=group,
            color=_CURVES[index + 1],
            xerr=(values - least, most - values),
            error_kw={"ecolor": "0.25", "elinewidth": 1, "capsize": 2},
        )
        for place, value, end in zip(places, values, most, strict=True):
            number = f"{value:.1f}" if value >= 1 else f"{value:.2g}"
            axes.annotate(number, (end, place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(np.arange(len(names)) + height * (len(groups) - 1) / 2, names)
    axes.invert_yaxis()
    axes.set(
        xlabel=label, xlim=(0, 1.12 * max(bar[2] for g in groups.values() for bar in g.values()))
    )
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    if len(groups) > 1:
        axes.legend(framealpha=0.95)
    _save_figure(figure, path)


def scatter(points, x_label, y_label, path):
    """Draw named points, the first coordinate on a logarithmic scale.

    Args:
        points: dict of name to (x above 0, y in [0, 1]).
        x_label, y_label: of the axes; y is written in percent.
        path: PNG file to write.
    """
    figure, axes = _figure(7.4, 5.2)
    for index, (name, (x, y)) in enumerate(points.items()):
        axes.scatter(
            x,
            y,
            s=64,
            marker="osD^vP*X"[index % 8],
            color=_CURVES[index % len(_CURVES)],
            edgecolor="black",
            linewidth=0.5,
            label=name,
        )
    axes.set_xscale("log")
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color="0.92", which="both")
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    _save_figure(figure, path)


def _figure(width, height):
    # Pyplot would need global state and a window system.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _save_figure(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
