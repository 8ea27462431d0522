"""Read event files into `Events`. Columns of HDF5 files are mapped, not loaded: files may be larger than the memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import Array
from darkhorn.generator.files.formats import HDF5, HEPMC3, format_of
from darkhorn.generator.files.hdf5_header import Layout, column_layout, open_file, read_header
from darkhorn.generator.header import Header
from darkhorn.kernels.errors import InputError


class MappedColumns(Mapping[str, Array]):
    """Read-only columns of one topology of an HDF5 file, mapped on first use."""

    def __init__(self, path: Path, topology: str, layout: Mapping[str, Layout]) -> None:
        self._path, self._topology, self._layout = path, topology, layout
        self._open: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._open:
            item = self._layout[name]
            if item.rows == 0:
                self._open[name] = np.empty(0, dtype=item.dtype)
            elif item.offset is None:  # chunked or compressed by another program
                with h5py.File(self._path, "r") as file:
                    self._open[name] = file["events"][self._topology][name][()]
            else:
                self._open[name] = np.memmap(self._path, item.dtype, "r", item.offset, (item.rows,))
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)

    def __repr__(self) -> str:
        return f"<{len(self)} columns of {self._topology} in {self._path}>"


def read(path: str | Path) -> Events:
    """Events of an HDF5 or HepMC3 file written by darkhorn.

    Raises InputError, which says what to do, for a missing, foreign, truncated, incomplete or newer file.
    """
    path = Path(path)
    kind = format_of(path, reading=True)
    if kind == HDF5:
        return read_hdf5(path)
    if kind == HEPMC3:
        from darkhorn.generator.files.hepmc3_read import read_hepmc3

        return read_hepmc3(path)
    raise InputError(str(path), f"a file of the format {kind}", "HDF5 or HepMC3", "Read the file it was made from.")


def read_hdf5(path: Path, allow_incomplete: bool = False) -> Events:
    """Events of an HDF5 file with mapped columns; `allow_incomplete` lets the `.part` of a running job through."""
    with open_file(path) as file:
        header = read_header(file)
        layout = column_layout(file)
        complete = bool(file.attrs.get("complete", False))
    if not complete and not allow_incomplete:
        do = "Finish the run with `darkhorn generate CARD -o FILE --resume`."
        raise InputError(str(path), "an unfinished file (complete = False)", "a finished run", do)
    size = path.stat().st_size
    for topology, columns in layout.items():
        header.topology(topology)
        for name, item in columns.items():
            if item.offset is not None and item.offset + item.rows * item.dtype.itemsize > size:
                raise InputError(str(path), f"{topology}/{name} beyond the end", "a whole file", "Copy it again.")
        lengths = {item.rows for item in columns.values()}
        if len(lengths) > 1:
            raise InputError(str(path), f"columns of {topology} of different length", "equal lengths", "It is damaged.")
        if "event_id" not in columns or "weight" not in columns:
            raise InputError(str(path), f"no event_id or weight in {topology}", "both columns", "It is damaged.")
    names = [topology.name for topology in header.topologies if topology.name in layout]
    return Events(header, {name: MappedColumns(path, name, layout[name]) for name in names})


def header_of(path: str | Path) -> Header:
    """Only the header of an event file."""
    path = Path(path)
    if format_of(path, reading=True) == HDF5:
        with open_file(path) as file:
            return read_header(file)
    from darkhorn.generator.files.hepmc3_read import read_hepmc3_header

    return read_hepmc3_header(path)


def attributes_of(path: str | Path) -> dict[str, tuple[str, str]]:
    """{column: (units, description)} as stored in an HDF5 file."""
    with open_file(Path(path)) as file:
        found: dict[str, tuple[str, str]] = {}
        for group in file["events"].values():
            for name, dataset in group.items():
                attributes: Any = dataset.attrs
                found[name] = (str(attributes.get("units", "")), str(attributes.get("description", "")))
    return found
