"""Tables of a comparison, for the terminal and for Markdown."""

from __future__ import annotations

from typing import Any, NamedTuple

_INTERVAL = "95 % interval"
LEVELS = ("frame", "video")


class Table(NamedTuple):
    """A table of texts: the first column is a name, the others are numbers."""

    title: str
    heads: list[str]
    rows: list[list[str]]


def overall(result: dict[str, Any]) -> Table:
    """Lay out the metrics of each run, in percent, and its cost."""
    heads = ["", "detector", "frame AUC", _INTERVAL, "video AUC", _INTERVAL]
    heads += ["bal. ACC", "ACC", "EER", "parameters, M", "multiply-adds, G"]
    speed = any("images_per_second" in run for run in result["runs"].values())
    rows = []
    for name, run in result["runs"].items():
        frame, video = run["frame"]["overall"], run["video"]["overall"]
        row = [name, run.get("detector") or "-"]
        for metrics in (frame, video):
            row += [_percent(metrics["auc"]), _between(metrics["auc_interval"])]
        row += [_percent(frame[metric]) for metric in ("balanced_accuracy", "accuracy", "eer")]
        row += [_in(run.get("parameters"), 1e6), _in(run.get("multiply_adds"), 1e9)]
        if speed:
            row.append(_in(run.get("images_per_second"), 1))
        rows.append(row)
    title = "Metrics in percent; accuracies and EER of frames, accuracies at the threshold 0.5"
    return Table(title, heads + ["images/s"] * speed, rows)


def differences(result: dict[str, Any]) -> Table:
    """Lay out the differences of AUCs in percentage points, with their p."""
    several = len(result["differences"]) > 1
    heads = [""]
    for level in ("frames", "videos"):
        heads += [level, _INTERVAL, "p"] + ["p, Holm"] * several
    rows = []
    for each in result["differences"]:
        row = [f"{each['first']} - {each['second']}"]
        for level in LEVELS:
            found = each[level]
            row += [f"{100 * found['difference']:+.2f}", _between(found["interval"], "+")]
            row += [_p(found["p"])] + [_p(found["p_holm"])] * several
        rows.append(row)
    title = "Differences of AUC in percentage points: frames by bootstrap, videos by DeLong's test"
    return Table(title, heads, rows)


def of_methods(result: dict[str, Any], level: str) -> Table:
    """Lay out the AUC of each method beside all real faces, with its interval.

    Args:
        result: what `lrl_keras.evaluation.compare` returned.
        level: `"frame"` or `"video"`.
    """
    runs = {name: run[level]["methods"] for name, run in result["runs"].items()}
    methods = list(next(iter(runs.values())))
    rows = [
        [name]
        + [
            f"{_percent(found[method]['auc'])} {_between(found[method]['auc_interval'])}"
            for method in methods
        ]
        for name, found in runs.items()
    ]
    return Table(f"AUC of {level}s by method, in percent", ["", *methods], rows)


def notes(result: dict[str, Any]) -> list[str]:
    """Say what the numbers are of, where the intervals come from, and what p is, a line each."""
    faces, videos = result["faces"], result["videos"]
    split = f"Split {result['split']}: " if "split" in result else ""
    lines = [f"{split}{_of(videos, 'videos')}, {_of(faces, 'frames')}."]
    single = [kind for kind, count in videos.items() if count == 1]
    if single:
        lines.append(
            f"There is a single {' and a single '.join(single)} video: an interval or a p would "
            "have no meaning, and none is given."
        )
        return lines
    lines.append(
        f"Intervals are percentiles of {result['resamples']} resamples of the videos "
        f"(seed {result['seed']}), real and forged ones apart, the same for every run."
    )
    if any(_is_point(run[level]["overall"]) for run in result["runs"].values() for level in LEVELS):
        lines.append(
            "An interval without width does not rule chance out: resamples show no error that is "
            "not there."
        )
    missing = [
        method for method, found in _by_method(result, "video").items() if found["forged"] == 1
    ]
    if missing:
        lines.append(f"No interval of a method with a single video: {', '.join(missing)}.")
    return lines + _notes_on_differences(result)


def _notes_on_differences(result):
    count = len(result["differences"])
    if not count:
        return []
    corrected = (
        f" and not corrected; 'p, Holm' is corrected for the {count} pairs of its column"
        if count > 1
        else ""
    )
    lines = [
        "Differences of frames are of these same resamples; those of videos have interval and p of "
        f"DeLong's test. p is two-sided{corrected}."
    ]
    least = 2 / (result["resamples"] + 1)
    if any(each["frame"]["p"] <= least for each in result["differences"]):
        lines.append(
            f"p of frames is {least:.2g} at least with {result['resamples']} resamples; more of "
            "them can show a smaller one."
        )
    return lines


def markdown(result: dict[str, Any]) -> str:
    """Write all tables, numbers of videos by method and notes as Markdown."""
    tables = [overall(result)]
    if result["differences"]:
        tables.append(differences(result))
    tables += [of_methods(result, level) for level in LEVELS]
    lines = ["# Comparison", ""]
    for table in tables:
        lines += [f"{table.title}.", "", _line(table.heads)]
        lines.append("|---" + "|---:" * (len(table.heads) - 1) + "|")
        lines += [*map(_line, table.rows), ""]
    counts = _by_method(result, "video").items()
    numbers = ", ".join(f"{method} {found['forged']}" for method, found in counts)
    said = [*notes(result), f"Forged videos by method: {numbers}."]
    lines += [f"- {line}" for line in said]
    return "\n".join(lines) + "\n"


def _by_method(result, level):
    """Return the metrics of each method, whose counts are those of any run."""
    return next(iter(result["runs"].values()))[level]["methods"]


def _is_point(metrics):
    return len(set(metrics["auc_interval"])) == 1


def _of(counts, things):
    return f"{counts['real']} real and {counts['forged']} forged {things}"


def _line(cells):
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _percent(value):
    return f"{100 * value:.2f}"


def _between(ends, sign=""):
    return "-" if ends is None else f"[{', '.join(f'{100 * end:{sign}.2f}' for end in ends)}]"


def _in(value, unit):
    return "-" if value is None else f"{value / unit:.3g}"


def _p(value):
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
