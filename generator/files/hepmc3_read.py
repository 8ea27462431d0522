"""Read HepMC3 ASCII files of darkhorn back into columns, also after another HepMC3 program has copied them."""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from darkhorn.generator.events import CHUNK, Events
from darkhorn.generator.files.columns import IDENTITY, Array, extra_columns
from darkhorn.generator.files.hepmc3 import C_CM_PER_NS, COLUMN, EVENT_ID, TOPOLOGY, open_text, particle_order
from darkhorn.generator.header import Header
from darkhorn.generator.record import Topology
from darkhorn.kernels.errors import InputError

Block = tuple[str, dict[str, Array]]


def _header_text(attributes: Mapping[str, str]) -> str:
    """The header, which stands in numbered pieces."""
    pieces: list[str] = []
    while (name := f"darkhorn.Header[{len(pieces)}]") in attributes:
        pieces.append(attributes[name])
    return "".join(pieces)


class HepMC3File:
    """A HepMC3 file of darkhorn: its header, the columns of each topology, and its events in blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        attributes, self.weight_names = _run_attributes(path)
        missing = [key for key in ("Header[0]", "Columns", "Rows") if f"darkhorn.{key}" not in attributes]
        if missing:
            do = "Only files written by darkhorn can be read back; the HDF5 file holds the same events."
            raise InputError(str(path), "a HepMC3 file of another program", "a HepMC3 file of darkhorn", do)
        try:
            self.header = Header.from_json(json.loads(_header_text(attributes)), str(path))
            columns = json.loads(attributes["darkhorn.Columns"])
            self.dtypes = {t: {c: np.dtype(d) for c, d in found.items()} for t, found in columns.items()}
            self.rows = {str(t): int(n) for t, n in json.loads(attributes["darkhorn.Rows"]).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise _damaged(path, f"unreadable run attributes ({error})") from error

    def blocks(self, rows: int = CHUNK) -> Iterator[Block]:
        """(topology, columns) with at most `rows` events each, in the order of the file within each topology."""
        waiting: dict[str, _Buffer] = {name: _Buffer(self, name) for name in self.dtypes}
        counts = dict.fromkeys(self.dtypes, 0)
        for lines in _events(self.path):
            name = next((line[2] for line in lines if line[0] == "A" and line[1] == TOPOLOGY), "")
            if name not in waiting:
                raise _damaged(self.path, f"an event of the unknown topology {name!r}")
            try:
                waiting[name].add(lines)
            except (ValueError, KeyError, IndexError) as error:
                raise _damaged(self.path, f"an unreadable event ({error})") from error
            counts[name] += 1
            if len(waiting[name]) == rows:
                yield name, waiting[name].flush()
        for name, buffer in waiting.items():
            if len(buffer):
                yield name, buffer.flush()
        if counts != self.rows:
            raise _damaged(self.path, f"events {counts} where {self.rows} were announced")


class _Buffer:
    """Events of one topology as text, turned into columns all at once."""

    def __init__(self, file: HepMC3File, name: str) -> None:
        self._file, self._dtypes = file, file.dtypes[name]
        self._topology: Topology = file.header.topology(name)
        self._roles = particle_order(self._topology)
        identity = [c for c in IDENTITY if c in self._dtypes and c not in ("event_id", "process_id")]
        self._own = [*identity, *extra_columns(self._topology, self._dtypes)]
        self._numbers: list[str] = []
        self._exact: list[list[str]] = []

    def __len__(self) -> int:
        return len(self._exact)

    def add(self, lines: list[tuple[str, str, str]]) -> None:
        attributes: dict[str, str] = {}
        particles: dict[int, str] = {}
        vertices: dict[int, str] = {}
        weights = ""
        for kind, key, rest in lines:
            if kind == "P":
                _, pdg, numbers = rest.split(" ", 2)
                particles[int(key)] = f"{pdg} {numbers.rsplit(' ', 1)[0]}"
            elif kind == "V":
                vertices[int(key)] = rest.partition("@")[2] or "0 0 0 0"
            elif kind == "A":
                attributes[key] = rest
            elif kind == "W":
                weights = f"{key} {rest}"
            elif kind == "U" and (key, rest.strip()) != ("GEV", "CM"):
                raise ValueError(f"units {key} {rest}, not GEV CM")
        if len(particles) != len(self._roles) or len(vertices) != len(self._topology.vertices):
            raise ValueError("particles or vertices are missing or too many")
        parts = [weights, *(particles[i + 1] for i in range(len(self._roles)))]
        parts += [vertices[-i - 1] for i in range(len(self._topology.vertices))]
        self._numbers.append(" ".join(parts))
        own = [attributes[COLUMN + name] for name in self._own]
        self._exact.append([attributes[EVENT_ID], attributes["signal_process_id"], *own])

    def flush(self) -> dict[str, Array]:
        n, names = len(self), self._file.weight_names
        width = len(names) + 6 * len(self._roles) + 4 * len(self._topology.vertices)
        table = np.fromstring("\n".join(self._numbers), dtype=np.float64, sep=" ")
        if table.size != n * width:
            raise _damaged(self._file.path, f"{table.size} numbers in {n} events where {n * width} are due")
        table = table.reshape(n, width)
        found: dict[str, Array] = {("weight" if w == "CV" else w): table[:, i] for i, w in enumerate(names)}
        for i, role in enumerate(self._roles):
            keys = ("pdg", "px", "py", "pz", "e", "mass")
            found |= {f"{role}_{key}": table[:, len(names) + 6 * i + j] for j, key in enumerate(keys)}
        for i, vertex in enumerate(self._topology.vertices):
            at = len(names) + 6 * len(self._roles) + 4 * i
            found |= {f"{vertex.position}_{axis}": table[:, at + j] for j, axis in enumerate("xyz")}
            found[f"{vertex.position}_t"] = table[:, at + 3] / C_CM_PER_NS
        for i, name in enumerate(["event_id", "process_id", *self._own]):
            parse = float if self._dtypes[name].kind == "f" else int
            found[name] = np.array([parse(row[i]) for row in self._exact], dtype=self._dtypes[name])
        self._numbers, self._exact = [], []
        absent = [name for name in self._dtypes if name not in found]
        if absent:
            raise _damaged(self._file.path, f"events without {', '.join(absent)}")
        return {name: np.ascontiguousarray(found[name], dtype=dtype) for name, dtype in self._dtypes.items()}


def read_hepmc3(path: Path) -> Events:
    """All events of a file, in memory."""
    file = HepMC3File(path)
    parts: dict[str, list[dict[str, Array]]] = {name: [] for name in file.dtypes}
    for name, columns in file.blocks():
        parts[name].append(columns)
    joined: dict[str, dict[str, Any]] = {}
    for name, dtypes in file.dtypes.items():
        joined[name] = {
            c: np.concatenate([p[c] for p in parts[name]]) if parts[name] else np.empty(0, dtype)
            for c, dtype in dtypes.items()
        }
    return Events(file.header, joined)


def read_hepmc3_header(path: Path) -> Header:
    """Only the header."""
    return HepMC3File(path).header


def unescape(text: str) -> str:
    r"""Inverse of `hepmc3.escape`: `\|` is an end of line, `\\` a backslash."""
    return "".join(part.replace("\\|", "\n") + "\\" for part in text.split("\\\\"))[:-1]


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise InputError(str(path), "no such file", "an event file", "Check the path.")
    try:
        with open_text(path) as file:
            for line in file:
                yield line.decode()
    except (EOFError, zlib.error) as error:
        raise _damaged(path, "a truncated file") from error
    except (UnicodeDecodeError, OSError) as error:
        raise _damaged(path, f"no readable text ({error})") from error


def _run_attributes(path: Path) -> tuple[dict[str, str], list[str]]:
    attributes: dict[str, str] = {}
    names: list[str] = []
    for number, line in enumerate(_lines(path)):
        if number == 0 and not line.startswith("HepMC::Version"):
            raise InputError(str(path), "not a HepMC3 ASCII file", "a HepMC3 file of darkhorn", "Check the name.")
        if line.startswith("E "):
            break
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "A":
            key, _, value = rest.partition(" ")
            attributes[key] = unescape(value)
        elif kind in ("W", "N") and not names and not rest.strip().isdigit():
            names = unescape(rest).split("\n")
    return attributes, names


def _events(path: Path) -> Iterator[list[tuple[str, str, str]]]:
    """Per event its lines as (letter, first field, rest); of attributes only those of the event itself."""
    event: list[tuple[str, str, str]] | None = None
    ended = False
    for line in _lines(path):
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "E":
            if event is not None:
                yield event
            event = []
        elif kind == "HepMC::Asciiv3-END_EVENT_LISTING":
            ended = True
        elif event is not None and kind in ("A", "P", "V", "W", "U"):
            if kind == "A":
                owner, _, rest = rest.partition(" ")
                if owner != "0":
                    continue
            key, _, rest = rest.partition(" ")
            event.append((kind, key, rest))
    if not ended:
        raise _damaged(path, "a truncated file (no end marker)")
    if event is not None:
        yield event


def _damaged(path: Path, found: str) -> InputError:
    return InputError(str(path), found, "a whole HepMC3 file of darkhorn", "The file is damaged: convert it again.")
