"""Join the shards of one run into the file that one long job would have made."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from darkhorn.generator.certificate import overweight_bound
from darkhorn.generator.events import CHUNK, Events
from darkhorn.generator.files.columns import Columns
from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.read import attributes_of, read_hdf5
from darkhorn.generator.header import Header
from darkhorn.kernels.errors import InputError

_SAME = ("seed", "n_shards", "n_total", "unweighted", "generator_version", "x64")
_Piece = tuple[tuple[int, int, int, int], int]  # a stretch as of `_runs`, and the table it is in
_MERGED = "merged_shards"
_SUMS = ("sum_w", "sum_w2", "attempted", "kept", "overweight_events")


def merge(paths: Sequence[str | Path], out: str | Path, overwrite: bool = False, allow_missing: bool = False) -> Path:
    """Concatenate the rows of HDF5 shards, sort them by event_id, add the exposures; returns `out`.

    Rows are copied in pieces of bounded size. Raises InputError if the files are not shards of one run (card, plan,
    seed, numbers), if shards are given twice or, unless `allow_missing`, if some are missing.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InputError("merge", "no file", "the shards of a run", "Name the files to merge.")
    for path in files:
        if format_of(path, reading=True) != HDF5:
            do = "Convert it first: darkhorn convert FILE FILE.h5."
            raise InputError(str(path), "a file that is not HDF5", "HDF5 files", do)
    shards = [read_hdf5(path) for path in files]
    _check_same_run(files, shards)
    _check_shards(files, shards, allow_missing)
    order = sorted(range(len(files)), key=lambda i: shards[i].header.shard)
    shards, files = [shards[i] for i in order], [files[i] for i in order]
    header = merged_header([shard.header for shard in shards])
    names = list(dict.fromkeys(name for shard in shards for name in shard.topologies))
    rows = {name: sum(shard.rows().get(name, 0) for shard in shards) for name in names}
    dtypes: dict[str, dict[str, Any]] = {}
    for name in names:
        tables = [shard.topologies[name] for shard in shards if name in shard.topologies]
        found = [{column: values.dtype for column, values in table.items()} for table in tables]
        if any(other != found[0] for other in found):
            raise InputError("merge", f"different columns of {name}", "the same columns", "Remake the shards.")
        dtypes[name] = found[0]
    target = EventFile.create(out, header, rows, dtypes, attributes_of(files[0]), overwrite)
    try:
        for name in names:
            _copy_sorted(target, name, [shard.topologies[name] for shard in shards if name in shard.topologies])
        target.finish(header)
    except BaseException:
        target.abandon()
        raise
    return Path(out)


def merged_header(headers: Sequence[Header]) -> Header:
    """The header of the run made of these shards: exposures, events and the sums of every channel are added.

    If shards are missing, `extra["merged_shards"]` lists those it has.
    """
    first = headers[0]
    channels = []
    for index, channel in enumerate(first.channels):
        same = [header.channels[index] for header in headers]
        kept = sum(c.get("kept", 0) for c in same)
        new = dict(channel) | {key: sum(c[key] for c in same) for key in _SUMS if key in channel}
        if "max_weight" in channel:
            new["max_weight"] = max(c["max_weight"] for c in same)
        if "overweight_fraction" in channel and kept:
            new["overweight_fraction"] = sum(c["overweight_fraction"] * c.get("kept", 0) for c in same) / kept
        if "overweight_bound" in channel and first.unweighted:
            found = first.plan["channels"][index]
            above, tried = new["overweight_events"], new["attempted"]
            pilot = channel.get("pilot_events", 0)
            new["overweight_bound"] = overweight_bound(above, tried, found["supremum"], found["rate"], pilot)
        if "reweighting" in first.extra:  # their rate is that of their sum, no longer the pilot's
            for key in ("rate", "rate_error"):
                new[key] = _mean_rate(key, same, headers)
        channels.append(new)
    numbers = sorted(number for header in headers for number in _shards_in(header))
    whole = len(numbers) == first.n_shards
    extra = {key: value for key, value in first.extra.items() if key != _MERGED}
    return first.replace(
        shard=0,
        n_shards=1 if whole else first.n_shards,
        n_events=sum(header.n_events for header in headers),
        pot=float(np.sum([header.pot for header in headers])),
        device=", ".join(dict.fromkeys(header.device for header in headers)),
        channels=channels,
        extra=extra if whole else extra | {_MERGED: numbers},
    )


def _mean_rate(key: str, channels: Sequence[dict[str, Any]], headers: Sequence[Header]) -> float:
    """Mean over files by exposure; of errors, that of independent files."""
    parts = [float(channel[key]) * header.pot for channel, header in zip(channels, headers, strict=True)]
    total = float(np.linalg.norm(parts) if key == "rate_error" else np.sum(parts))
    return total / float(np.sum([header.pot for header in headers]))


def _check_same_run(files: Sequence[Path], shards: Sequence[Events]) -> None:
    first = shards[0].header
    for path, shard in zip(files[1:], shards[1:], strict=True):
        header = shard.header
        differences = [key for key in _SAME if getattr(header, key) != getattr(first, key)]
        differences += ["card"] if header.card_hash() != first.card_hash() else []
        differences += ["plan"] if header.plan_hash() != first.plan_hash() else []
        differences += (
            ["channels"] if [c.get("name") for c in header.channels] != [c.get("name") for c in first.channels] else []
        )
        if differences:
            do = "Merge only shards of one run" + (
                "; give all of them the same --plan FILE." if differences == ["plan"] else "."
            )
            raise InputError(str(path), f"another {', '.join(differences)} than in {files[0]}", "the same run", do)


def _check_shards(files: Sequence[Path], shards: Sequence[Events], allow_missing: bool) -> None:
    owners: dict[int, list[Path]] = {}
    for path, shard in zip(files, shards, strict=True):
        for number in _shards_in(shard.header):
            owners.setdefault(number, []).append(path)
    for shard_number, paths in owners.items():
        if len(paths) > 1:
            shown = ", ".join(map(str, paths))
            raise InputError("merge", f"shard {shard_number} twice: {shown}", "each shard once", "Leave one out.")
    n = shards[0].header.n_shards
    missing = sorted(set(range(n)) - set(owners))
    if missing and not allow_missing:
        shown = ", ".join(map(str, missing[:20])) + (", ..." if len(missing) > 20 else "")
        raise InputError("merge", f"{len(owners)} of {n} shards", f"all {n}", f"Missing: {shown}. Make them first.")


def _shards_in(header: Header) -> list[int]:
    """Numbers of the shards in a file: its own, or those of an earlier merge that was not whole."""
    return list(header.extra.get(_MERGED, [header.shard]))


def _runs(columns: Columns) -> list[tuple[int, int, int, int]]:
    """(first id, last id, first row, one past the last row) of stretches of one channel with growing ids."""
    ids, channel = columns["event_id"], columns["channel"]
    edges = [0]
    for start in range(0, len(ids), CHUNK):
        stop = min(start + CHUNK + 1, len(ids))
        part, of = np.asarray(ids[start:stop]), np.asarray(channel[start:stop])
        edges += (start + 1 + np.flatnonzero((part[1:] <= part[:-1]) | (of[1:] != of[:-1]))).tolist()
    edges.append(len(ids))
    return [(int(ids[a]), int(ids[b - 1]), a, b) for a, b in pairwise(edges) if b > a]


def _copy_sorted(target: EventFile, name: str, tables: Sequence[Columns]) -> None:
    pieces = _interleaved([(run, table) for table, columns in enumerate(tables) for run in _runs(columns)], tables)
    last, row = -1, 0
    for (first_id, last_id, start, stop), table in pieces:
        if first_id <= last:
            found = f"event ids from {first_id} in two places of {name}"
            raise InputError("merge", found, "every event once", "The files overlap, or one is damaged.")
        last = last_id
        for at in range(start, stop, CHUNK):
            part = {key: np.array(values[at : min(at + CHUNK, stop)]) for key, values in tables[table].items()}
            target.write(name, row, part)
            row += len(part["event_id"])


def _interleaved(pieces: list[_Piece], tables: Sequence[Columns]) -> list[_Piece]:
    """The stretches in the order of their ids, cut wherever another one starts inside them."""
    while True:
        pieces = sorted(pieces)
        starts = np.array([first for (first, *_), _ in pieces], dtype=np.uint64)
        cut: list[_Piece] = []
        for (first, last, start, stop), table in pieces:
            low, high = np.searchsorted(starts, np.array([first, last], dtype=np.uint64), "right")
            inside = starts[low:high]
            if not inside.size:
                cut.append(((first, last, start, stop), table))
                continue
            ids = tables[table]["event_id"]
            rows = start + np.searchsorted(np.asarray(ids[start:stop]), np.unique(inside))
            edges = [start, *dict.fromkeys(rows.tolist()), stop]
            cut += [((int(ids[a]), int(ids[b - 1]), a, b), table) for a, b in pairwise(edges) if b > a]
        if len(cut) == len(pieces):
            return pieces
        pieces = cut
