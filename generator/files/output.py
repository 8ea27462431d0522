"""Output files: checked before the work, made under a `.part` name, moved to their own name only when whole."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from darkhorn.kernels.errors import OutputError

_REASONS = {
    errno.ENOSPC: ("no space left on the device", "room for the file", "Free some space or choose another folder."),
    errno.EDQUOT: ("disk quota exceeded", "room for the file", "Free some space or choose another folder."),
    errno.EFBIG: ("the file would be larger than is allowed", "room for the file", "Raise `ulimit -f`."),
    errno.EACCES: ("permission denied", "a writable file", "Choose another folder."),
    errno.EROFS: ("a read-only file system", "a writable folder", "Choose another folder."),
    errno.EIO: ("an input/output error", "a healthy disk", "Check the disk, then use --resume."),
}


def part_name(path: Path) -> Path:
    """`events.h5` -> `events.h5.part`: the name of an output that is not whole yet."""
    return path.with_name(path.name + ".part")


def fail(path: Path, error: OSError) -> NoReturn:
    """Raise the OutputError that says what an OSError on `path` means."""
    found, allowed, do = _REASONS.get(
        error.errno or 0, (error.strerror or str(error), "a writable file", "Choose another folder.")
    )
    raise OutputError(str(path), found, allowed, do) from error


def check_output(path: Path, overwrite: bool, resume_hint: bool = False) -> None:
    """Raise OutputError if `path` exists (unless `overwrite`) or is a folder, or its folder cannot be written to."""
    folder = path.parent
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise OutputError(str(path), f"the folder {folder} {what}", "an existing folder", f"Make it: mkdir -p {folder}")
    if path.is_dir():
        raise OutputError(str(path), "a folder", "the name of a file", "Add a file name.")
    if path.exists() and not overwrite:
        raise OutputError(str(path), "an existing file", "a new name", "Use --overwrite to replace it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(str(path), f"the folder {folder} is not writable", "a writable folder", "Choose another.")
    if resume_hint and not overwrite and (part := part_name(path)).exists():
        raise OutputError(
            str(path),
            f"an unfinished run in {part.name}",
            "a new name",
            "Use --resume to continue it or --overwrite to start again.",
        )


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (a no-op where folders cannot be opened)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # network file systems may refuse; the rename itself is done
    finally:
        os.close(descriptor)


def publish(part: Path, path: Path) -> None:
    """fsync `part`, move it to `path` in one step, fsync the folder."""
    try:
        descriptor = os.open(part, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(part, path)
    except OSError as error:
        fail(path, error)
    sync_folder(path.parent)


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that at any moment either the old or the new text is there, whole."""
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        fail(path, error)


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield the `.part` name to write to; on success it is published as `path`, on an error it is removed.

    OSErrors raised inside become OutputErrors.
    """
    check_output(path, overwrite)
    part = part_name(path)
    try:
        yield part
        publish(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OutputError):
            raise
        fail(path, error)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
