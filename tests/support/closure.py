"""Comparison of two weighted samples of events: shapes by a chi^2 with their covariance, sums by their errors."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkhorn.generator.events import Events

Array = NDArray[np.float64]


def observables(events: Events) -> dict[str, Array]:
    """What a detector sees, and the hidden variables that the densities depend on, of events of one topology."""
    made = next(name for name in ("n6", "n5", "n4") if f"{name}_e" in events.columns)
    first = _seen(events, "")
    found = {
        "energy": events["energy"],
        "q2": np.log(events["q2"]),
        **first,
        "share of what is seen": next(iter(first.values())) / events[f"{made}_e"],
        "flight": _way(events, "scatter", "decay"),
        "vertex": events["decay_z"],
    }
    if "decay2_x" in events.columns:
        second = {f"second {name}": value for name, value in _seen(events, "2").items()}
        found |= {**second, "second flight": _way(events, "decay", "decay2")}
        found["angle between what is seen"] = np.sum(_axis(events, "") * _axis(events, "2"), axis=0)
    if "zprime_decay_x" in events.columns:
        found |= {"flight of Z'": _way(events, "decay", "zprime_decay"), "vertex of Z'": events["zprime_decay_z"]}
    if f"{made}_mass" in events.columns:
        found["mass"] = events[f"{made}_mass"]
    return found


def _momenta(events: Events, number: str) -> list[Array]:
    """(4, n) momenta, energies last, of what one decay shows: a photon, or a pair."""
    roles = ("gamma",) if f"gamma{number}_e" in events.columns else ("em", "ep")
    return [np.stack([events[f"{role}{number}_{c}"] for c in ("px", "py", "pz", "e")]) for role in roles]


def _axis(events: Events, number: str) -> Array:
    seen = np.sum(_momenta(events, number), axis=0)[:3]
    axis: Array = seen / np.linalg.norm(seen, axis=0)
    return axis


def _seen(events: Events, number: str) -> dict[str, Array]:
    momenta = _momenta(events, number)
    if len(momenta) == 1:
        return {"photon energy": momenta[0][3], "photon angle": _axis(events, number)[2]}
    em, ep = momenta
    pair = em + ep
    norms = np.linalg.norm(em[:3], axis=0) * np.linalg.norm(ep[:3], axis=0)
    return {
        "pair energy": pair[3],
        "pair angle": pair[2] / np.linalg.norm(pair[:3], axis=0),
        "pair mass": np.maximum(pair[3] ** 2 - np.sum(pair[:3] ** 2, axis=0), 0.0),
        "opening angle": np.sum(em[:3] * ep[:3], axis=0) / norms,
        "asymmetry": (em[3] - ep[3]) / pair[3],
    }


def _way(events: Events, start: str, end: str) -> Array:
    way: Array = np.sqrt(sum((events[f"{end}_{a}"] - events[f"{start}_{a}"]) ** 2 for a in "xyz"))
    return way


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


def compare(one: Events, two: Events, without: Collection[str] = ()) -> tuple[dict[str, float], float]:
    """(probability of every observable's chi^2, difference of the sums in units of its error)."""
    first, second = observables(one), observables(two)
    found: dict[str, float] = {}
    for name in first:
        if name not in without and np.ptp(second[name]) > 1e-9 * np.max(np.abs(second[name])):
            found[name] = shape_probability((first[name], one["weight"]), (second[name], two["weight"]))
    (s, e), (t, f) = sum_and_error(one), sum_and_error(two)
    return found, float((s - t) / np.hypot(e, f))


def shown(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {p:.1e}" for name, p in found.items())
