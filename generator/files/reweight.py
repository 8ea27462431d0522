"""From event file to event file with the weights of another model. Only the columns that change are made anew."""

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import Array
from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.hdf5 import pwrite, reserve, structure_bytes
from darkhorn.generator.files.hdf5_header import Layout, column_layout, write_header
from darkhorn.generator.files.output import check_output, new_file
from darkhorn.generator.files.read import read
from darkhorn.generator.files.write import write_events
from darkhorn.generator.reweighting import FLIGHT_RESOLUTION_CM, Reweighting
from darkhorn.kernels.errors import InputError

_COPY_BYTES = 1 << 26
_FICLONE = 0x40049409  # ioctl of Linux: a copy that shares its blocks with the original until one of them is changed


def reweight(
    src: str | Path,
    dst: str | Path,
    overrides: Mapping[str, Any] | list[str],
    overwrite: bool = False,
    flight_resolution_cm: float = FLIGHT_RESOLUTION_CM,
) -> dict[str, Any]:
    """Write the events of `src` (HDF5 or HepMC3) with the weights of the model that `overrides` make of its card.

    The output is a whole event file, of any format that has weights; its card is that of the new model. Memory does not
    grow with an HDF5 file. Returns the report of `Reweighting.report`, which stands in the header too.

    Raises InputError with the reason where the events cannot stand for the new model, OutputError if `dst` cannot be
    written.
    """
    src, dst = Path(src), Path(dst)
    check_output(dst, overwrite)
    if dst.exists() and src.exists() and dst.samefile(src):
        raise InputError(str(dst), "the input itself", "another name", "Choose another output.")
    to = format_of(dst)
    events = read(src)
    reweighting = Reweighting(events.header, overrides, src.parent, flight_resolution_cm)
    if format_of(src, reading=True) == HDF5 and to == HDF5:
        return _copied(src, dst, events, reweighting, overwrite)
    made, report = reweighted(events, reweighting, src.name)
    write_events(made, dst, overwrite)
    return report


def reweighted(events: Events, reweighting: Reweighting, source: str) -> tuple[Events, dict[str, Any]]:
    """Events in memory with new weights, the other columns shared with the old ones; and the report."""
    new: dict[str, dict[str, Array]] = {
        name: {key: np.empty(len(columns["event_id"])) for key in reweighting.factors(columns)}
        for name, columns in events.topologies.items()
    }

    def store(name: str, first: int, columns: dict[str, Array]) -> None:
        for key, values in columns.items():
            new[name][key][first : first + len(values)] = values

    sums = reweighting.apply(events.topologies, store)
    report = reweighting.report(sums, source)
    header = reweighting.new_header(sums, report)
    return Events(header, {name: {**columns, **new[name]} for name, columns in events.topologies.items()}), report


def _copied(src: Path, dst: Path, events: Events, reweighting: Reweighting, overwrite: bool) -> dict[str, Any]:
    """As `reweighted`, with a copy of the file in which the columns that change are written over."""
    with h5py.File(src, "r") as file:
        layout = column_layout(file)
    changing = {
        (name, key): layout[name][key]
        for name, columns in events.topologies.items()
        for key in reweighting.factors(columns)
    }
    if any(item.rows and (item.offset is None or item.dtype != np.dtype("<f8")) for item in changing.values()):
        # stored by another program in pieces, or as other numbers: through memory
        made, report = reweighted(events, reweighting, src.name)
        write_events(made, dst, overwrite)
        return report
    with new_file(dst, overwrite) as part, open(src, "rb") as source, open(part, "w+b") as target:
        copy = _Copy(source.fileno(), target.fileno(), list(changing.values()))
        try:

            def store(name: str, first: int, columns: dict[str, Array]) -> None:
                for key, values in columns.items():
                    item = changing[name, key]
                    assert item.offset is not None
                    data = np.ascontiguousarray(values, "<f8").view(np.uint8).data
                    pwrite(target.fileno(), data, item.offset + 8 * first)

            sums = reweighting.apply(events.topologies, store)
        finally:
            copy.join()
        report = reweighting.report(sums, src.name)
        header = reweighting.new_header(sums, report)
        reserve(target.fileno(), os.fstat(target.fileno()).st_size + structure_bytes(header))
        with h5py.File(part, "r+") as file:
            write_header(file, header)
    return report


class _Copy:
    """A thread that copies a file, but for the columns that somebody else writes. Errors come out of `join`."""

    def __init__(self, source: int, target: int, apart: list[Layout]) -> None:
        self._source, self._target = source, target
        self._size = os.fstat(source).st_size
        self._error: BaseException | None = None
        holes = sorted((item.offset, item.offset + 8 * item.rows) for item in apart if item.offset is not None)
        edges = [0, *(edge for hole in holes for edge in hole), self._size]
        self._parts = list(zip(edges[::2], edges[1::2], strict=True))
        if _cloned(source, target):
            self._parts = []
        else:
            os.ftruncate(target, self._size)
        self._thread = threading.Thread(target=self._run, name="darkhorn-copy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for start, stop in self._parts:
                while start < stop:
                    start += _copy_range(self._source, self._target, start, min(stop - start, _COPY_BYTES))
        except BaseException as error:
            self._error = error

    def join(self) -> None:
        """Wait for the end. Raises what the thread met."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def _cloned(source: int, target: int) -> bool:
    """Whether the file system has made the whole copy at no cost (btrfs, XFS)."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
        return True
    return False


def _copy_range(source: int, target: int, at: int, size: int) -> int:
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # not between these file systems
            copied = os.copy_file_range(source, target, size, at, at)
            if copied:
                return copied
    data = os.pread(source, size, at)
    if not data:
        raise OSError(5, "the file ends too early")
    pwrite(target, memoryview(data), at)
    return len(data)
