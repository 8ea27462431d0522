"""Scattering outside of `decay_in`: backward sampling against free flights, in the rate and in what is seen."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from darkhorn import Events, Simulation

pytestmark = pytest.mark.slow

SLAB = {"shape": "box", "centre": ["0 cm", "0 cm", "-700 cm"], "size": ["3 m", "3 m", "3 m"], "material": "soil"}
CARD = {
    "detector": {"base": "microboone", "volumes": {"soil": SLAB}},
    "source.flavours": ["nu_mu"],
    "regions": ["soil"],
    "physics.regimes": ["coherent"],
    "physics.helicities": ["conserving"],
    "model.gD": 2e-3,
    "model.umu4_sq": 2e-9,
}
BINS = 12
LEAST = 1e-6  # false alarm of the whole test: below 1e-5


def seen(events: Events, *, inside: bool) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Weights, and energy, angles, asymmetry, decay point and scattering point, of the decays in the TPC."""
    weights, found = [], []
    for columns in events.topologies.values():
        c = {name: np.asarray(columns[name]) for name in columns}
        kept = c["decay_inside"].astype(bool) if inside else np.ones(len(c["weight"]), bool)
        em, ep = (np.stack([c[f"{role}_p{i}"] for i in "xyz"]) for role in ("em", "ep"))
        pair, energy = em + ep, c["em_e"] + c["ep_e"]
        opening = np.sum(em * ep, 0) / np.sqrt(np.sum(em**2, 0) * np.sum(ep**2, 0))
        columns_seen = {
            "energy": energy,
            "cosine": pair[2] / np.sqrt(np.sum(pair**2, 0)),
            "asymmetry": c["em_e"] / energy,
            "opening": opening,
            **{name: c[name] for name in ("decay_x", "decay_z", "scatter_x", "scatter_z")},
        }
        weights.append(c["weight"][kept])
        found.append({name: value[kept] for name, value in columns_seen.items()})
    return np.concatenate(weights), {name: np.concatenate([f[name] for f in found]) for name in found[0]}


def test_backward_sampling_agrees_with_free_flights() -> None:
    """Sums within 4.5 errors and eight distributions by chi-squared; weights by the energy (power) are seen."""
    backward, b = seen(Simulation.from_card("microboone", CARD).run(20_000, seed=5), inside=False)
    forward, f = seen(Simulation.from_card("microboone", {**CARD, "force_decay": False}).run(100_000, 6), inside=True)
    assert len(forward) > 3000
    error = np.hypot(np.sqrt(np.sum(backward**2)), np.sqrt(np.sum(forward**2)))
    assert abs(np.sum(backward) - np.sum(forward)) < 4.5 * error

    def probability(name: str, weights: NDArray[np.float64]) -> float:
        edges = np.quantile(f[name], np.linspace(0, 1, BINS + 1))
        edges[0], edges[-1] = -np.inf, np.inf
        (x, vx), (y, vy) = (
            [np.histogram(values, edges, weights=w**power)[0] for power in (1, 2)]
            for values, w in ((b[name], weights), (f[name], forward))
        )
        return float(chi2.sf(np.sum((x - y) ** 2 / (vx + vy)), BINS))

    for name in b:
        assert probability(name, backward) > LEAST, name
    tilted = backward * (b["energy"] / np.average(b["energy"], weights=backward)) ** 0.5
    assert probability("energy", tilted) < LEAST
