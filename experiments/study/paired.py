"""Differences between networks, paired by seed, and the p of a t test."""

import numpy as np
from scipy import stats

from experiments.study import report

_FACES = {"same": "same mode", "other": "other mode", "degraded": "degraded"}


def tests(found, pairs):
    """Compare the AUC of networks, seed by seed.

    Args:
        found: dict of network to dict of `"same auc"`, `"other auc"` and `"degraded auc"` to AUC in
            percent, one a seed.
        pairs: (network, the one that it is compared with).

    Returns:
        list of dicts: `row`, `against`, `faces`, `mean`, `differences` and the two-sided `p`, which
        is `None` of a single seed or of equal differences.
    """
    done = []
    for row, against in pairs:
        for faces in _FACES:
            ours, theirs = (found[name].get(f"{faces} auc", []) for name in (row, against))
            count = min(len(ours), len(theirs))
            if not count:
                continue
            differences = np.subtract(ours[:count], theirs[:count])
            # Of equal differences the test would say that chance is ruled out.
            spread = count > 1 and np.ptp(differences) > 0
            p = float(stats.ttest_1samp(differences, 0).pvalue) if spread else None
            done.append(
                {
                    "row": row,
                    "against": against,
                    "faces": faces,
                    "mean": float(differences.mean()),
                    "differences": differences.tolist(),
                    "p": p,
                }
            )
    return done


def table(tests):
    """Lay out the result of `tests` as lines of a Markdown table."""
    cells = [
        [
            f"{test['row']} against {test['against']}",
            _FACES[test["faces"]],
            f"{test['mean']:+.2f}",
            str(len(test["differences"])),
            "-" if test["p"] is None else f"{test['p']:.3f}",
        ]
        for test in tests
    ]
    return report.rows(["", "tested on", "difference", "seeds", "p"], cells)
