"""HDF5 files of scans. The file appears under its name only when whole; until then it is `<path>.part`, replaced in one
step every few seconds, from which a scan is resumed.

Root attributes  schema "darkhorn-scan", schema_version, complete, n_points, seed, precision, pot, seconds,
                 generator_version, versions (JSON), device, created_utc
/config          card, card_resolved: the file is itself a card
/axes/0, 1, ...  numbers (or words) of each axis; attributes key, units, scale, values (as the card is given them)
/events, /error, /ess, /status, /message, /events_by_channel   arrays over the grid
/messages, /channels                                           texts
"""

import datetime
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import darkhorn
from darkhorn.generator.files.output import check_output, fail, part_name, publish
from darkhorn.generator.runcard import load_card
from darkhorn.generator.scan_grid import Axis, Grid
from darkhorn.generator.scan_result import STATUS, Scan, new_scan
from darkhorn.kernels.errors import InputError, Interrupted

if TYPE_CHECKING:
    from darkhorn.generator.scan import ScanProgress
    from darkhorn.generator.simulation import Simulation

SCHEMA, SCHEMA_VERSION = "darkhorn-scan", "1.0.0"
ARRAYS = {
    "events": ("", "expected events in the exposure"),
    "error": ("", "standard error of the integration"),
    "ess": ("", "effective number of points behind `events`"),
    "status": ("", "; ".join(f"{code}: {text}" for text, code in STATUS.items()) + "; -1: not done"),
    "message": ("", "index into /messages of a refused point, -1 otherwise"),
    "by_channel": ("", "expected events of each of /channels (last axis)"),
}
_DATASET = {"by_channel": "events_by_channel"}
_ALLOWED = "a scan written by darkhorn"


def scan_to_file(
    simulation: "Simulation",
    path: Path,
    grid: Any,
    precision: float,
    seed: int,
    *,
    resume: bool = False,
    overwrite: bool = False,
    watch: "Callable[[ScanProgress], None] | None" = None,
) -> Scan:
    """Scan a grid into an HDF5 file; returns the scan.

    A scan that was stopped or killed continues with `resume` (same card, grid, seed and precision), to the same bits as
    an uninterrupted one. Raises OutputError (exists, not writable), InputError (grid, nothing to resume, another scan),
    Interrupted after SIGTERM, with `<path>.part` left to resume.
    """
    from darkhorn.generator.generate import stop_on_sigterm
    from darkhorn.generator.scan import run_scan

    scan = new_scan(simulation.card, grid, precision, seed)
    part = part_name(path)
    if resume:
        scan = _resumed(scan, path)
    else:
        check_output(path, overwrite, resume_hint=True)

    with stop_on_sigterm() as stopped:
        try:
            whole = run_scan(
                simulation.process, scan, watch=watch, save=lambda found: _write(found, part, path), stopped=stopped
            )
        except KeyboardInterrupt:
            _write(scan, part, path)
            raise
        if not whole:
            do = "Continue it with --resume and the same options."
            raise Interrupted(str(path), "SIGTERM", "a scan to its end", do)
    publish(part, path)
    return scan


def _resumed(scan: Scan, path: Path) -> Scan:
    part = part_name(path)
    if not part.exists():
        raise InputError(str(path), f"no {part.name}", "an unfinished scan", "Leave --resume out to start a scan.")
    found = read_scan(part, allow_incomplete=True)
    with h5py.File(part, "r") as file:
        versions = str(file.attrs["generator_version"])
    same = {
        "card": found.card.hash() == scan.card.hash(),
        "grid": found.grid == scan.grid,
        "seed": found.seed == scan.seed,
        "precision": found.precision == scan.precision,
        "version of darkhorn": versions == darkhorn.__version__,
    }
    for what, equal in same.items():
        if not equal:
            do = f"Use the same {what}, or --overwrite to start again."
            raise InputError(str(part), f"a scan with another {what}", f"a scan with this {what}", do)
    found.card = scan.card
    return found


def save_scan(scan: Scan, path: str | Path, overwrite: bool = False) -> None:
    """Write a scan to a new HDF5 file. Raises OutputError."""
    path = Path(path)
    check_output(path, overwrite)
    _write(scan, part_name(path), path)
    publish(part_name(path), path)


def _write(scan: Scan, part: Path, path: Path) -> None:
    """Write `part` in one step."""
    fresh = part.with_name(part.name + ".new")
    try:
        with h5py.File(fresh, "w") as file:
            _fill(scan, file)
        os.replace(fresh, part)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        fail(path, error)


def _fill(scan: Scan, file: h5py.File) -> None:
    import jax

    device = jax.devices()[0]
    versions = {name: version(name) for name in ("jax", "jaxlib", "numpy", "h5py")}
    file.attrs.update(
        schema=SCHEMA,
        schema_version=SCHEMA_VERSION,
        complete=scan.complete,
        n_points=scan.grid.size,
        seed=scan.seed,
        precision=scan.precision,
        pot=scan.card.exposure,
        seconds=scan.seconds,
        generator_version=darkhorn.__version__,
        versions=json.dumps(versions),
        device=f"{device.platform}:{device.device_kind}",
        created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    file["config/card"] = scan.card.text
    file["config/card_resolved"] = json.dumps(scan.card.resolved())
    text = h5py.string_dtype()
    for i, axis in enumerate(scan.grid.axes):
        values: Any = np.array(axis.values, object) if axis.number is None else axis.numbers
        made = file.create_dataset(f"axes/{i}", data=values, dtype=text if axis.number is None else None)
        made.attrs.update(key=axis.key, units=axis.unit, scale=axis.scale, values=json.dumps(axis.values))
    for name, (units, description) in ARRAYS.items():
        data = getattr(scan, name)
        packed = {"compression": "gzip", "shuffle": True} if data.size else {}
        made = file.create_dataset(_DATASET.get(name, name), data=data, **packed)
        made.attrs.update(units=units, description=description)
    file.create_dataset("messages", data=np.array(scan.messages, object), dtype=text)
    file.create_dataset("channels", data=np.array(scan.channels, object), dtype=text)


def is_scan(path: str | Path) -> bool:
    """Whether a file is an HDF5 file of a scan."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("schema") == SCHEMA)
    except OSError:
        return False


def read_scan(path: str | Path, allow_incomplete: bool = False) -> Scan:
    """The scan in a file. Raises InputError for a missing, foreign, truncated, newer or unfinished file."""
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path, allow_incomplete)
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        found = "no such file" if not path.exists() else "a file that is no scan, or a broken one"
        raise InputError(str(path), found, _ALLOWED, "Check the path.") from error


def _read(file: h5py.File, path: Path, allow_incomplete: bool) -> Scan:
    attributes = file.attrs
    if attributes.get("schema") != SCHEMA:
        raise InputError(str(path), "an HDF5 file that is no scan", _ALLOWED, "Make one with `darkhorn scan`.")
    if int(str(attributes["schema_version"]).split(".")[0]) > int(SCHEMA_VERSION.split(".")[0]):
        found = f"schema version {attributes['schema_version']}"
        raise InputError(str(path), found, f"up to {SCHEMA_VERSION}", "Upgrade darkhorn.")
    if not attributes["complete"] and not allow_incomplete:
        do = "Finish it with --resume."
        raise InputError(str(path), "an unfinished scan", "a finished one", do)
    axes = []
    for i in range(len(file["axes"])):
        data = file[f"axes/{i}"]
        words = tuple(str(word) for word in json.loads(data.attrs["values"]))
        number = None if data.dtype.kind == "O" else tuple(float(x) for x in data[()])
        axes.append(Axis(str(data.attrs["key"]), words, number, str(data.attrs["units"]), str(data.attrs["scale"])))
    card = load_card(path)
    scan = Scan(card, Grid(tuple(axes)), int(attributes["seed"]), float(attributes["precision"]))
    scan.seconds = float(attributes["seconds"])
    for name in ARRAYS:
        stored = file[_DATASET.get(name, name)][()]
        wanted = scan.grid.shape if name != "by_channel" else (*scan.grid.shape, len(file["channels"]))
        if stored.shape != wanted:
            raise ValueError(name)
        setattr(scan, name, stored)
    scan.messages = [text.decode() for text in file["messages"][()]]
    scan.channels = [text.decode() for text in file["channels"][()]]
    return scan
