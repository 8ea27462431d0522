"""HEPEVT text for detector simulations: LArSoft `TextFileGen` (`.hepevt`) and edep-sim (`.edep.hepevt`).

Both: GeV, cm, ns, columns `status pdg mother1 mother2 daughter1 daughter2 px py pz E m x y z t`. LArSoft wants one
block per event, `number particles`; edep-sim takes one vertex per block, `event vertex particles x y z t`, with the
first 11 columns (its flavour `pbomb`; set `/generator/count/fixed/number` to the number of blocks per event). Only
particles that Geant4 knows and that leave the event have status 1.

These formats hold neither weights nor exposure: both are written to `<file>.json`, by event number.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import Columns, factor_columns, mass_of, momentum_of, pdg_of
from darkhorn.generator.files.output import check_output, new_file
from darkhorn.generator.files.text import ROWS, Piece, float_text, render
from darkhorn.generator.record import FINAL, Particle, Topology

TRACKED, DOCUMENTED = 1, 3
# Leptons, photon and hadrons of these codes, and nuclei, can be tracked by Geant4.
_GEANT4 = np.array([11, 12, 13, 14, 15, 16, 22, 111, 211, 221, 130, 310, 311, 321, 2112, 2212, 3122])


def known_to_geant4(pdg: int | NDArray[Any]) -> NDArray[np.bool_]:
    """Whether Geant4 has a particle of that PDG code: common leptons and hadrons, and nuclei 100ZZZAAA0."""
    size = np.abs(np.asarray(pdg, dtype=np.int64))
    return np.isin(size, _GEANT4) | ((size > 1000000000) & (size < 1010000000))


def sidecar_of(path: Path) -> Path:
    """`events.hepevt` -> `events.hepevt.json`."""
    return path.with_name(path.name + ".json")


def write_hepevt(events: Events, path: Path, overwrite: bool = False, edep_sim: bool = False) -> None:
    """Write the text and its sidecar; the memory used does not grow with the number of events.

    Event numbers in the text are 0, 1, ...; the sidecar lists `event_id` and `weight` in that order.
    """
    sidecar = sidecar_of(path)
    check_output(sidecar, overwrite)
    with new_file(path, overwrite) as text, new_file(sidecar, overwrite) as notes:
        with open(text, "wb") as file:
            number = 0
            for topology, columns in events.chunks(ROWS):
                rows = len(columns["event_id"])
                numbers = number + np.arange(rows)
                pieces = (_edep_sim if edep_sim else _larsoft)(topology, columns, events.header.masses, numbers)
                file.write(render(pieces, rows))
                number += rows
        with open(notes, "w", encoding="utf-8") as file:
            _write_sidecar(events, file, "edep-sim pbomb" if edep_sim else "LArSoft TextFileGen")


def _larsoft(topology: Topology, columns: Columns, masses: Mapping[str, float], numbers: NDArray[Any]) -> list[Piece]:
    pieces: list[Piece] = [numbers, f" {len(topology.particles)}\n"]
    place = {particle.role: index for index, particle in enumerate(topology.particles, start=1)}
    for particle in topology.particles:
        mothers = _span([place[p.role] for p in topology.particles if _joined(p.ends, particle.produced)])
        daughters = _span([place[p.role] for p in topology.particles if _joined(particle.ends, p.produced)])
        vertex = particle.produced if particle.produced is not None else particle.ends
        assert vertex is not None
        pieces += [*_status(topology, particle, columns), f" {mothers} {daughters}"]
        pieces += [*_momentum(topology, particle, columns, masses), *_position(topology, vertex, columns), "\n"]
    return pieces


def _edep_sim(topology: Topology, columns: Columns, masses: Mapping[str, float], numbers: NDArray[Any]) -> list[Piece]:
    """One block per place where particles for Geant4 are made: vertices at one position share a block."""
    pieces: list[Piece] = []
    blocks = 0
    for name in topology.positions:
        made = [p for p in topology.particles if p.status == FINAL and p.produced is not None]
        made = [p for p in made if p.produced is not None and topology.vertices[p.produced].position == name]
        made = [p for p in made if p.pdg is None or known_to_geant4(p.pdg)]
        if not made:
            continue
        vertex = made[0].produced
        assert vertex is not None
        pieces += [numbers, f" {blocks} {len(made)}", *_position(topology, vertex, columns), "\n"]
        blocks += 1
        for particle in made:
            pieces += [*_status(topology, particle, columns), " 0 0 0 0"]
            pieces += [*_momentum(topology, particle, columns, masses), "\n"]
    return pieces


def _status(topology: Topology, particle: Particle, columns: Columns) -> list[Piece]:
    """`status pdg`: 1 for what Geant4 shall track, else 3 (a documentation line)."""
    pdg = pdg_of(topology, particle.role, columns)
    tracked = known_to_geant4(pdg) & (particle.status == FINAL)
    status: Piece = (
        np.where(tracked, TRACKED, DOCUMENTED)
        if isinstance(pdg, np.ndarray)
        else str(TRACKED if tracked else DOCUMENTED)
    )
    return [status, " ", pdg if isinstance(pdg, np.ndarray) else str(pdg)]


def _momentum(topology: Topology, particle: Particle, columns: Columns, masses: Mapping[str, float]) -> list[Piece]:
    e, px, py, pz = momentum_of(topology, particle.role, columns, masses)
    pieces: list[Piece] = []
    for value in (px, py, pz, e, mass_of(topology, particle.role, columns, masses)):
        pieces += [" ", _number(value)]
    return pieces


def _position(topology: Topology, vertex: int, columns: Columns) -> list[Piece]:
    name = topology.vertices[vertex].position
    pieces: list[Piece] = []
    for axis in "xyzt":
        pieces += [" ", _number(columns[f"{name}_{axis}"])]
    return pieces


def _number(value: float | NDArray[Any]) -> Piece:
    return np.ascontiguousarray(value, dtype=np.float64) if isinstance(value, np.ndarray) else float_text(value)


def _joined(ends: int | None, produced: int | None) -> bool:
    return ends is not None and ends == produced


def _span(places: list[int]) -> str:
    """First and last of the line numbers, `0 0` if there are none; the lines between are of the same family."""
    if not places:
        return "0 0"
    assert all(b >= a for a, b in pairwise(places))
    return f"{places[0]} {places[-1] if len(places) > 1 else places[0]}"


def _write_sidecar(events: Events, file: TextIO, layout: str) -> None:
    header, n = events.header, len(events)
    notes = {
        "format": layout,
        "units": "GeV cm ns",
        "n_events": n,
        "pot": header.pot,
        "pot_per_event": header.pot / n if n else None,
        "sum_w": events.sum_w,
        "meaning": "weight: expected number of events in `pot` that the event stands for; unweight before a simulation "
        "that ignores weights, then every event stands for pot_per_event protons on target",
        "header": header.to_json(),
    }
    file.write(json.dumps(notes)[:-1])
    factors = list(dict.fromkeys(name for columns in events.topologies.values() for name in factor_columns(columns)))
    for name in ("event_id", "weight", *factors):
        file.write(f', "{name}": [')
        first = True
        for _, columns in events.chunks():
            values = columns[name].tolist() if name in columns else [1.0] * len(columns["event_id"])
            file.write(("" if first else ", ") + json.dumps(values)[1:-1])
            first = False
        file.write("]")
    file.write("}\n")
