"""Ray files: HDF5 with one dataset per column of `fluxes.rays`. The file appears under its name only when whole.

Root attributes  schema "darkhorn-rays", schema_version, n_rays, pot (protons on target behind the rays; 0 where each
                 species was started by itself), frame ("beam" or "detector"), relocatable, source, header (JSON: beam,
                 mode, seed, particles started, ...), generator_version, versions (JSON), created_utc
/rays/<column>   (n,), with attributes units and description. weight is per proton on target, whatever `pot` is.
"""

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

import darkhorn
from darkhorn.fluxes.dk2nu import read_root_rays
from darkhorn.fluxes.rays import COLUMNS, RayTable, joined, ray_table
from darkhorn.fluxes.root_files import is_root
from darkhorn.generator.card_io import HDF5_SIGNATURE
from darkhorn.generator.files.output import new_file
from darkhorn.kernels.errors import InputError

SCHEMA, SCHEMA_VERSION = "darkhorn-rays", "1.1.0"  # 1.1: times
_ALLOWED = "a ray file of darkhorn (.h5), a dk2nu or a gsimple file (.root)"


def write_rays(table: RayTable, path: str | Path, overwrite: bool = False) -> None:
    """Write rays to a new HDF5 file. Raises OutputError if it exists (unless `overwrite`) or cannot be written."""
    with new_file(Path(path), overwrite) as part, h5py.File(part, "w") as file:
        file.attrs.update(
            schema=SCHEMA,
            schema_version=SCHEMA_VERSION,
            n_rays=len(table),
            pot=table.pot,
            frame=table.frame,
            relocatable=table.relocatable,
            source=table.source,
            header=json.dumps(dict(table.header)),
            generator_version=darkhorn.__version__,
            versions=json.dumps({name: version(name) for name in ("jax", "jaxlib", "numpy", "h5py")}),
            created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        for name, _, units, description in COLUMNS:
            made = file.create_dataset(f"rays/{name}", data=table[name], compression="gzip", shuffle=True)
            made.attrs.update(units=units, description=description)


def read_rays(*paths: str | Path) -> RayTable:
    """The rays of one or more files of one beam: HDF5 of darkhorn, dk2nu or gsimple, told apart by their content.

    Several files are one larger simulation: see `fluxes.rays.joined`. Raises InputError for a missing, foreign, newer
    or broken file, for files that do not belong together, and for the same rays twice.
    """
    tables = [_with_record(_read(Path(path)), Path(path)) for path in paths]
    _no_rays_twice(tables, paths)
    return joined(tables, ", ".join(map(str, paths)))


def _no_rays_twice(tables: Sequence[RayTable], paths: Sequence[str | Path]) -> None:
    """Refuse the same bytes, and simulations of one seed, which share their random numbers: their errors would look
    smaller than they are.
    """
    seen: dict[object, str | Path] = {}
    for path, made in zip(paths, tables, strict=True):
        seed = made.header.get("seed")
        marks: list[object] = [made.header["files"][0]["sha256"]]
        marks += [(made.header.get("beam"), made.header.get("mode"), seed)] if seed is not None else []
        for mark in marks:
            if mark in seen:
                found = f"the same rays as in {seen[mark]}" + (f", seed {seed}" if seed is not None else "")
                do = "Remove it, or simulate with another --seed."
                raise InputError(str(path), found, "each simulation once", do)
            seen[mark] = path


def _with_record(table: RayTable, path: Path) -> RayTable:
    """The table with what names its file: header["files"] = [{name, format, sha256, n_rays, pot}]. The files that the
    file itself was made of move to "made_of".
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = table.header.get("format", SCHEMA)
    header = {key: value for key, value in table.header.items() if key not in ("format", "files")}
    if "files" in table.header:
        header["made_of"] = table.header["files"]
    header["files"] = [{"name": path.name, "format": kind, "sha256": digest, "n_rays": len(table), "pot": table.pot}]
    return replace(table, header=header)


def _read(path: Path) -> RayTable:
    if is_root(path):
        return read_root_rays(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(HDF5_SIGNATURE))
    except OSError as error:
        found = "no such file" if not path.exists() else error.strerror or "a file that cannot be read"
        raise InputError(str(path), found, _ALLOWED, "Check the path.") from None
    if start != HDF5_SIGNATURE:
        raise InputError(str(path), "a file that is neither HDF5 nor ROOT", _ALLOWED, "Check the path.")
    try:
        with h5py.File(path, "r") as stored:
            return _stored(stored, path)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"a broken ray file ({error})", _ALLOWED, "Make it again.") from error


def _stored(file: h5py.File, path: Path) -> RayTable:
    attributes = file.attrs
    if attributes.get("schema") != SCHEMA:
        do = "Make one with `darkhorn flux --rays FILE`."
        raise InputError(str(path), "an HDF5 file that holds no rays", _ALLOWED, do)
    stored = str(attributes["schema_version"])
    if int(stored.split(".")[0]) > int(SCHEMA_VERSION.split(".")[0]):
        raise InputError(str(path), f"schema version {stored}", f"up to {SCHEMA_VERSION}", "Upgrade darkhorn.")
    old = tuple(map(int, stored.split(".")[:2])) < (1, 1)
    columns = {name: np.asarray(file[f"rays/{name}"][()]) for name, *_ in COLUMNS if not (old and name == "time")}
    if any(len(values) != int(attributes["n_rays"]) for values in columns.values()):
        raise ValueError("columns of another length than n_rays")
    frame = str(attributes["frame"])
    if frame not in ("beam", "detector"):
        raise ValueError(f"frame {frame}")
    return ray_table(
        columns,
        where=str(path),
        source=f"{attributes['source']} (ray file {path.name})",
        pot=float(attributes["pot"]),
        frame="beam" if frame == "beam" else "detector",
        relocatable=bool(attributes["relocatable"]),
        header=json.loads(attributes["header"]),
    )
