"""Cells in the space of visible variables, in which densities are compared.

The axes are not the variables themselves, but coordinates in which the densities are smooth (`axes_of`). The first axis
is cut into slabs; the edges of every other one may differ from slab to slab.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Ranges that a coordinate cannot leave.
_DOMAIN = {
    "e_ee": (0.0, np.inf),
    "backward": (0.0, 2.0),
    "asymmetry": (0.0, 1.0),
    "opening_angle": (0.0, np.pi),
    "cos_decay": (0.0, 1.0),
}
_FEW = 200  # events of the scout below which a slab takes the edges of the whole sample
_TAIL = 1e-4  # share of a sample beyond which its quantiles are not followed
_PADDING = 0.02  # of the range, beyond the outermost events of the scout


def axes_of(variables: Sequence[str]) -> tuple[str, ...]:
    """Coordinates of the cells for a set of visible variables.

    1 - cos(theta) in place of cos(theta). Where the variables hold energy, asymmetry and opening angle, ln(mass) and
    |cos_decay| stand for the last two: the same information (`kernels.visible.pair_observables`), but a mediator on
    shell then fixes one coordinate instead of tying three.
    """
    names = set(variables)
    if {"e_ee", "asymmetry", "opening_angle"} <= names:
        names = names - {"asymmetry", "opening_angle"} | {"log_mass", "cos_decay"}
    for variable, axis in (("cos_theta_ee", "backward"), ("mass_ee", "log_mass")):
        if variable in names:
            names = names - {variable} | {axis}
    order = ("e_ee", "backward", "log_mass", "cos_decay", "asymmetry", "opening_angle", "decay_z", "decay_x", "decay_y")
    return tuple(axis for axis in order if axis in names)


def coordinates(found: Mapping[str, Any], axes: Sequence[str], xp: ModuleType = np) -> tuple[Any, ...]:
    """The values of the axes, from the visible variables as `generator.visible.visible` gives them."""
    return tuple(xp.log(found["mass_ee"]) if axis == "log_mass" else found[axis] for axis in axes)


def find(edges: Sequence[Any], values: Sequence[Any], xp: ModuleType = np) -> Any:
    """Number of the cell of each event, -1 outside of the cells. Shapes (n,).

    edges: one table per axis, (1, n_0 + 1) for the first, (1 or n_0, n_k + 1) for the others; values: (n,) per axis.
    """
    cell = inside = slab = None
    for table, value in zip(edges, values, strict=True):
        bins = table.shape[1] - 1
        row = xp.zeros(value.shape, np.int32) if slab is None or table.shape[0] == 1 else slab
        low = xp.zeros(value.shape, np.int32)  # largest index with edge <= value, by bisection
        step = 1 << max(bins.bit_length() - 1, 0)
        while step:
            tried = xp.minimum(low + np.int32(step), np.int32(bins))
            low = xp.where(value >= table[row, tried], tried, low)
            step >>= 1
        good = (value >= table[row, low]) & (low < bins)
        low = xp.minimum(low, np.int32(bins - 1))
        slab = low if slab is None else slab
        cell = low if cell is None else cell * np.int32(bins) + low
        inside = good if inside is None else inside & good
    return xp.where(inside, cell, np.int32(-1))


@dataclass(frozen=True)
class Cells:
    """Boxes: `edges[k]` is the table of axis k, with one row, or one per slab of the first axis."""

    axes: tuple[str, ...]
    edges: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins of each axis."""
        return tuple(table.shape[1] - 1 for table in self.edges)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    def table(self, axis: str) -> Array:
        """Edges of an axis, (n_0, n_k + 1), or (1, n_0 + 1) of the first."""
        table = self.edges[self.axes.index(axis)]
        rows = 1 if axis == self.axes[0] else self.shape[0]
        return np.broadcast_to(table, (rows, table.shape[1]))


def make_cells(
    axes: Sequence[str], values: Sequence[Array], weight: Array, bins: Mapping[str, int], resolution: float
) -> Cells:
    """Cells for a weighted sample of the target, values (n,) of each axis.

    |cos_decay| has equal bins; ln(mass) bins of the width `resolution`, with the median of the sample in the middle of
    one; the others follow the sample (`_mixed_edges`), from the second axis on in each slab.
    """
    edges: list[Array] = []
    slab: Array | None = None
    for axis, value in zip(axes, values, strict=True):
        if axis == "cos_decay":
            table = np.linspace(0.0, 1.0, bins[axis] + 1)[None]
            table[0, -1] = np.nextafter(1.0, 2.0)
        elif axis == "log_mass":
            table = _mass_edges(value, weight, resolution)[None]
        elif slab is None:
            table = _mixed_edges(axis, value, weight, bins[axis])[None]
        else:
            whole = _mixed_edges(axis, value, weight, bins[axis])
            rows = []
            for i in range(edges[0].shape[1] - 1):
                own = slab == i
                few = np.count_nonzero(own) < _FEW
                rows.append(whole if few else _mixed_edges(axis, value[own], weight[own], bins[axis], whole))
            table = np.stack(rows)
        if slab is None:
            slab = find([table], [value])
        edges.append(table)
    return Cells(tuple(axes), tuple(edges))


def _mixed_edges(axis: str, value: Array, weight: Array, bins: int, whole: Array | None = None) -> Array:
    """Edges at equal steps of a level, in the range of the sample (or of `whole`): peaks and tails are both resolved.

    The level is the mean of the distribution function F, of ln[F/(1 - F)] cut at `_TAIL` and 1 - `_TAIL`, and of
    ln(1 + x/median) for the axes that start at 0, x itself for the others, each going from 0 to 1.
    """
    low, high = (whole[0], whole[-1]) if whole is not None else _range(axis, value)
    order = np.argsort(value)
    points = np.concatenate([[low], value[order], [high]])
    share = np.cumsum(weight[order])
    share = np.concatenate([[0.0], (share - 0.5 * weight[order]) / share[-1], [1.0]])
    cut = np.clip(share, _TAIL, 1 - _TAIL)
    place = points
    if _DOMAIN.get(axis, (-np.inf, np.inf))[0] == 0.0:
        place = np.log1p(points / max(float(np.interp(0.5, share, points)), 1e-9 * high))
    level = sum(_unit(part) for part in (share, np.log(cut / (1 - cut)), place)) / 3
    found = np.interp(np.linspace(0.0, 1.0, bins + 1), level, points)
    found[0], found[-1] = low, high
    return np.asarray(found)


def _unit(x: Array) -> Array:
    return np.asarray((x - x[0]) / (x[-1] - x[0]))


def _range(axis: str, value: Array) -> tuple[float, float]:
    least, most = _DOMAIN.get(axis, (-np.inf, np.inf))
    low, high = float(value.min()), float(value.max())
    padding = _PADDING * (high - low) + 1e-9 * max(abs(low), abs(high))
    return max(low - padding, least), min(high + padding, float(np.nextafter(most, np.inf)))


def _mass_edges(value: Array, weight: Array, resolution: float) -> Array:
    """Bins of equal width, the weighted median in the middle of one, that hold the whole sample."""
    order = np.argsort(value)
    share = np.cumsum(weight[order])
    median = value[order][np.searchsorted(share, 0.5 * share[-1])]
    below = max(int(np.ceil((median - value.min()) / resolution - 0.5)), 0)
    above = max(int(np.ceil((value.max() - median) / resolution - 0.5)), 0)
    return np.asarray(median + resolution * (np.arange(-below, above + 2) - 0.5))
