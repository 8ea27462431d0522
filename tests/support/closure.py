"""Comparison of two weighted samples of events: shapes by a chi^2 with their covariance, sums by their errors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkhorn.generator.events import Events

Array = NDArray[np.float64]


def observables(events: Events) -> dict[str, Array]:
    """What a detector sees, and the hidden variables that the densities depend on."""
    em, ep = (np.stack([events[f"{role}_{c}"] for c in ("px", "py", "pz", "e")]) for role in ("em", "ep"))
    pair = em + ep
    made = "n5" if "n5_e" in events.columns else "n4"
    flight = np.sqrt(sum((events[f"decay_{a}"] - events[f"scatter_{a}"]) ** 2 for a in "xyz"))
    norms = np.linalg.norm(em[:3], axis=0) * np.linalg.norm(ep[:3], axis=0)
    return {
        "energy": events["energy"],
        "q2": np.log(events["q2"]),
        "pair energy": pair[3],
        "pair angle": pair[2] / np.linalg.norm(pair[:3], axis=0),
        "pair mass": np.maximum(pair[3] ** 2 - np.sum(pair[:3] ** 2, axis=0), 0.0),
        "opening angle": np.sum(em[:3] * ep[:3], axis=0) / norms,
        "asymmetry": (em[3] - ep[3]) / pair[3],
        "share of the pair": pair[3] / events[f"{made}_e"],
        "flight": flight,
        "vertex": events["decay_z"],
    }


def sum_and_error(events: Events) -> tuple[float, float]:
    """Sum of the weights and its error: the number of events of a channel is fixed."""
    total, variance = 0.0, 0.0
    for channel in events.header.channels:
        weight = events["weight"][events["channel"] == channel["index"]]
        total += weight.sum()
        variance += max(np.sum(weight**2) - weight.sum() ** 2 / max(channel["attempted"], 1), 0.0)
    return total, float(np.sqrt(variance))


def _shape(x: Array, weight: Array, edges: Array) -> tuple[Array, Array]:
    """Shares of the bins and their covariance, as of independent events."""
    total, squares = weight.sum(), np.sum(weight**2)
    share = np.histogram(x, edges, weights=weight)[0] / total
    square = np.histogram(x, edges, weights=weight**2)[0]
    mixed = np.outer(square, share)
    return share, (np.diag(square) - mixed - mixed.T + squares * np.outer(share, share)) / total**2


def shape_probability(one: tuple[Array, Array], two: tuple[Array, Array], bins: int = 20) -> float:
    """Probability that two samples (values, weights) have one density: chi^2 of equally filled bins of the second."""
    (x, v), (y, w) = one, two
    inner = np.unique(np.quantile(y, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    (a, c), (b, d) = _shape(x, v, edges), _shape(y, w, edges)
    difference, covariance = (a - b)[:-1], (c + d)[:-1, :-1]
    chi2 = float(difference @ np.linalg.solve(covariance, difference))
    return float(stats.chi2.sf(chi2, len(difference)))


def compare(one: Events, two: Events) -> tuple[dict[str, float], float]:
    """(probability of every observable's chi^2, difference of the sums in units of its error)."""
    first, second = observables(one), observables(two)
    found: dict[str, float] = {}
    for name in first:
        if np.ptp(second[name]) > 1e-9 * np.max(np.abs(second[name])):
            found[name] = shape_probability((first[name], one["weight"]), (second[name], two["weight"]))
    (s, e), (t, f) = sum_and_error(one), sum_and_error(two)
    return found, float((s - t) / np.hypot(e, f))


def shown(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {p:.1e}" for name, p in found.items())
