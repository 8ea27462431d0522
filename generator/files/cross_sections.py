"""Cross sections of the header's tables as NuHepMC wants them: per atom, in pb."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.header import Curve, Header

PB_PER_1E38CM2 = 1e-2  # 1 pb = 1e-36 cm^2
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(8)

Floats = NDArray[np.float64]


def table_of(header: Header, channel: dict[str, Any]) -> Curve | None:
    """The cross-section table of a channel, None if the header has none."""
    name = channel.get("xsec_table") or channel.get("name")
    return header.cross_sections.get(str(name))


def reactions(header: Header) -> list[dict[str, Any]]:
    """Channels that differ as reactions (projectile, target, process, regime, helicity), whatever their region."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for channel in header.channels:
        keys = ("projectile_pdg", "target_pdg", "process_id", "regime", "helicity")
        found.setdefault(tuple(channel.get(key) for key in keys), channel)
    return list(found.values())


def flux_averaged_total(header: Header) -> float | None:
    """int flux sigma dE / int flux dE, summed over reactions, per atom, in pb; None without flux or tables.

    With several target nuclides the mean over atoms is taken with `target_fraction` of the channels (relative number of
    atoms), with equal weights if they do not have it. The flux is that of all projectiles of the channels.
    """
    every = reactions(header)
    fluxes = {pdg: curve for pdg, curve in header.flux.items() if pdg in {c.get("projectile_pdg") for c in every}}
    total = sum(float(np.sum(curve["content"])) for curve in fluxes.values())
    if total <= 0.0 or any(table_of(header, c) is None or c.get("projectile_pdg") not in fluxes for c in every):
        return None
    fractions = target_fractions(header)
    result = 0.0
    for channel in every:
        curve, table = fluxes[channel["projectile_pdg"]], table_of(header, channel)
        assert table is not None
        edges = curve["edges_GeV"]
        energy = 0.5 * (edges[1:] + edges[:-1])[:, None] + 0.5 * np.diff(edges)[:, None] * _NODES
        sigma = 0.5 * np.interp(energy, table["energy_GeV"], table["xsec_1e38cm2"]) @ _NODE_WEIGHTS
        result += fractions[channel["target_pdg"]] * float(curve["content"] @ sigma)
    return result / total * PB_PER_1E38CM2


def target_fractions(header: Header) -> dict[int, float]:
    """{target PDG: relative number of atoms}, summing to 1."""
    given = {int(c["target_pdg"]): float(c.get("target_fraction", 1.0)) for c in header.channels if "target_pdg" in c}
    total = sum(given.values())
    return {pdg: fraction / total for pdg, fraction in given.items()} if total > 0.0 else {}


def has_tables(header: Header) -> bool:
    """Whether every channel has a cross-section table."""
    return bool(header.channels) and all(table_of(header, channel) is not None for channel in header.channels)


def event_cross_sections(header: Header, channel: NDArray[Any], energy: Floats) -> tuple[Floats, Floats]:
    """(total, of the event's process) cross section in pb per atom at the beam energies (n,) in GeV."""
    total, process = np.zeros(len(energy)), np.zeros(len(energy))
    every = reactions(header)
    for index in np.unique(channel):
        rows = channel == index
        own = next(c for c in header.channels if c["index"] == index)
        for other in every:
            table = table_of(header, other)
            if table is None or any(other.get(k) != own.get(k) for k in ("projectile_pdg", "target_pdg")):
                continue
            sigma = np.interp(energy[rows], table["energy_GeV"], table["xsec_1e38cm2"]) * PB_PER_1E38CM2
            total[rows] += sigma
            if other.get("process_id") == own.get("process_id"):
                process[rows] += sigma
    return total, process
