"""Is a reweighted sample the same as a direct one? chi^2 of histograms, with the errors of all that went in."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkhorn.generator.events import Events
from darkhorn.generator.visible_reweight import histogram_errors

BINS = {"e_ee": 15, "cos_theta_ee": 15, "asymmetry": 10, "opening_angle": 10}
PLANE = (6, 5)  # bins of E_ee and cos(theta_ee) together
FEWEST = 20  # effective events of a bin below which it is merged with the other small ones


class Sample(NamedTuple):
    """Visible variables by name, and weights; of reweighted events the cell and the error of the density, too."""

    visible: dict[str, NDArray[Any]]
    weight: NDArray[Any]
    cell: NDArray[Any] | None = None
    relative: NDArray[Any] | None = None


def of_events(events: Events) -> Sample:
    columns = [events[name] if name in events.columns else None for name in ("visible_cell", "visible_error")]
    return Sample(events.visible(), events["weight"], *columns)


def quantiles(value: NDArray[np.float64], weight: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Inner edges of bins with equal shares of the weight."""
    order = np.argsort(value)
    share = np.cumsum(weight[order])
    return np.interp(np.arange(1, bins) / bins, share / share[-1], value[order])


def chi2_probability(
    reweighted: Sample, number: NDArray[Any], direct: Sample, wanted: NDArray[Any], bins: int, scale: float
) -> float:
    assert reweighted.cell is not None
    assert reweighted.relative is not None
    content, statistical, density = histogram_errors(
        reweighted.weight, reweighted.cell, reweighted.relative, number, bins
    )
    weight = direct.weight * scale
    expected, square = (np.bincount(wanted, w, minlength=bins) for w in (weight, weight**2))
    effective = np.divide(content, statistical, out=np.zeros(bins), where=statistical > 0) ** 2
    small = effective < FEWEST
    variance = statistical**2 + density**2 + square
    found, want, error = (np.append(x[~small], x[small].sum()) for x in (content, expected, variance))
    use = error > 0
    chi2 = float(((found - want)[use] ** 2 / error[use]).sum())
    return float(stats.chi2.sf(chi2, int(use.sum())))


def probabilities(reweighted: Sample, direct: Sample, scale: float = 1.0) -> dict[str, float]:
    """{variable, or plane: chi^2 probability} of `BINS`, and of the plane of E_ee and cos(theta_ee); `scale` multiplies
    the direct sample.
    """
    one, other, weight = reweighted.visible, direct.visible, direct.weight
    found = {}
    for name, bins in BINS.items():
        edges = quantiles(other[name], weight, bins)
        number, wanted = (np.searchsorted(edges, v[name]) for v in (one, other))
        found[name] = chi2_probability(reweighted, number, direct, wanted, bins, scale)
    first = quantiles(other["e_ee"], weight, PLANE[0])
    second = quantiles(other["cos_theta_ee"], weight, PLANE[1])
    number, wanted = (
        np.searchsorted(first, v["e_ee"]) * PLANE[1] + np.searchsorted(second, v["cos_theta_ee"]) for v in (one, other)
    )
    found["plane"] = chi2_probability(reweighted, number, direct, wanted, PLANE[0] * PLANE[1], scale)
    return found
