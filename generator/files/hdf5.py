"""HDF5 event files written by blocks, so that a kill at any moment loses at most the block in flight.

All datasets are made at full size, contiguous and allocated, and the HDF5 library closes the file; the columns are
then written with `pwrite` at their known offsets. The HDF5 structure is thus never in flux while events are made. What
has been written is told by a small JSON file beside it, replaced in one step after the data have reached the disk.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from darkhorn.generator.files.columns import Columns
from darkhorn.generator.files.hdf5_header import Layout, column_layout, create_columns, write_header
from darkhorn.generator.files.output import check_output, fail, part_name, publish, replace_text
from darkhorn.generator.header import Header
from darkhorn.kernels.errors import InputError, OutputError

_COPY_BYTES = 1 << 24  # memory used by copies from file to file


class EventFile:
    """An event file being written: `create` or `resume`, then `write` and `checkpoint`, then `finish` or `abandon`.

    `write` may be called from several threads; `checkpoint` covers the writes that returned before it was called.
    """

    def __init__(self, path: Path, descriptor: int, layout: dict[str, dict[str, Layout]], run: str) -> None:
        self.path, self.part = path, part_name(path)
        self._descriptor, self._layout, self._run = descriptor, layout, run
        self._progress: dict[str, Any] = {}
        self._attributes: dict[str, tuple[str, str]] = {}
        self._rebuild = False  # a finish was interrupted: the HDF5 structure of the part may be broken

    @classmethod
    def create(
        cls,
        path: str | Path,
        header: Header,
        rows: Mapping[str, int],
        dtypes: Mapping[str, Mapping[str, Any]],
        attributes: Mapping[str, tuple[str, str]] | None = None,
        overwrite: bool = False,
    ) -> "EventFile":
        """Make `<path>.part` at full size with `rows[topology]` rows of the columns `dtypes[topology]`.

        attributes: {column: (units, description)}; columns not named get those of `files.columns.describe`.
        Raises OutputError: file or unfinished run in the way, folder missing or not writable, no space for all rows.
        """
        path = Path(path)
        sidecar = _sidecar(path)
        check_output(path, overwrite, resume_hint=sidecar.exists())
        part = part_name(path)
        if part.exists():
            _discard(part, path)
        sidecar.unlink(missing_ok=True)
        descriptor = -1
        try:
            layout = _make(part, header.replace(complete=False), rows, dtypes, attributes or {})
            descriptor = os.open(part, os.O_RDWR | getattr(os, "O_BINARY", 0))
            _lock(descriptor, path)
            reserve(descriptor, os.fstat(descriptor).st_size)
            file = cls(path, descriptor, layout, header.run_hash())
            file._attributes = dict(attributes or {})
            file.checkpoint({})
        except BaseException as error:
            if descriptor >= 0:
                os.close(descriptor)
            part.unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, OutputError):
                fail(path, error)
            raise
        return file

    @classmethod
    def resume(cls, path: str | Path, header: Header) -> tuple["EventFile", dict[str, Any]]:
        """Reopen the unfinished `<path>.part` of the same run: (file, progress given to the last checkpoint).

        Raises InputError if there is nothing to resume or it is of another run (`Header.run_hash`), OutputError if it
        cannot be opened for writing or another process is writing it.
        """
        path = Path(path)
        part, sidecar = part_name(path), _sidecar(path)
        start = "Start again without --resume (with --overwrite if the file is in the way)."
        if not part.exists() or not sidecar.exists():
            found = "a run that is already finished" if path.exists() else "no unfinished run"
            raise InputError(str(path), found, f"{part.name} and {sidecar.name}", start)
        try:
            state = json.loads(sidecar.read_text(encoding="utf-8"))
            layout = {
                name: {
                    column: Layout(offset, np.dtype(dtype), rows) for column, (offset, dtype, rows) in columns.items()
                }
                for name, columns in state["layout"].items()
            }
            run, progress = state["run"], state["progress"]
            attributes = {name: (units, text) for name, (units, text) in state["attributes"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(str(sidecar), "an unreadable file", "the progress of a run", start) from error
        if run != header.run_hash():
            raise InputError(
                str(part),
                "an unfinished run of another card, seed, shard, number of events or version",
                "the same run",
                "Give the same card and options as then, or use --overwrite to start again.",
            )
        end = max((_end(item) for columns in layout.values() for item in columns.values()), default=0)
        if part.stat().st_size < end:
            raise InputError(str(part), "a truncated file", f"at least {end} bytes", start)
        try:
            descriptor = os.open(part, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except OSError as error:
            fail(part, error)
        try:
            _lock(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        file = cls(path, descriptor, layout, run)
        file._progress, file._attributes, file._rebuild = progress, attributes, bool(state["finishing"])
        return file, progress

    @staticmethod
    def resumable(path: str | Path) -> bool:
        """Whether there is an unfinished file at `path` that `resume` may continue."""
        return part_name(Path(path)).exists() and _sidecar(Path(path)).exists()

    def write(self, topology: str, first_row: int, columns: Columns) -> None:
        """Write equally long `columns` of `topology` at rows first_row, first_row + 1, ...; all columns at once.

        Raises OutputError when the disk fails or fills, ValueError for columns or rows that the file does not have.
        """
        layout = self._layout[topology]
        if set(columns) != set(layout):
            odd = sorted(set(columns) ^ set(layout))
            raise ValueError(f"columns of {topology} missing or unknown: {', '.join(odd)}")
        n = len(next(iter(columns.values())))
        for name, values in columns.items():
            item = layout[name]
            if np.shape(values) != (n,) or first_row < 0 or first_row + n > item.rows:
                raise ValueError(f"{topology}/{name}: rows {first_row} to {first_row + n} of {item.rows}")
            if item.offset is None or n == 0:
                continue
            array = np.asarray(values)
            if not np.can_cast(array.dtype, item.dtype, "same_kind"):
                raise ValueError(f"{topology}/{name}: {array.dtype} does not fit into {item.dtype}")
            stored = np.ascontiguousarray(array, dtype=item.dtype)
            if stored.dtype.kind in "iu" and array.dtype != stored.dtype and not np.array_equal(stored, array):
                raise ValueError(f"{topology}/{name}: a number too large for {item.dtype}")
            data = stored.view(np.uint8).data
            try:
                pwrite(self._descriptor, data, item.offset + first_row * item.dtype.itemsize)
            except OSError as error:
                fail(self.part, error)

    def checkpoint(self, progress: Mapping[str, Any]) -> None:
        """Bring all data to the disk, then record `progress` (JSON): what `resume` gives back after a kill."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._descriptor)
        except OSError as error:
            fail(self.part, error)
        self._progress = dict(progress)
        self._record(finishing=False)

    def finish(self, header: Header, kept: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> None:
        """Store the final header with complete=True and give the file its name.

        kept: {topology: [(first row, one past the last), ...]} if not all rows were filled; the file is then copied
        without the others. A topology that is not named keeps all its rows. `n_events` is set to the rows kept.
        """
        self.checkpoint(self._progress)
        slices = {
            name: list((kept or {}).get(name, [(0, next((i.rows for i in columns.values()), 0))]))
            for name, columns in self._layout.items()
        }
        rows = {name: sum(stop - start for start, stop in parts) for name, parts in slices.items()}
        header = header.replace(complete=True, n_events=sum(rows.values()))
        whole = all(rows[n] == item.rows for n, columns in self._layout.items() for item in columns.values())
        try:
            if whole and not self._rebuild:
                self._record(finishing=True)
                reserve(self._descriptor, os.fstat(self._descriptor).st_size + structure_bytes(header))
                with h5py.File(self.part, "r+") as file:
                    write_header(file, header)
                self.close()
                publish(self.part, self.path)
            else:
                self._repack(header, slices, rows)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            fail(self.path, error)
        self.part.unlink(missing_ok=True)
        _sidecar(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Close and leave everything for `resume`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def abandon(self) -> None:
        """Close and remove the unfinished file."""
        self.close()
        self.part.unlink(missing_ok=True)
        _sidecar(self.path).unlink(missing_ok=True)

    def _record(self, finishing: bool) -> None:
        layout = {
            name: {column: [item.offset, item.dtype.str, item.rows] for column, item in columns.items()}
            for name, columns in self._layout.items()
        }
        state = {
            "run": self._run,
            "finishing": finishing,
            "progress": self._progress,
            "attributes": self._attributes,
            "layout": layout,
        }
        replace_text(_sidecar(self.path), json.dumps(state))

    def _repack(self, header: Header, slices: dict[str, list[tuple[int, int]]], rows: dict[str, int]) -> None:
        """Copy the kept rows into a new file by pieces of bounded size, and publish that."""
        copy = self.part.with_name(self.part.name + ".copy")
        dtypes = {name: {column: item.dtype for column, item in c.items()} for name, c in self._layout.items()}
        target = -1
        try:
            layout = _make(copy, header, rows, dtypes, self._attributes)
            target = os.open(copy, os.O_RDWR | getattr(os, "O_BINARY", 0))
            reserve(target, os.fstat(target).st_size)
            for name, columns in self._layout.items():
                for column, item in columns.items():
                    at = layout[name][column].offset or 0
                    for start, stop in slices[name]:
                        size = item.dtype.itemsize
                        _copy(self._descriptor, (item.offset or 0) + start * size, target, at, (stop - start) * size)
                        at += (stop - start) * size
            os.close(target)
            target = -1
            publish(copy, self.path)
            self.close()
        except BaseException:
            if target >= 0:
                os.close(target)
            copy.unlink(missing_ok=True)
            raise


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".part.progress")


def _end(item: Layout) -> int:
    return 0 if item.offset is None else item.offset + item.rows * item.dtype.itemsize


def _make(
    part: Path,
    header: Header,
    rows: Mapping[str, int],
    dtypes: Mapping[str, Mapping[str, Any]],
    attributes: Mapping[str, tuple[str, str]],
) -> dict[str, dict[str, Layout]]:
    """A closed HDF5 file with its header and empty columns of full size; returns where the columns lie."""
    # The HDF5 library may crash when the disk is full, so ask the disk first.
    row_bytes = {name: sum(np.dtype(kind).itemsize for kind in columns.values()) for name, columns in dtypes.items()}
    columns = sum(len(kinds) for kinds in dtypes.values())
    size = sum(int(n) * row_bytes[name] for name, n in rows.items()) + 2048 * columns + structure_bytes(header)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        reserve(descriptor, size)
    finally:
        os.close(descriptor)
    with h5py.File(part, "w") as file:
        write_header(file, header)
        create_columns(file, header, rows, dtypes, attributes)
        return column_layout(file)


def structure_bytes(header: Header) -> int:
    """Room for the header and its views: generous, it is given back when the HDF5 library closes the file."""
    return 3 * len(header.dumps()) + 3 * len(header.card) + (1 << 16)


def reserve(descriptor: int, size: int) -> None:
    """Take the blocks of the whole file now: a full disk is told before the work, not after it."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):  # not offered by this file system
                raise


def _lock(descriptor: int, path: Path) -> None:
    """One writer at a time. A record lock, since the HDF5 library uses the other kind (flock) itself."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        do = "Wait for it or choose another name."
        raise OutputError(str(path), "another process is writing it", "one writer at a time", do) from error
    except OSError:
        return  # locks are not offered by this file system


def _discard(part: Path, path: Path) -> None:
    """Remove what an earlier run left, unless that run is still alive."""
    try:
        descriptor = os.open(part, os.O_RDWR)
    except OSError as error:
        fail(part, error)
    try:
        _lock(descriptor, path)
        part.unlink()
    finally:
        os.close(descriptor)


def pwrite(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _copy(source: int, start: int, target: int, at: int, size: int) -> None:
    while size > 0:
        data = os.pread(source, min(size, _COPY_BYTES), start)
        if not data:
            raise OSError(5, "the file ends too early")
        pwrite(target, memoryview(data), at)
        start, at, size = start + len(data), at + len(data), size - len(data)
