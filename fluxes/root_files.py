"""ROOT files opened with uproot, which is optional (the extra `root`), with clear errors for everything else."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.errors import InputError

_LENGTHS = re.compile(r"(\[\d*\])+$")
SIGNATURE = b"root"  # the first bytes of every ROOT file


def is_root(path: Path) -> bool:
    """Whether a file starts as a ROOT file does; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def uproot_module(where: str) -> Any:
    """The package uproot. Raises InputError naming the extra if it is not installed."""
    try:
        import uproot
    except ImportError as error:
        do = 'Install it: pip install "darkhorn[root]".'
        raise InputError(where, "a ROOT file, and no package uproot", "uproot", do) from error
    return uproot


@contextmanager
def open_root(path: Path) -> Iterator[Any]:
    """The open file. Raises InputError for a missing, foreign or truncated file, or without uproot."""
    where = str(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(where, found, "a ROOT file", "Check the path.")
    if not is_root(path):
        raise InputError(where, "no ROOT file", "a ROOT file", "Check the path and its permissions.")
    uproot = uproot_module(where)
    try:
        with uproot.open(path) as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # uproot raises whatever the bytes make it raise
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        do = "Copy the file again."
        raise InputError(where, f"a broken ROOT file ({reason})", "a whole ROOT file", do) from error


def names_in(file: Any) -> dict[str, str]:
    """Names of the objects at the top of a file, without cycle numbers, and their classes."""
    return {name: str(kind) for name, kind in file.classnames(recursive=True, cycle=False).items()}


def tree(file: Any, name: str, path: Path) -> Any:
    """A tree of a file by name. Raises InputError."""
    names = names_in(file)
    if name not in names:
        have = ", ".join(names) or "nothing"
        raise InputError(
            str(path), f"no tree {name} (there is {have})", f"a file with the tree {name}", "Check the file."
        )
    if names[name] not in ("TTree", "TNtuple", "TNtupleD", "TChain"):
        raise InputError(str(path), f"{name}, a {names[name]}", f"a tree {name}", "Check the file.")
    return file[name]


def _full_names(found: Any) -> dict[str, str]:
    """Branches by the last part of their names, without the lengths that ROOT writes for arrays of a class, `a[3]`."""
    full = {_LENGTHS.sub("", key.rsplit("/", 1)[-1]): key for key in reversed(found.keys(recursive=True))}
    return full | {key.removeprefix("dk2nu.").removeprefix("dkmeta."): value for key, value in list(full.items())}


def ends_of_lists(found: Any, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """First and last number of the list that a branch holds per entry, nan for an empty one; None where there is no
    such branch, or it holds no lists.
    """
    full = _full_names(found)
    if name not in full:
        return None
    lists = found[full[name]].array(library="np")
    if lists.dtype != object and lists.ndim != 2:
        return None
    ends = np.array([(each[0], each[-1]) if len(each) else (np.nan, np.nan) for each in lists], np.float64)
    return ends[:, 0], ends[:, 1]


def branches(found: Any, wanted: Sequence[str], path: Path) -> dict[str, NDArray[Any]]:
    """Numbers of branches, by the last part of their names: `decay.vx` is also `dk2nu/decay/decay.vx`.

    Raises InputError for a missing branch, or one that does not hold one number (or one row) per entry.
    """
    full = _full_names(found)
    missing = [name for name in wanted if name not in full]
    if missing:
        where = f"{path}, tree {found.name}"
        found_text = f"no branch {', '.join(missing)}"
        raise InputError(where, found_text, f"the branches {', '.join(wanted)}", "Check what wrote the file.")
    arrays = {name: np.asarray(found[full[name]].array(library="np")) for name in wanted}
    for name, values in arrays.items():
        if values.dtype == object:
            where = f"{path}, tree {found.name}"
            raise InputError(where, f"{name} with several numbers per entry", "one number per entry", "Check the file.")
    return arrays
