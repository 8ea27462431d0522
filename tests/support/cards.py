"""Run cards of the generator's tests, each made ready once, and the rate that they should have by quadrature."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from darkhorn.fluxes.decay_line import decay_line
from darkhorn.generator.channel import Channel
from darkhorn.generator.simulation import Simulation

AVOGADRO = 6.02214076e23
ATOMIC_WEIGHT = {"Ar40": 39.9623831238, "C12": 12.0, "H1": 1.00782503190}

# one channel, so that a test compiles little and every event is alike
ONE_CHANNEL: dict[str, Any] = {
    "source.flavours": ["nu_mu"],
    "physics.regimes": ["coherent"],
    "physics.helicities": ["conserving"],
}
# several channels that share one program
COHERENT: dict[str, Any] = {"physics.regimes": ["coherent"]}
# c tau gamma beta of 10 to 100 m: most N4 leave the detector before they decay
LONG_LIVED: dict[str, Any] = {**ONE_CHANNEL, "model.gD": 0.004}

# The peer's MicroBooNE: a box of liquid argon 470 m from the target, all neutrinos from the axis.
PEER_BOX: dict[str, Any] = {
    "schema": 1,
    "source": {"kind": "histogram", "beam": "bnb", "mode": "neutrino", "flavours": ["nu_mu"]},
    "detector": {
        "name": "box",
        "base": "microboone",
        "volumes": {
            "tpc": {
                "shape": "box",
                "centre": ["0 cm", "0 cm", "0 cm"],
                "size": ["256 cm", "232 cm", "1040 cm"],
                "material": "liquid-argon",
            }
        },
        "frame": {"origin": ["0 cm", "0 cm", "47000 cm"]},
        "baseline": "470 m",
    },
    "regions": ["tpc"],
    "decay_in": "tpc",
    "exposure": "6.8e20 POT",
    "model": {
        "name": "dark-neutrino",
        "hnl": "dirac",
        "m4": "106 MeV",
        "mzprime": "30 MeV",
        "umu4_sq": 2.0e-10,
        "epsilon": 8.0e-4,
        "gD": 2.0,
    },
    "generate": {"events": 1000, "seed": 5, "visible": "e+e-"},
}


@cache
def _made(card: str, overrides: str) -> Simulation:
    import json

    return Simulation.from_card(json.loads(card), json.loads(overrides))


def simulation(overrides: Mapping[str, Any] | None = None, card: str | Mapping[str, Any] = "microboone") -> Simulation:
    """The simulation of a card with overrides; one and the same for the same arguments."""
    import json

    return _made(json.dumps(card), json.dumps(dict(overrides or {}), sort_keys=True))


def nuclei(density: float, fraction: float, nuclide: str, volume: float) -> float:
    """Nuclei of one kind in a volume (cm^3) of a material (g/cm^3)."""
    return density * fraction * AVOGADRO / ATOMIC_WEIGHT[nuclide] * volume


def _flux_times_xsec(sim: Simulation, channel: Channel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Energies, and events per nucleus and POT in units of 1e-38: a hundred points per bin of the flux below 150 MeV,
    where the flipping channels have their threshold and most of their rate, and four above.
    """
    table = sim.build.flux[channel.projectile_pdg]
    edges, content = np.asarray(table["edges_GeV"]), np.asarray(table["content"])
    energies, heights = [], []
    for chosen, parts in ((edges[:-1] < 0.15, 100), (edges[:-1] >= 0.15, 4)):
        inside = (np.arange(parts) + 0.5) / parts
        energies.append((edges[:-1][chosen, None] + np.diff(edges)[chosen, None] * inside).ravel())
        heights.append(np.repeat(content[chosen] / parts, parts))
    energy = np.concatenate(energies)
    if "gas" not in channel.params:
        return energy, np.concatenate(heights) * sim.build.cross_section(channel, energy)
    # a quadrature in three variables each: 200 energies, and a cubic through them
    points = np.geomspace(float(channel.params["flux"]["low"]), edges[-1], 200)
    smooth = PchipInterpolator(np.log(points), sim.build.cross_section(channel, points), extrapolate=False)
    return energy, np.concatenate(heights) * np.nan_to_num(smooth(np.log(energy)))


def distance_factor(
    sim: Simulation, channel: Channel, rng: np.random.Generator, low: NDArray[Any], size: NDArray[Any], mode: str
) -> float:
    """Mean over birth and scattering of (distance of the reference point / distance)^2, in a box: own Monte Carlo."""
    n = 200_000
    energy, density = _flux_times_xsec(sim, channel)
    energy = rng.choice(energy, n, p=density / density.sum())
    line = decay_line("bnb", mode)
    share, length = line.at(channel.projectile_pdg, energy)
    parent = (rng.uniform(size=n)[None, :] > np.cumsum(share, axis=0)).sum(axis=0).clip(0, 3)
    mean = length[parent, np.arange(n)]
    pipe = line.end_cm - line.start_cm
    birth_z = line.start_cm - mean * np.log1p(rng.uniform(size=n) * np.expm1(-pipe / mean))
    radius, angle = 35.0 * np.sqrt(rng.uniform(size=n)), 2 * np.pi * rng.uniform(size=n)
    birth = np.stack([radius * np.cos(angle), radius * np.sin(angle), birth_z], axis=1)
    detector = sim.build.detector
    origin = np.array(detector["origin_cm"])
    scatter = low + size * rng.uniform(size=(n, 3)) + origin
    centre = low + size / 2 + origin
    reference = centre * (detector["baseline_cm"] / np.linalg.norm(centre))
    ratio = np.sum((reference - birth) ** 2, axis=1) / np.sum((scatter - birth) ** 2, axis=1)
    return float(ratio.mean())


ZPRIME_CHAIN = (("N4", "nu Zprime"), ("Zprime", "e+ e-"))


def branching_ratio(sim: Simulation, decays: Iterable[tuple[str, str]]) -> float:
    """Product of the branching ratios of decays (particle, channel)."""
    branching = 1.0
    for particle, decay in decays:
        rows = [row for row in sim.widths() if (row["particle"], row.get("channel")) == (particle, decay)]
        branching *= float(rows[0]["branching_ratio"])
    return branching


def expected_events(
    sim: Simulation, channel: Channel, atoms: float, rng: np.random.Generator, mode: str = "neutrino",
    decays: Iterable[tuple[str, str]] = ZPRIME_CHAIN,
) -> float:  # fmt: skip
    """flux x cross section x nuclei x POT x distance factor x branching ratios, for a prompt decay in a box."""
    _, density = _flux_times_xsec(sim, channel)
    shape: Any = channel.params["region"]
    low, size = np.asarray(shape.centre) - np.asarray(shape.half_size), 2 * np.asarray(shape.half_size)
    factor = distance_factor(sim, channel, rng, low, size, mode)
    return float(density.sum() * 1e-38 * atoms * sim.card.exposure * factor * branching_ratio(sim, decays))
