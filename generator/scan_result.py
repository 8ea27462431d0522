"""What a scan finds: arrays over the grid."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.runcard import RunCard
from darkhorn.generator.scan_grid import Grid
from darkhorn.kernels.errors import InputError

if TYPE_CHECKING:
    from darkhorn.generator.scan import RowResult

# status of a point
PENDING, OK, IMPRECISE, FAILED = -1, 0, 1, 2
STATUS = {
    "computed": OK,
    "computed, but its error is above the precision": IMPRECISE,
    "refused: the card does not allow this point; see `message`": FAILED,
}


@dataclass
class Scan:
    """Expected events over a grid.

    Arrays have the shape of the grid. `events`, `error` and `ess` are NaN where status is FAILED; `message` is an index
    into `messages` there and -1 elsewhere. `by_channel` has a last axis for `channels`.
    """

    card: RunCard
    grid: Grid
    seed: int
    precision: float
    seconds: float = 0.0
    events: NDArray[np.float64] = field(init=False)
    error: NDArray[np.float64] = field(init=False)
    ess: NDArray[np.float64] = field(init=False)
    status: NDArray[np.int8] = field(init=False)
    message: NDArray[np.int32] = field(init=False)
    by_channel: NDArray[np.float64] = field(init=False)
    messages: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = self.grid.shape
        self.events, self.error, self.ess = (np.full(shape, np.nan) for _ in range(3))
        self.status, self.message = np.full(shape, PENDING, np.int8), np.full(shape, -1, np.int32)
        self.by_channel = np.zeros((*shape, 0))

    @property
    def points_done(self) -> int:
        """Points that have a status."""
        return int(np.count_nonzero(self.status != PENDING))

    @property
    def complete(self) -> bool:
        """All points are done."""
        return self.points_done == self.grid.size

    def done(self, points: NDArray[np.int64]) -> bool:
        """Whether these points (flat indices) are all done."""
        return bool((self.status.reshape(-1)[points] != PENDING).all())

    def refuse(self, point: int, message: str) -> None:
        """Note that a point is not allowed."""
        if message not in self.messages:
            self.messages.append(message)
        self.status.reshape(-1)[point] = FAILED
        self.message.reshape(-1)[point] = self.messages.index(message)

    def take(self, row: "RowResult", channels: list[str]) -> None:
        """Fill in a row."""
        fresh = [name for name in channels if name not in self.channels]
        if fresh:
            self.channels += fresh
            self.by_channel = np.concatenate([self.by_channel, np.zeros((*self.grid.shape, len(fresh)))], axis=-1)
        for name in ("events", "error", "ess", "status"):
            getattr(self, name).reshape(-1)[row.points] = getattr(row, name)
        columns = [self.channels.index(name) for name in channels]
        self.by_channel.reshape(self.grid.size, -1)[row.points[:, None], columns] = row.by_channel

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write an HDF5 file (docs/scan.md), which `darkhorn.read_scan` reads. Raises OutputError."""
        from darkhorn.generator.files.scan_file import save_scan

        save_scan(self, path, overwrite)

    def summary(self) -> dict[str, Any]:
        """What `darkhorn scan --json` prints."""
        found = self.events[np.isin(self.status, (OK, IMPRECISE))]
        relative = self.error[self.events > 0] / self.events[self.events > 0]
        return {
            "points": self.grid.size,
            "computed": len(found),
            "imprecise": int(np.count_nonzero(self.status == IMPRECISE)),
            "refused": int(np.count_nonzero(self.status == FAILED)),
            "axes": [
                {"key": axis.key, "points": len(axis), "unit": axis.unit, "scale": axis.scale}
                for axis in self.grid.axes
            ],
            "events_min": float(found.min()) if len(found) else None,
            "events_max": float(found.max()) if len(found) else None,
            "largest_relative_error": float(relative.max()) if len(relative) else None,
            "smallest_ess": float(self.ess[self.events > 0].min()) if len(relative) else None,
            "precision": self.precision,
            "seed": self.seed,
            "seconds": self.seconds,
            "messages": self.messages,
        }


def new_scan(card: RunCard, grid: Any, precision: float, seed: int) -> Scan:
    """A scan with nothing done. Raises InputError for a grid or a precision that cannot be used."""
    if not 1e-4 <= precision <= 0.5:
        raise InputError("precision", precision, "a relative error from 1e-4 to 0.5", "Try 1e-2.")
    return Scan(card, Grid.of(grid), seed, precision)
