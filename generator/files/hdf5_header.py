"""The header inside an HDF5 event file, and the layout of its columns.

The whole header is `/config/header` (JSON) with the card, the resolved card and the plan beside it; root attributes,
`/run`, `/particles`, `/flux` and `/cross_sections` show the same numbers to people and to other programs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from darkhorn.generator.files.columns import describe, particle_attributes
from darkhorn.generator.header import UNITS_SYSTEM, Header, check_schema
from darkhorn.kernels.errors import InputError

_APART = ("card", "card_resolved", "plan")  # header fields with a dataset of their own
_ROOT = [
    "schema",
    "schema_version",
    "complete",
    "n_events",
    "pot",
    "unweighted",
    "generator_version",
    "created_utc",
    "hostname",
    "device",
    "x64",
    "seed",
    "shard",
    "n_shards",
    "n_total",
]


@dataclass(frozen=True)
class Layout:
    """Where a column lies in the file: byte offset (None if it has no rows), type and number of rows."""

    offset: int | None
    dtype: np.dtype[Any]
    rows: int


def write_header(file: h5py.File, header: Header) -> None:
    """Write or replace everything but `/events`."""
    data = header.to_json()
    for name in _ROOT:
        file.attrs[name] = data[name]
    file.attrs["units_system"] = UNITS_SYSTEM
    file.attrs["versions"] = json.dumps(data["versions"], sort_keys=True)
    file.attrs["run_hash"] = header.run_hash()
    file.attrs["index_range"] = _index_range(header, header.n_total)
    for group in ("config", "run", "particles", "flux", "cross_sections"):
        if group in file:
            del file[group]
    config = file.create_group("config")
    config["card"] = header.card
    config["card_resolved"] = json.dumps(data["card_resolved"], sort_keys=True)
    config["plan"] = json.dumps(data["plan"], sort_keys=True)
    config["header"] = json.dumps({k: v for k, v in data.items() if k not in _APART}, sort_keys=True)
    _write_table(file.create_group("run"), data["channels"])
    totals = [int(channel.get("n_total", 0)) for channel in header.channels]
    file["run/index_range"] = np.array([_index_range(header, n) for n in totals], dtype=np.int64).reshape(-1, 2)
    _write_table(file.create_group("particles"), data["particles"])
    for pdg, curve in header.flux.items():
        group = file.create_group(f"flux/{pdg}")
        group.create_dataset("edges", data=curve["edges_GeV"]).attrs["units"] = "GeV"
        group.create_dataset("content", data=curve["content"]).attrs["units"] = "cm^-2 POT^-1 per bin"
    for name, curve in header.cross_sections.items():
        group = file.create_group(f"cross_sections/{name.replace('/', '_')}")
        group.create_dataset("energy", data=curve["energy_GeV"]).attrs["units"] = "GeV"
        group.create_dataset("xsec", data=curve["xsec_1e38cm2"]).attrs["units"] = "1e-38 cm^2"


def create_columns(
    file: h5py.File,
    header: Header,
    rows: Mapping[str, int],
    dtypes: Mapping[str, Mapping[str, Any]],
    attributes: Mapping[str, tuple[str, str]],
) -> None:
    """Make every `/events/<topology>/<column>` at full size: contiguous, allocated now, not filled."""
    from h5py import h5d, h5p, h5s, h5t

    events = file.create_group("events", track_order=True)
    for name, n in rows.items():
        topology = header.topology(name)
        group = events.create_group(name, track_order=True)
        group.attrs["description"] = topology.description
        group.attrs["topology"] = json.dumps(topology.to_json())
        for column, kind in dtypes[name].items():
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_layout(h5d.CONTIGUOUS)
            creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
            creation.set_fill_time(h5d.FILL_TIME_NEVER)
            creation.set_obj_track_times(False)  # the same run gives the same bytes
            dtype = np.dtype(kind).newbyteorder("<")
            h5d.create(
                group.id, column.encode(), h5t.py_create(dtype, logical=True), h5s.create_simple((int(n),)), creation
            )
            units, description = attributes.get(column) or describe(topology, column)
            shown = {"units": units, "description": description} | particle_attributes(topology, column)
            for key, value in shown.items():
                group[column].attrs[key] = value


def column_layout(file: h5py.File) -> dict[str, dict[str, Layout]]:
    """{topology: {column: Layout}} of the file."""
    return {
        name: {
            column: Layout(dataset.id.get_offset(), dataset.dtype, int(dataset.shape[0]))
            for column, dataset in group.items()
        }
        for name, group in file["events"].items()
    }


def open_file(path: Path) -> h5py.File:
    """Open an event file for reading; InputError if it is missing, truncated, not HDF5, foreign or newer."""
    where = str(path)
    if not path.exists():
        raise InputError(where, "no such file", "an event file", "Check the path.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if path.is_dir():
            raise InputError(where, "a folder", "an event file", "Give the name of a file.") from error
        if "truncated" in str(error):
            do = "The file was cut short, by a broken copy for example: copy or make it again."
            raise InputError(where, "a truncated HDF5 file", "a whole file", do) from error
        if isinstance(error, PermissionError):
            raise InputError(where, "a file that may not be read", "a readable file", "Check its mode.") from error
        raise InputError(where, "not an HDF5 file", "an HDF5 event file of darkhorn", "Check the name.") from error
    try:
        check_schema(_text(file.attrs.get("schema")), _text(file.attrs.get("schema_version")), where)
        if "events" not in file or "config/header" not in file:
            raise InputError(where, "no /events or /config/header", "a whole event file", "The file is damaged.")
    except BaseException:
        file.close()
        raise
    return file


def read_header(file: h5py.File) -> Header:
    """The header of an open file; InputError if it cannot be read."""
    where = str(file.filename)
    try:
        data = json.loads(file["config/header"][()])
        data["card"] = _text(file["config/card"][()])
        data["card_resolved"] = json.loads(file["config/card_resolved"][()])
        data["plan"] = json.loads(file["config/plan"][()])
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(where, f"an unreadable /config ({error})", "a whole event file", "It is damaged.") from error
    return Header.from_json(data, where)


def _index_range(header: Header, total: int) -> list[int]:
    """[first, one past the last] of `total` events in this shard."""
    n = max(header.n_shards, 1)
    return [header.shard * total // n, (header.shard + 1) * total // n]


def _write_table(group: h5py.Group, rows: list[dict[str, Any]]) -> None:
    """A list of records as one 1-D dataset per key; values that are no scalars are left to the JSON header."""
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        if all(isinstance(value, bool | int | float) for value in values):
            group[key] = np.array(values)
        elif all(isinstance(value, str | int | float | None) for value in values):
            group.create_dataset(
                key, data=["" if value is None else str(value) for value in values], dtype=h5py.string_dtype()
            )


def _text(value: object) -> str | None:
    return value.decode() if isinstance(value, bytes) else (None if value is None else str(value))
