"""Unweighted events by accept-reject on the stored weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import Array
from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.output import check_output
from darkhorn.generator.files.read import read
from darkhorn.generator.files.write import write_events
from darkhorn.kernels.errors import InputError

FACTOR = "w_unweighting"


def unweight(
    src: str | Path,
    dst: str | Path,
    seed: int,
    n: int | None = None,
    max_weight: float | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Keep an event of weight w with probability min(1, w / max_weight), with the new weight max(1, w / max_weight).

    The exposure of the new file is that of the old one divided by max_weight (times n over the number of accepted
    events if `n` of them are asked for, chosen at random), so that the sum of the weights stays the expected number of
    events in it. By default max_weight is the largest weight of the file and every weight becomes 1; with a smaller
    one, events above it stay weighted. The factor `w_unweighting` keeps the product of the factors equal to the weight.

    Returns {accepted, kept, efficiency, max_weight, overweight_fraction (of the kept events), pot}; it is stored in the
    header too. Raises InputError for negative or vanishing weights, or if fewer than `n` events are accepted.
    """
    src, dst = Path(src), Path(dst)
    check_output(dst, overwrite)
    events = read(src)
    top = _top(events, src) if max_weight is None else float(max_weight)
    if not np.isfinite(top) or top <= 0.0:
        raise InputError("max_weight", top, "a positive number", "Leave it out to use the largest weight.")
    accepted = {name: 0 for name in events.topologies}
    for name, _, keep in _accepted(events, seed, top):
        accepted[name] += int(np.count_nonzero(keep))
    total = sum(accepted.values())
    if n is not None and (n < 1 or n > total):
        do = f"Ask for at most {total}, or generate more events." if total else "Generate more events."
        raise InputError("n", n, f"1 to {total}, the number of accepted events", do)
    kept = total if n is None else n
    # Which of the accepted events are kept: their numbers in the order of the file.
    chosen = None if n is None else np.sort(np.random.Generator(_philox(seed, 2**32)).permutation(total)[:n])
    pot = events.header.pot / top * (kept / total if total else 1.0)
    rows, first = {}, 0
    for name, count in accepted.items():
        rows[name] = count if chosen is None else _between(chosen, first, first + count)
        first += count
    report = {
        "seed": seed,
        "accepted": total,
        "kept": kept,
        "efficiency": total / len(events) if len(events) else 0.0,
        "max_weight": top,
        "overweight_fraction": 0.0,
        "pot": pot,
    }
    is_hdf5 = format_of(dst) == HDF5
    target_path = dst if is_hdf5 else dst.with_name(dst.name + ".between.h5")
    _write(events, target_path, seed, top, chosen, rows, report, overwrite or not is_hdf5)
    if not is_hdf5:
        try:
            write_events(read(target_path), dst, overwrite)
        finally:
            target_path.unlink(missing_ok=True)
    return report


def _write(
    events: Events,
    path: Path,
    seed: int,
    top: float,
    chosen: NDArray[np.int64] | None,
    rows: dict[str, int],
    report: dict[str, Any],
    overwrite: bool,
) -> None:
    dtypes = {
        name: {key: values.dtype for key, values in columns.items()} | {FACTOR: np.dtype("f8")}
        for name, columns in events.topologies.items()
    }
    header = events.header.replace(unweighted=True, pot=report["pot"])
    file = EventFile.create(path, header, rows, dtypes, overwrite=overwrite)
    try:
        done, seen, over = dict.fromkeys(rows, 0), 0, 0
        sums: dict[int, list[float]] = {int(c["index"]): [0.0, 0.0, 0.0] for c in header.channels}
        for name, columns, keep in _accepted(events, seed, top):
            index = np.flatnonzero(keep)
            if chosen is not None:
                first, last = np.searchsorted(chosen, [seen, seen + len(index)])
                seen += len(index)
                index = index[chosen[first:last] - (seen - len(index))]
            part = {key: values[index] for key, values in columns.items()}
            weight = np.maximum(1.0, part["weight"] / top)
            factor = np.where(part["weight"] > 0.0, weight / np.where(part["weight"] > 0.0, part["weight"], 1.0), 1.0)
            part[FACTOR] = part[FACTOR] * factor if FACTOR in part else factor
            part["weight"] = weight
            over += int(np.count_nonzero(weight > 1.0))
            for channel in np.unique(part["channel"]):
                own = weight[part["channel"] == channel]
                for i, value in enumerate((own.sum(), np.square(own).sum(), len(own))):
                    sums.setdefault(int(channel), [0.0, 0.0, 0.0])[i] += float(value)
            file.write(name, done[name], part)
            done[name] += len(index)
        report["overweight_fraction"] = over / report["kept"] if report["kept"] else 0.0
        channels = [
            c | {"sum_w": own[0], "sum_w2": own[1], "kept": int(own[2])}
            for c, own in ((c, sums[int(c["index"])]) for c in header.channels)
        ]
        file.finish(header.replace(channels=channels, extra=header.extra | {"unweighting": report}))
    except BaseException:
        file.abandon()
        raise


def _top(events: Events, src: Path) -> float:
    top = 0.0
    for _, columns in events.chunks():
        weight = columns["weight"]
        if not np.all(np.isfinite(weight)) or np.any(weight < 0.0):
            do = "Accept-reject needs positive weights: use the weighted events."
            raise InputError(str(src), "weights that are negative or not finite", "weights >= 0", do)
        top = max(top, float(weight.max()))
    if top == 0.0:
        raise InputError(str(src), "no event with a weight above 0", "weighted events", "Check the card of the run.")
    return top


def _between(numbers: NDArray[np.int64], first: int, end: int) -> int:
    """How many of the sorted numbers lie in [first, end)."""
    start, stop = np.searchsorted(numbers, [first, end])
    return int(stop - start)


def _accepted(events: Events, seed: int, top: float) -> Iterator[tuple[str, dict[str, Array], NDArray[np.bool_]]]:
    """(topology, columns, accepted) piece by piece; the same at every call, as each piece has a stream of its own."""
    for number, (topology, columns) in enumerate(events.chunks()):
        u = np.random.Generator(_philox(seed, number)).random(len(columns["event_id"]))
        yield topology.name, columns, u * top < columns["weight"]


def _philox(seed: int, stream: int) -> np.random.Philox:
    return np.random.Philox(key=np.array([seed % 2**64, stream], dtype=np.uint64))
