"""Importance maps of a scan: trained at a few rows, the anchors, and interpolated in between.

Maps of neighbouring rows, and of channels that differ in the nuclide alone, hardly differ, but a map that was trained
on too few events has cells that are far too narrow or too wide: rare events of large weight, which a small sample does
not see. So the events for training are spent together: on anchors, and on pools of channels. A map costs variance only:
nothing becomes wrong where it does not fit.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.device import MAP_BINS
from darkhorn.generator.scan_device import train
from darkhorn.generator.scan_grid import Grid
from darkhorn.generator.streams import channel_key
from darkhorn.kernels.vegas import flat_map, regrid

ANCHORS = 12  # rows at most, along one axis, that train maps
ROUNDS = (2, 3, 4, 6, 8)  # calls of `train` for a pool, at least one for each of its channels
better = jax.jit(regrid)


@dataclass(frozen=True)
class Anchor:
    """Where a row is between those that train: map = (1 - share) x map of row `below` + share x map of row `above`."""

    below: int
    above: int
    share: float


def anchors_of(rows: Sequence[NDArray[np.int64]], grid: Grid) -> list[Anchor]:
    """The anchors of each row (flat indices of points along the fast axis).

    Rows that differ in their place on the last of the other axes alone, an axis of numbers, share up to ANCHORS
    anchors: the first, the last and some in between. The linear interpolation of two maps is one: its edges increase.
    """
    fast = grid.fast_axis()
    others = [i for i in range(len(grid.axes)) if i != fast]
    runs: dict[Any, list[tuple[int, int]]] = {}
    for number, row in enumerate(rows):
        index = [int(i) for i in np.unravel_index(int(row[0]), grid.shape)]
        along = others[-1] if others and grid.axes[others[-1]].number is not None else None
        place = 0 if along is None else index[along]
        fixed = tuple(index[i] for i in range(len(index)) if i != along)
        runs.setdefault(fixed, []).append((place, number))
    found: dict[int, Anchor] = {}
    for run in runs.values():
        places = np.array([place for place, _ in run])
        chosen = np.unique(np.round(np.linspace(0, len(run) - 1, min(len(run), ANCHORS))).astype(int))
        for position, (place, number) in enumerate(run):
            above = int(chosen[np.searchsorted(chosen, position)])
            below = above if above == position else int(chosen[np.searchsorted(chosen, position) - 1])
            width = places[above] - places[below]
            share = float((place - places[below]) / width) if width else 0.0
            found[number] = Anchor(run[below][1], run[above][1], share)
    return [found[number] for number in range(len(rows))]


@dataclass(frozen=True)
class Trainee:
    """A channel as `train` wants it: pool, static and traced arguments at the points that train."""

    pool: Any
    name: str
    chain: Any
    layout: Any
    params: Any
    shared: Sequence[Any]
    varying: Sequence[Any]


def train_maps(channels: Sequence[Trainee], seed: int) -> dict[Any, jax.Array]:
    """The map of each pool of channels, from the weights of all of them at all their points.

    Squared weights count in units of the squared expected events of the point, all channels: what is made small is the
    relative error of the sum, at every point alike.
    """
    pools: dict[Any, list[Trainee]] = {}
    for channel in channels:
        pools.setdefault(channel.pool, []).append(channel)
    grids = {pool: flat_map(len(members[0].chain.adapted), MAP_BINS) for pool, members in pools.items()}
    calls = dict.fromkeys(pools, 0)
    for least in ROUNDS:
        means: list[Any] = []
        powers: dict[Any, Any] = {}
        for pool, members in pools.items():
            # in turn, and each member equally often: the sum over the pool is then k times the mean of the calls
            each = -(-least // len(members))
            scale = 1.0 / each
            for member in members * each:
                key = jnp.asarray(channel_key(seed, members[0].name, "pilot"))
                number = jnp.asarray(calls[pool], jnp.uint32)
                mean, power = train(
                    member.chain, member.layout, member.params, member.shared, member.varying, grids[pool], key, number
                )
                calls[pool] += 1
                means.append(scale * np.asarray(mean))
                powers[pool] = powers.get(pool, 0.0) + scale * np.asarray(power)
        total = np.sum(np.broadcast_arrays(*means), axis=0)
        unit = np.where(total > 0, total, np.inf)[:, None, None] ** -2.0
        for pool in pools:
            grids[pool] = better(grids[pool], jnp.asarray(np.sum(powers[pool] * unit, axis=0)))
    return grids


class Maps:
    """The maps of every row, each anchor trained when first asked for. Any number of threads may ask."""

    def __init__(self, anchors: Sequence[Anchor], make: Callable[[int], dict[Any, jax.Array]]) -> None:
        self._anchors, self._make = anchors, make
        self._locks = {number: threading.Lock() for anchor in anchors for number in (anchor.below, anchor.above)}
        self._made: dict[int, dict[Any, jax.Array]] = {}

    def _at(self, row: int) -> dict[Any, jax.Array]:
        with self._locks[row]:
            if row not in self._made:
                self._made[row] = self._make(row)
            return self._made[row]

    def of(self, row: int) -> dict[Any, jax.Array]:
        """The maps of a row, by pool."""
        anchor = self._anchors[row]
        below, above = self._at(anchor.below), self._at(anchor.above)
        return {pool: (1 - anchor.share) * below[pool] + anchor.share * above[pool] for pool in below}
