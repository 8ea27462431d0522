"""Tables of rays: particles at the place where they decay to neutrinos, whatever simulation they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.constants import (
    MASS_ETA,
    MASS_KAON,
    MASS_MUON,
    MASS_NEUTRAL_KAON,
    MASS_NEUTRAL_PION,
    MASS_NEUTRON,
    MASS_PION,
)
from darkhorn.kernels.errors import InputError

Array = NDArray[np.float64]

# Masses by absolute PDG code, GeV; Omega-: PDG, Phys. Rev. D 110 (2024) 030001.
PARENT_MASSES = {
    211: MASS_PION, 321: MASS_KAON, 130: MASS_NEUTRAL_KAON, 310: MASS_NEUTRAL_KAON, 311: MASS_NEUTRAL_KAON,
    13: MASS_MUON, 2112: MASS_NEUTRON, 3334: 1.67245, 111: MASS_NEUTRAL_PION, 221: MASS_ETA,
}  # fmt: skip
NEUTRINOS = (12, -12, 14, -14, 16, -16)
# (name, type, unit, meaning): the columns of a table and of the files
COLUMNS = (
    ("nu_pdg", np.int32, "", "PDG code of the neutrino of the decay; 0: the decay is not chosen, all of them count"),
    ("parent_pdg", np.int32, "", "PDG code of the particle that decays; 0: not known"),
    ("x", np.float64, "cm", "place of the decay"),
    ("y", np.float64, "cm", "place of the decay"),
    ("z", np.float64, "cm", "place of the decay"),
    ("px", np.float64, "GeV", "momentum of the particle that decays"),
    ("py", np.float64, "GeV", "momentum of the particle that decays"),
    ("pz", np.float64, "GeV", "momentum of the particle that decays"),
    ("weight", np.float64, "POT^-1", "decays per proton on target that the ray stands for; see nu_pdg"),
    ("energy_star", np.float64, "GeV", "energy of the neutrino in the rest frame of the parent; nan where nu_pdg is 0"),
    ("spin_x", np.float64, "", "for muons: direction of their parent in their rest frame, a unit vector; else 0"),
    ("spin_y", np.float64, "", "for muons: direction of their parent in their rest frame, a unit vector; else 0"),
    ("spin_z", np.float64, "", "for muons: direction of their parent in their rest frame, a unit vector; else 0"),
    ("origin", np.int8, "", "0 primary, 1 secondary nucleon, 2 tertiary pion, 3 stopped, 4 pion of a kaon, -1 unknown"),
    ("extrapolated", np.int8, "", "1: the hadron was outside the range of the production data; -1 not known"),
    ("time", np.float64, "ns", "of the decay; 0 is when the proton crosses z = 0 of the beam; nan: not known"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RayTable:
    """Rays with importance weights. Make it with `ray_table`, which checks.

    columns      (n,) each: `COLUMNS`
    frame        of places and momenta: "beam", or "detector" for rays that were made for one detector
    relocatable  rays may be seen from any point; False for neutrinos that are known at their window only: each is kept
                 as a decay at rest of the neutrino's energy at the place of the decay, so that its flux falls with the
                 square of the distance and is right at the window
    pot          protons on target behind the rays; 0 where each species was started by itself (the weights are per
                 proton all the same)
    source       where the rays come from, for people; header: what else is known (JSON types)
    """

    columns: Mapping[str, NDArray[Any]]
    frame: Literal["beam", "detector"]
    relocatable: bool
    pot: float
    source: str
    header: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["weight"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def mass(self) -> Array:
        """Mass of each particle that decays, GeV, (n,); 1 where the species is not known, which then is at rest."""
        found = np.where((self["parent_pdg"] == 0) & (not self.relocatable), 1.0, 0.0)
        for pdg, mass in PARENT_MASSES.items():
            found[np.abs(self["parent_pdg"]) == pdg] = mass
        return found

    def where(self, keep: NDArray[Any]) -> "RayTable":
        """The rays of a mask or of indices."""
        chosen = {name: values[keep] for name, values in self.columns.items()}
        return RayTable(chosen, self.frame, self.relocatable, self.pot, self.source, self.header)


def ray_table(
    columns: Mapping[str, Any],
    *,
    where: str,
    source: str,
    pot: float = 0.0,
    frame: Literal["beam", "detector"] = "beam",
    relocatable: bool = True,
    header: Mapping[str, Any] | None = None,
) -> RayTable:
    """Checked constructor; columns that only some sources know may be left out. `where` names the file in the message
    of an InputError.
    """
    unknown = {"spin_x": 0.0, "spin_y": 0.0, "spin_z": 0.0, "origin": -1, "extrapolated": -1, "time": np.nan}
    number = len(columns["weight"])
    made: dict[str, NDArray[Any]] = {}
    for name, kind, _, _ in COLUMNS:
        values = columns[name] if name in columns else np.full(number, unknown[name])
        made[name] = np.ascontiguousarray(values, dtype=kind)
        if made[name].shape != (number,):
            found = f"{made[name].shape} values of {name} for {number} weights"
            raise InputError(where, found, "one number per ray", "The file is broken.")
    if number == 0:
        raise InputError(where, "no rays", "at least one ray", "The simulation that wrote it made nothing.")
    if not (np.isfinite(pot) and pot >= 0):
        raise InputError(where, f"{pot:g} protons on target", "a finite number, 0 or more", "The file is broken.")
    table = RayTable(made, frame, relocatable, float(pot), source, dict(header or {}))
    _check(table, where)
    return table


def _check(table: RayTable, where: str) -> None:
    chosen = table["nu_pdg"] != 0
    tests = [
        ("weight", np.isfinite(table["weight"]) & (table["weight"] >= 0), "finite weights, zero or positive"),
        ("nu_pdg", np.isin(table["nu_pdg"], (0, *NEUTRINOS)), "PDG codes of neutrinos: 12, 14, 16 and negative"),
        ("parent_pdg", table.mass > 0, ", ".join(f"+-{pdg}" for pdg in PARENT_MASSES)),
        ("energy_star", (table["energy_star"] > 0) | ~chosen, "a positive energy in GeV"),
    ]
    tests += [(name, np.isfinite(table[name]), "finite numbers") for name in ("x", "y", "z", "px", "py", "pz")]
    tests += [("time", ~np.isinf(table["time"]), "finite times in ns, or nan")]
    tests += [(f"spin_{a}", np.isfinite(table[f"spin_{a}"]), "finite numbers") for a in "xyz"]
    for name, good, allowed in tests:
        bad = np.flatnonzero(~good)
        if bad.size:
            found = f"{name} = {table[name][bad[0]]} in ray {bad[0]} ({bad.size} of {len(table)} rays)"
            raise InputError(where, found, allowed, "The file is broken, or holds something else.")
    if not table["weight"].any():
        raise InputError(where, "rays whose weights are all 0", "a ray with weight", "The file stands for nothing.")


def joined(tables: Sequence[RayTable], where: str) -> RayTable:
    """Files of one beam as one table: rays of each with its share of the protons, as if all had been one file.

    Weights are per proton of their own file; files with protons count by them, files without (simulated by darkhorn)
    equally. Raises InputError for files of different kinds.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for other in tables[1:]:
        kinds = [(t.frame, t.relocatable, t.pot > 0) for t in (first, other)]
        if kinds[0] != kinds[1]:
            raise InputError(where, "files of different kinds", "files of one kind", "Read them one by one.")
        if first.header.get("beam") != other.header.get("beam") or first.header.get("mode") != other.header.get("mode"):
            raise InputError(where, "files of different beams or modes", "files of one beam", "Read them one by one.")
    pot = sum(t.pot for t in tables)
    shares = [t.pot / pot if pot > 0 else 1 / len(tables) for t in tables]
    columns = {name: np.concatenate([t[name] for t in tables]) for name, *_ in COLUMNS}
    columns["weight"] = np.concatenate([t["weight"] * share for t, share in zip(tables, shares, strict=True)])
    source = f"{first.source} and {len(tables) - 1} more"
    files = [file for t in tables for file in t.header.get("files", ())]
    return RayTable(columns, first.frame, first.relocatable, pot, source, {**first.header, "files": files})
