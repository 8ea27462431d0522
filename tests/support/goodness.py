"""Statistical verdicts. Every test of a sample rejects the truth with probability ALPHA: once in a million runs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ALPHA = 1e-6
PULL = 4.9  # two-sided normal deviate of ALPHA


def ks_probability(sample: ArrayLike, cdf: Callable[[NDArray[np.float64]], ArrayLike] | str = "uniform") -> float:
    """Kolmogorov-Smirnov probability of a sample under a distribution function."""
    return float(stats.kstest(np.asarray(sample), cdf).pvalue)


def assert_follows(
    sample: ArrayLike, cdf: Callable[[NDArray[np.float64]], ArrayLike] | str = "uniform", label: str = ""
) -> None:
    probability = ks_probability(sample, cdf)
    assert probability > ALPHA, f"{label}: Kolmogorov-Smirnov p = {probability:.1e}, n = {np.size(sample)}"


def chi2_probability(counts: ArrayLike, expected: ArrayLike, error: float = 0.0) -> float:
    """Probability of the chi^2 of a histogram of fixed total.

    `expected` are probabilities known to an absolute `error` per bin. Bins with fewer than ten expected entries are merged.
    """
    observed, probability = np.asarray(counts, float), np.asarray(expected, float)
    total = observed.sum()
    big = probability * total >= 10
    observed = np.append(observed[big], observed[~big].sum())
    probability = np.append(probability[big], max(1 - probability[big].sum(), 0.0))
    variance = total * probability + (total * error) ** 2
    keep = variance > 0.5  # nothing expected in the merged bin: it is judged below
    if observed[~keep].sum() > 20:
        return 0.0
    chi2 = float((((observed - total * probability) ** 2)[keep] / variance[keep]).sum())
    return float(stats.chi2.sf(chi2, max(int(keep.sum()) - 1, 1)))
