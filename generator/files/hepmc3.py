"""HepMC3 ASCII files that follow NuHepMC 1.0.0 (arXiv:2310.13211), written from columns without event objects.

Units GEV and CM; vertex positions are (x, y, z, c t) in cm, `lab_pos` is (x, y, z) in cm and t in s (E.C.5). What
the header and the columns hold beyond that travels in attributes named `darkhorn.*`, so that `files.read.read` gives
back the same events.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import IDENTITY, Columns, extra_columns, mass_of, momentum_of, pdg_of
from darkhorn.generator.files.cross_sections import event_cross_sections, has_tables
from darkhorn.generator.files.nuhepmc import run_attributes, weight_names
from darkhorn.generator.files.output import new_file
from darkhorn.generator.files.text import ROWS, Piece, float_text, render
from darkhorn.generator.header import Header
from darkhorn.generator.record import BEAM, REMNANT_PDG, STRUCK, Topology

C_CM_PER_NS = 29.9792458  # exact
S_PER_NS = 1e-9
START = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
END = "HepMC::Asciiv3-END_EVENT_LISTING\n"
EVENT_ID, TOPOLOGY, COLUMN = "darkhorn.EventId", "darkhorn.Topology", "darkhorn.Column."


def write_hepmc3(events: Events, path: Path, overwrite: bool = False) -> None:
    """Write `.hepmc3`, or `.hepmc3.gz`; the memory used does not grow with the number of events."""
    with new_file(path, overwrite) as part, open(part, "wb") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as packed:
                write_stream(events, packed.write)
        else:
            write_stream(events, raw.write)


def write_stream(events: Events, write: Callable[[bytes], Any]) -> None:
    """Hand the text of the whole file to `write`, piece by piece."""
    names = weight_names(events)
    write(run_text(events, names).encode())
    number = 0
    for topology, columns in events.chunks(ROWS):
        rows = len(columns["event_id"])
        write(render(event_pieces(events.header, topology, columns, names, number), rows))
        number += rows
    write(END.encode())


def run_text(events: Events, names: list[str]) -> str:
    """Everything before the first event."""
    header = events.header
    tools = [("darkhorn", header.generator_version or "unknown", "Monte Carlo of dark-sector signals")]
    tools += [(name, version, "library") for name, version in sorted(header.versions.items())]
    lines = [f"W {escape(chr(10).join(names))}"]
    lines += ["T " + escape("\n".join(tool)) for tool in tools]
    lines += [f"A {name} {escape(value)}" for name, value in sorted(run_attributes(events).items())]
    return START + "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""Text in one line as HepMC3 does it: backslash to `\\`, end of line to `\|`."""
    return text.replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\|")


def event_pieces(header: Header, topology: Topology, columns: Columns, names: list[str], first: int) -> list[Piece]:
    """The pieces (`text.render`) of events numbered first, first + 1, ... of one topology."""
    rows = len(columns["event_id"])
    shape = f" {len(topology.vertices)} {len(topology.particles)}\nU GEV CM\nW"
    pieces: list[Piece] = ["E ", (first + np.arange(rows)) % 2**31, shape]
    ones = np.ones(rows)
    for name in names:
        values = columns["weight"] if name == "CV" else columns.get(name, ones)
        pieces += [" ", np.ascontiguousarray(values, dtype=np.float64)]
    position: dict[str, list[Piece]] = {}
    for name in topology.positions:
        x, y, z, t = (np.ascontiguousarray(columns[f"{name}_{axis}"], dtype=np.float64) for axis in "xyzt")
        position[name] = [" ", x, " ", y, " ", z, " ", t * C_CM_PER_NS]
    primary = topology.vertices[topology.primary].position
    pieces += ["\nA 0 signal_process_id ", columns["process_id"], "\nA 0 lab_pos", *position[primary][:6]]
    pieces += [" ", columns[f"{primary}_t"] * S_PER_NS]
    if has_tables(header):
        beam = next(particle.role for particle in topology.particles if particle.status == BEAM)
        energy = np.broadcast_to(momentum_of(topology, beam, columns, header.masses)[0], rows)
        total, process = event_cross_sections(header, columns["channel"], np.asarray(energy, dtype=np.float64))
        pieces += ["\nA 0 tot_xs ", total, "\nA 0 proc_xs ", process]
    pieces += [f"\nA 0 {TOPOLOGY} {topology.name}\nA 0 {EVENT_ID} ", columns["event_id"]]
    kept = [name for name in IDENTITY if name in columns and name not in ("event_id", "process_id")]
    for name in [*kept, *extra_columns(topology, columns)]:
        pieces += [f"\nA 0 {COLUMN}{name} ", _number(columns[name])]
    struck = next((particle.role for particle in topology.particles if particle.status == STRUCK), None)
    for number, role in enumerate(particle_order(topology), start=1):
        if struck and topology.particle(role).pdg == REMNANT_PDG:
            remnant = _remnant(columns, pdg_of(topology, struck, columns))
            pieces += [f"\nA {number} remnant_particle_number ", remnant]
    return [*pieces, "\n", *_graph(header, topology, columns, position)]


def _graph(header: Header, topology: Topology, columns: Columns, position: dict[str, list[Piece]]) -> list[Piece]:
    """Particle and vertex lines, each vertex after what goes in and before what comes out."""
    numbers = {role: number for number, role in enumerate(particle_order(topology), start=1)}
    pieces: list[Piece] = []

    def line(role: str, parent: int) -> list[Piece]:
        e, px, py, pz = momentum_of(topology, role, columns, header.masses)
        mass, pdg = mass_of(topology, role, columns, header.masses), pdg_of(topology, role, columns)
        found: list[Piece] = [f"P {numbers[role]} {parent} ", _number(pdg)]
        for value in (px, py, pz, e, mass):
            found += [" ", _number(value)]
        return [*found, f" {topology.particle(role).status}\n"]

    for index, vertex in enumerate(topology.vertices):
        incoming = [particle for particle in topology.particles if particle.ends == index]
        for particle in incoming:
            if particle.produced is None:
                pieces += line(particle.role, 0)
        inside = ",".join(str(numbers[particle.role]) for particle in incoming)
        pieces += [f"V {-index - 1} {vertex.status} [{inside}] @", *position[vertex.position], "\n"]
        for particle in topology.particles:
            if particle.produced == index:
                pieces += line(particle.role, -index - 1)
    return pieces


def _remnant(columns: Columns, struck: int | NDArray[Any]) -> NDArray[Any]:
    """Code of the target nucleus 100ZZZAAA0 less one nucleon (P.C.2)."""
    codes: NDArray[Any] = np.asarray(columns["target_pdg"], dtype=np.int64) - 10 - 10000 * (np.asarray(struck) == 2212)
    return codes


def particle_order(topology: Topology) -> list[str]:
    """Roles in the order of their numbers 1, 2, ...: at each vertex what comes from outside, then what it makes."""
    order: list[str] = []
    for index in range(len(topology.vertices)):
        order += [p.role for p in topology.particles if p.ends == index and p.produced is None]
        order += [p.role for p in topology.particles if p.produced == index]
    return order


def _number(value: float | NDArray[Any]) -> Piece:
    """A constant as text, a column as numbers that `render` writes."""
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "iu" else np.ascontiguousarray(value, dtype=np.float64)
    return str(value) if isinstance(value, int) else float_text(value)


def open_text(path: Path) -> BinaryIO:
    """Open `.hepmc3` or `.hepmc3.gz` for reading bytes, by its first bytes."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]
