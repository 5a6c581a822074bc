"""Metrics of a network on several sets of records, each measured once."""

import functools

from experiments.study.grid import read_json
from lrl_keras.evaluation import evaluator, robustness
from lrl_keras.system import files


def once(network, folder, sets, **cells):
    """Measure a network where that is not done; what is found stays in its folder.

    Args:
        network: function that loads it, called where something is missing.
        folder: for what is found.
        sets: dict of name to `Records`; the first are also degraded.
        **cells: `degradations` and `levels` of `lrl_keras.evaluation.robustness.measure`.

    Returns:
        dict of name to what `lrl_keras.evaluation.evaluate` gives, and the cells of `robustness`.
    """
    network = functools.cache(network)
    found = {}
    for name, records in sets.items():
        place = files.join(folder, f"on-{name}".replace(" ", "-"))
        path = files.join(place, "metrics.json")
        if not _is_of(path, records):
            evaluator.evaluate(network(), records.folder, records.split, out=place)
        found[name] = read_json(path)
    first = next(iter(sets.values()))
    path = files.join(folder, "robustness.json")
    if not _is_of(path, first):
        robustness.measure({"it": network()}, first.folder, "test", out={"it": folder}, **cells)
    return found, read_json(path)["cells"]


def _is_of(path, records):
    return files.exists(path) and read_json(path).get("manifest_sha256") == records.fingerprint
