"""Names, types, units and descriptions of the columns of a topology: the one place every reader and writer asks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.record import AXES, COMPONENTS, Topology

Array = NDArray[Any]
Columns = Mapping[str, Array]

IDENTITY: dict[str, tuple[str, str, str]] = {
    "event_id": ("u8", "", "number of the event in the whole run; with the seed it replays the event alone"),
    "process_id": ("i2", "", "NuHepMC process id"),
    "channel": ("i2", "", "index of the channel in the header"),
    "target_pdg": ("i4", "", "PDG code of the struck nucleus"),
    "region": ("i1", "", "index of the region in the header's list of regions"),
}
WEIGHT = "weight"
FACTOR = "w_"


def missing_columns(topology: Topology, columns: Columns) -> list[str]:
    """Columns that every event of this topology must have and that are not there."""
    return [name for name in (*IDENTITY, WEIGHT, *topology.columns()) if name not in columns]


def missing_masses(topology: Topology, masses: Mapping[str, float]) -> list[str]:
    """Masses that the topology takes from the header and that are not there."""
    return sorted({p.mass for p in topology.particles if p.mass is not None and p.mass not in masses})


def factor_columns(columns: Columns) -> list[str]:
    """Names of the weight factors, whose product is `weight`."""
    return [name for name in columns if name.startswith(FACTOR)]


def extra_columns(topology: Topology, columns: Columns) -> list[str]:
    """Columns that are neither identity, weight, factor, nor part of a particle or a vertex."""
    known = {*IDENTITY, WEIGHT, *topology.columns()}
    return [name for name in columns if name not in known and not name.startswith(FACTOR)]


def default_dtype(name: str) -> np.dtype[Any]:
    """Type of a column by its name: ids as in IDENTITY, PDG codes int32, flags int8, everything else float64."""
    if name in IDENTITY:
        return np.dtype(IDENTITY[name][0])
    if name.endswith("_inside"):
        return np.dtype("i1")
    return np.dtype("i4") if name.endswith("_pdg") else np.dtype("f8")


def describe(topology: Topology, name: str) -> tuple[str, str]:
    """(units, description) of a column."""
    if name in IDENTITY:
        return IDENTITY[name][1:]
    if name == WEIGHT:
        return "", "expected number of events that this event stands for, in the exposure of the file"
    if name.startswith(FACTOR):
        return "", f"factor of the weight: {name[len(FACTOR) :].replace('_', ' ')}"
    head, _, tail = name.rpartition("_")
    if tail in AXES and head in topology.positions:
        what = "time" if tail == "t" else f"{tail} coordinate"
        return ("ns" if tail == "t" else "cm"), f"{what} of the vertex `{head}`"
    if tail in COMPONENTS:
        return "GeV", f"{'energy' if tail == 'e' else f'momentum {tail[1]}'} of `{head}`"
    if tail == "mass":
        return "GeV", f"mass of `{head}`"
    if tail == "pdg":
        return "", f"PDG code of `{head}`"
    return "", name.replace("_", " ")


def particle_attributes(topology: Topology, name: str) -> dict[str, Any]:
    """Attributes role, status and (where constant) pdg of a momentum column; empty for other columns."""
    head, _, tail = name.rpartition("_")
    for particle in topology.particles:
        if particle.role == head and tail in COMPONENTS:
            found: dict[str, Any] = {"role": head, "status": particle.status}
            return found | ({} if particle.pdg is None else {"pdg": particle.pdg})
    return {}


def pdg_of(topology: Topology, role: str, columns: Columns) -> int | Array:
    """PDG code of a role: one number, or one per event."""
    pdg = topology.particle(role).pdg
    return columns[f"{role}_pdg"] if pdg is None else pdg


def mass_of(topology: Topology, role: str, columns: Columns, masses: Mapping[str, float]) -> float | Array:
    """Mass (GeV) of a role: one number, or one per event."""
    mass = topology.particle(role).mass
    return columns[f"{role}_mass"] if mass is None else masses[mass]


def momentum_of(
    topology: Topology, role: str, columns: Columns, masses: Mapping[str, float]
) -> tuple[float | Array, float | Array, float | Array, float | Array]:
    """Four-momentum (E, px, py, pz) in GeV of a role, each one number or one per event."""
    if topology.particle(role).at_rest:
        return mass_of(topology, role, columns, masses), 0.0, 0.0, 0.0
    return columns[f"{role}_e"], columns[f"{role}_px"], columns[f"{role}_py"], columns[f"{role}_pz"]
