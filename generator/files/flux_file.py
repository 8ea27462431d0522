"""Files of a flux at a detector, as `darkhorn flux` writes them, and their reader.

A flux is a document: `{beam, mode, detector, edges_GeV, unit, rows, ...}` with rows `{pdg, parent, content, error}`,
`parent` a PDG code or "total" (the JSON of `darkhorn flux`). The ending of a file is its format:

.csv, .txt, .dat  a table: energies, content and error of every flavour, and of every flavour and parent
.h5               /edges_GeV, /flux/<flavour>/<parent>/content and error; attributes of the document
.root             a TH1D per flavour (numu) and per flavour and parent (numu_from_211), with errors
"""

import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import darkhorn
from darkhorn.fluxes.readers import meaning_of, read_flux_file
from darkhorn.fluxes.root_files import is_root, names_in, open_root, uproot_module
from darkhorn.fluxes.root_histograms import read_root_histograms, write_root_histograms
from darkhorn.fluxes.tables import FLAVOURS, NAMES, Flux, FluxSet, shipped_flux, shipped_names
from darkhorn.generator.card_io import HDF5_SIGNATURE
from darkhorn.generator.files.output import check_output, new_file
from darkhorn.kernels.errors import InputError

SCHEMA, SCHEMA_VERSION = "darkhorn-flux", "1.0.0"
UNIT = "cm^-2 POT^-1 per bin"
_MARK = "# darkhorn flux: "  # first line of a table of ours; what follows is JSON
_REWEIGHTED = ", reweighted with "
PER_BIN: dict[str, Any] = {"content": "per-bin", "unit": "cm^-2 POT^-1"}


def check_flux_output(path: Path, overwrite: bool) -> None:
    """Raise InputError for an ending that is not known, or ROOT without uproot; OutputError as `check_output`."""
    if path.suffix not in WRITERS:
        raise InputError("-o", path.name, f"a name that ends in {', '.join(WRITERS)}", "The ending is the format.")
    if path.suffix == ".root":
        uproot_module("-o")
    check_output(path, overwrite)


def write_flux(document: dict[str, Any], path: Path, overwrite: bool = False) -> None:
    """Write a flux in the format of the ending. Raises InputError, OutputError."""
    check_flux_output(path, overwrite)
    with new_file(path, overwrite) as part:
        WRITERS[path.suffix](document, part)


def _names(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows by name: `numu` for a total, `numu_from_211` for one parent."""
    found = {}
    for row in document["rows"]:
        name = NAMES[row["pdg"]]
        found[name if row["parent"] == "total" else f"{name}_from_{row['parent']}"] = row
    return dict(sorted(found.items(), key=lambda item: "_from_" in item[0]))


def _about(document: dict[str, Any]) -> dict[str, Any]:
    """What the document says besides numbers."""
    rest = {key: value for key, value in document.items() if key not in ("rows", "edges_GeV")}
    return {**rest, "generator_version": darkhorn.__version__}


def _write_table(separator: str) -> Callable[[dict[str, Any], Path], None]:
    def write(document: dict[str, Any], path: Path) -> None:
        edges = document["edges_GeV"]
        columns: dict[str, Any] = {"E_lo_GeV": edges[:-1], "E_hi_GeV": edges[1:]}
        for name, row in _names(document).items():
            columns |= {name: row["content"], f"{name}_err": row["error"]}
        lines = [separator.join(f"{number:.6g}" for number in line) for line in zip(*columns.values(), strict=True)]
        head = [_MARK + json.dumps(_about(document)), "# content: per-bin; unit: cm^-2 POT^-1"]
        path.write_text("\n".join([*head, separator.join(columns), *lines]) + "\n", encoding="utf-8")

    return write


def _write_hdf5(document: dict[str, Any], path: Path) -> None:
    with h5py.File(path, "w") as file:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        file.attrs.update(schema=SCHEMA, schema_version=SCHEMA_VERSION, created_utc=now)
        file.attrs["about"] = json.dumps(_about(document))
        file["edges_GeV"] = np.asarray(document["edges_GeV"])
        file["edges_GeV"].attrs["units"] = "GeV"
        for row in document["rows"]:
            group = file.create_group(f"flux/{NAMES[row['pdg']]}/{row['parent']}")
            for name in ("content", "error"):
                group[name] = np.asarray(row[name])
                group[name].attrs["units"] = UNIT


def _write_root(document: dict[str, Any], path: Path) -> None:
    edges = np.asarray(document["edges_GeV"])
    title = f"{document['beam']}, {document['mode']}, {document['detector']}"
    if document.get("reweight"):
        title += f"{_REWEIGHTED}{document['reweight']}"
    rows = {
        name: (edges, np.asarray(row["content"]), np.asarray(row["error"]), f"{title};energy (GeV);{UNIT}")
        for name, row in _names(document).items()
    }
    write_root_histograms(path, rows)


WRITERS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    ".csv": _write_table(","),
    ".txt": _write_table(" "),
    ".dat": _write_table(" "),
    ".h5": _write_hdf5,
    ".root": _write_root,
}


# ------------------------------------------------------------------------------------------------------------
# reading
def is_flux_file(path: Path) -> bool:
    """Whether a file is a flux that `darkhorn flux` wrote."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_MARK))
        if start.startswith(HDF5_SIGNATURE):
            with h5py.File(path, "r") as stored:
                return bool(stored.attrs.get("schema") == SCHEMA)
        if start == _MARK.encode():
            return True
        if is_root(path):
            with open_root(path) as root:
                return any(name in FLAVOURS and kind == "TH1D" for name, kind in names_in(root).items())
    except (OSError, InputError):
        pass
    return False


def read_flux(path: str | Path) -> dict[str, Any]:
    """The document of a flux file of ours. Raises InputError."""
    path = Path(path)
    if not is_flux_file(path):
        found = "a file that is no flux of darkhorn" if path.exists() else "no such file"
        raise InputError(str(path), found, "a file that `darkhorn flux -o` wrote", "Check the path.")
    try:
        if is_root(path):
            return _read_root(path)
        return _read_hdf5(path) if path.suffix == ".h5" else _read_table(path)
    except (KeyError, ValueError, IndexError, OSError) as error:
        if isinstance(error, InputError):
            raise
        do = "Make it again."
        raise InputError(str(path), f"a broken flux file ({error})", "a whole one", do) from error


def _row(name: str, content: Any, error: Any) -> dict[str, Any]:
    flavour, _, parent = name.partition("_from_")
    numbers = {"content": [float(x) for x in content], "error": [float(x) for x in error]}
    return {"pdg": FLAVOURS[flavour], "parent": int(parent) if parent else "total", **numbers}


def _read_table(path: Path) -> dict[str, Any]:
    lines = path.read_text(encoding="utf-8").splitlines()
    separator = "," if "," in lines[2] else None
    names = lines[2].split(separator)
    numbers = np.array([[float(word) for word in line.split(separator)] for line in lines[3:]]).T
    columns = dict(zip(names, numbers, strict=True))
    rows = [
        _row(name, columns[name], columns[f"{name}_err"])
        for name in names
        if not name.startswith("E_") and not name.endswith("_err")
    ]
    edges = [*columns["E_lo_GeV"].tolist(), float(columns["E_hi_GeV"][-1])]
    return {**json.loads(lines[0].removeprefix(_MARK)), "edges_GeV": edges, "rows": rows}


def _read_hdf5(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        rows = []
        for flavour, parents in file["flux"].items():
            for parent, group in parents.items():
                name = flavour if parent == "total" else f"{flavour}_from_{parent}"
                rows.append(_row(name, group["content"][()], group["error"][()]))
        return {**json.loads(file.attrs["about"]), "edges_GeV": file["edges_GeV"][()].tolist(), "rows": rows}


def _read_root(path: Path) -> dict[str, Any]:
    with open_root(path) as file:
        rows, edges, title = [], None, ""
        for name in names_in(file):
            if name.partition("_from_")[0] in FLAVOURS:
                histogram = file[name]
                content, edges = histogram.to_numpy()
                rows.append(_row(name, content, histogram.errors()))
                title = str(histogram.title).partition(";")[0]
        assert edges is not None  # `is_flux_file` has seen a flavour
        title, _, reweight = title.partition(_REWEIGHTED)
        beam, mode, detector = (*title.split(", "), "", "", "")[:3]
        names = {"beam": beam, "mode": mode, "detector": detector, "unit": UNIT, "reweight": reweight or None}
        return {**names, "edges_GeV": np.asarray(edges).tolist(), "rows": rows}


def flux_set(document: dict[str, Any], name: str) -> FluxSet:
    """The totals of a document, flavours without flux left out."""
    rows = [row for row in document["rows"] if row["parent"] == "total" and any(row["content"])]
    fluxes = {row["pdg"]: Flux.from_bins(row["pdg"], document["edges_GeV"], row["content"], name) for row in rows}
    source = f"{document['beam']}, {document['mode']}, {document['detector']}"
    return FluxSet(name, str(document["beam"]), str(document["mode"]), str(document["detector"]), source, fluxes)


def reference_flux(name: str, content: str | None = None, unit: str | None = None) -> FluxSet:
    """A table to compare with: the name of a shipped one (bnb-neutrino-miniboone), a flux file of ours, or a text or
    ROOT table whose numbers mean `content` and `unit`. Raises InputError.
    """
    path = Path(name)
    if not path.exists():
        if name in shipped_names():
            return shipped_flux(*name.split("-"))
        allowed = f"a file, or one of {', '.join(shipped_names())}"
        raise InputError("--reference", name, allowed, "Check the name.")
    if content is None and unit is None and is_flux_file(path):
        return flux_set(read_flux(path), path.stem)
    return read_fluxes(path, content=content, unit=unit)


def read_fluxes(
    path: Path,
    *,
    content: str | None,
    unit: str | None,
    pdg: int | None = None,
    histograms: Mapping[int, str] | None = None,
) -> FluxSet:
    """A flux table of any kind, told apart by its content: ROOT histograms (`read_root_histograms`), HDF5 of
    `darkhorn flux`, or text (`read_flux_file`). Raises InputError.
    """
    if is_root(path):
        return read_root_histograms(path, content=content, unit=unit, names=histograms)
    if histograms:
        raise InputError(str(path), "names of histograms", "a ROOT file", "Remove `histograms`.")
    if is_flux_file(path):
        if meaning_of(content, unit, path) != meaning_of(**PER_BIN, path=path):
            found = f"content {content} and unit {unit}"
            raise InputError(str(path), found, f"per-bin and {PER_BIN['unit']}, as it was written", "Correct them.")
        if path.suffix == ".h5":
            return flux_set(read_flux(path), path.stem)
    return read_flux_file(path, content=content, unit=unit, pdg=pdg)
