"""Expected events over a grid of cards: `darkhorn scan` and `Simulation.scan`.

Points whose cards differ in the model alone share one Build, one compilation and their random numbers. They are worked
off in rows along one axis (`Grid.fast_axis`); each channel gets an importance map per row, and points are doubled for
the channels that spoil the precision. Every row is a function of (card, grid, seed, precision) alone: rows can be made
in any order and on any number of threads.
"""

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params, rate_chain
from darkhorn.generator.channel import Build, Channel, Process
from darkhorn.generator.device import as_float64
from darkhorn.generator.scan_device import BITS, BLOCK, REPLICAS, assemble, measure, prepared, train
from darkhorn.generator.scan_points import Group, groups_of
from darkhorn.generator.scan_result import IMPRECISE, OK, Scan
from darkhorn.generator.streams import channel_key

TRAIN_ROUNDS, TRAIN_EVENTS = 5, 1 << 10
LAST_BLOCKS = 1 << 8  # of a channel in a row: 2^17 points in all replicas
LONGEST_ROW = 128
SHARE = 0.2  # channels with at least this share of the largest error have their points doubled


class Points:
    """Scrambled Sobol points in blocks, made when first asked for; the same for every channel and row."""

    def __init__(self, seed: int) -> None:
        self._seed, self._lock = seed, threading.Lock()
        self._engines: dict[int, list[Any]] = {}
        self._blocks: dict[int, list[jax.Array]] = {}

    def block(self, dims: int, number: int) -> jax.Array:
        """Points number * BLOCK to (number + 1) * BLOCK of every replica: (dims, REPLICAS, BLOCK) integers."""
        from scipy.stats import qmc  # scipy comes with jax

        with self._lock:
            if dims not in self._engines:
                rngs = [np.random.default_rng((self._seed, dims, replica)) for replica in range(REPLICAS)]
                self._engines[dims] = [qmc.Sobol(dims, scramble=True, seed=rng) for rng in rngs]
                self._blocks[dims] = []
            blocks = self._blocks[dims]
            while len(blocks) <= number:
                parts = [engine.random(BLOCK).T for engine in self._engines[dims]]
                blocks.append(jnp.asarray((np.stack(parts, axis=1) * 2.0**BITS).astype(np.uint64)))
            return blocks[number]

    def shift(self, dims: int, channel: str) -> jax.Array:
        """Integers (dims, REPLICAS, 1) that scramble the points for a channel, so that channels are independent."""
        rng = np.random.default_rng((self._seed, zlib.crc32(channel.encode()), dims))
        return jnp.asarray(rng.integers(0, 1 << BITS, (dims, REPLICAS, 1), dtype=np.uint64))


@dataclass
class Family:
    """Channels of a Build that share their programs: equal chains, and parameters of equal shapes."""

    chain: Chain
    channels: list[Channel]
    numbers: list[int]  # of the channels in the Build
    params: list[Params] = field(default_factory=list)
    stacked: Any = None
    layout: Any = None
    short: Chain | None = None

    def __post_init__(self) -> None:
        self.params = [as_float64({k: v for k, v in c.params.items() if k != "model"}) for c in self.channels]
        self.stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *self.params)

    def leaves(self, models: Any) -> tuple[list[NDArray[Any]], Any]:
        """What follows from the models of a row, (points, channels, ...) each, and the structure of the tree."""
        found, structure = jax.tree.flatten(prepared(self.chain, self.stacked, models))
        return [np.asarray(leaf) for leaf in found], structure

    def settle(self, rows: Iterator[Any]) -> None:
        """Find out what varies along the rows, over all of them: one compilation serves all."""
        varies: list[bool] = []
        for models in rows:
            leaves, structure = self.leaves(models)
            moved = [bool((leaf != leaf[:1]).any()) for leaf in leaves]
            varies = [a or b for a, b in zip(varies, moved, strict=True)] if varies else moved
        self.layout = (structure, tuple(varies))
        first = assemble(self.params[0], *self.split(leaves, 0, 0), self.layout)
        self.short = rate_chain(self.chain, first)

    def split(self, leaves: list[NDArray[Any]], channel: int, point: int | None) -> tuple[list[Any], list[Any]]:
        """(shared, varying) numbers of a channel: at one point of the row, or along it (None)."""
        varies = self.layout[1]
        shared = [jnp.asarray(x[0, channel]) for x, v in zip(leaves, varies, strict=True) if not v]
        along = slice(None) if point is None else point
        return shared, [jnp.asarray(x[along, channel]) for x, v in zip(leaves, varies, strict=True) if v]


def families_of(build: Build) -> list[Family]:
    """The families of a Build, in the order of their first channels."""
    found: dict[Any, list[int]] = {}
    for number, channel in enumerate(build.channels):
        leaves, structure = jax.tree.flatten({k: v for k, v in channel.params.items() if k != "model"})
        found.setdefault((channel.chain, structure, tuple(np.shape(leaf) for leaf in leaves)), []).append(number)
    return [Family(key[0], [build.channels[n] for n in numbers], numbers) for key, numbers in found.items()]


@dataclass
class _Sums:
    """What was measured of a channel along a row: sums over blocks of mean weights and of mean squares."""

    means: NDArray[np.float64]
    squares: NDArray[np.float64]
    blocks: int = 0

    @property
    def rate(self) -> NDArray[np.float64]:
        return np.asarray(self.means.mean(axis=1) / self.blocks)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Of the rate."""
        return np.asarray((self.means / self.blocks).var(axis=1, ddof=1) / REPLICAS)

    @property
    def spread(self) -> NDArray[np.float64]:
        """Sum of squared weights over the squared number of points: for the effective sample size."""
        return self.squares / self.blocks / (self.blocks * BLOCK * REPLICAS)


@dataclass(frozen=True)
class RowResult:
    """Numbers of the points of a row: flat indices, and (points,) or (points, channels) arrays."""

    points: NDArray[np.int64]
    events: NDArray[np.float64]
    error: NDArray[np.float64]
    ess: NDArray[np.float64]
    status: NDArray[np.int8]
    by_channel: NDArray[np.float64]


class RowMaker:
    """Makes the rows of a group: points that differ in `model` alone."""

    def __init__(self, group: Group, length: int, points: Points, seed: int, precision: float) -> None:
        self.group, self.length, self.points, self.seed, self.precision = group, length, points, seed, precision
        self.families = families_of(group.build)
        for family in self.families:
            family.settle(self._models(row) for row in group.rows)

    def _models(self, row: NDArray[np.int64]) -> Any:
        """The models of a row, stacked and padded with the last one to the common length."""
        models = [self.group.models[int(i)] for i in row]
        models += [models[-1]] * (self.length - len(models))
        return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf, np.float64) for leaf in leaves]), *models)

    def make(self, row: NDArray[np.int64]) -> RowResult:
        """Measure a row to the precision, or to LAST_BLOCKS. FloatingPointError if a weight is not finite."""
        models = self._models(row)
        asked = len(self.group.build.channels)
        work: list[tuple[Callable[[int], Any], _Sums]] = [None] * asked  # type: ignore[list-item]
        for family in self.families:
            leaves, _ = family.leaves(models)
            for i, number in enumerate(family.numbers):
                zero = np.zeros((self.length, REPLICAS)), np.zeros(self.length)
                work[number] = (self._measurer(family, leaves, i, len(row) // 2), _Sums(*zero))
        for channel in range(asked):
            self._extend(work[channel], channel, 1)
        while True:
            rates = np.stack([sums.rate for _, sums in work], axis=1)[: len(row)]
            variances = np.stack([sums.variance for _, sums in work], axis=1)[: len(row)]
            total = rates.sum(axis=1)
            bad = np.sqrt(variances.sum(axis=1)) > self.precision * total
            full = np.array([sums.blocks >= LAST_BLOCKS for _, sums in work])
            if not bad.any():
                break
            score = np.max(variances[bad] / total[bad, None] ** 2, axis=0)
            if full[np.argmax(score)]:
                break
            for chosen in np.flatnonzero((score >= SHARE * score.max()) & ~full).tolist():
                self._extend(work[chosen], chosen, work[chosen][1].blocks)
        spread = np.sum([sums.spread for _, sums in work], axis=0)[: len(row)]
        ess = np.where(spread > 0, total**2 / np.where(spread > 0, spread, 1.0), 0.0)
        status = np.where(bad, IMPRECISE, OK).astype(np.int8)
        return RowResult(row, total, np.sqrt(variances.sum(axis=1)), ess, status, rates)

    def _measurer(self, family: Family, leaves: list[NDArray[Any]], i: int, middle: int) -> Callable[[int], Any]:
        """Function of a block's number: the sums of that block."""
        chain, layout, params, channel = family.short, family.layout, family.params[i], family.channels[i]
        assert chain is not None
        key = jnp.asarray(channel_key(self.seed, channel.name, "pilot"))
        grid = train(chain, layout, params, *family.split(leaves, i, middle), key, TRAIN_ROUNDS, TRAIN_EVENTS)
        shared, varying = family.split(leaves, i, None)
        dims = len(chain.dims)
        shift = self.points.shift(dims, channel.name)

        def block(number: int) -> Any:
            return measure(chain, layout, params, shared, varying, grid, self.points.block(dims, number), shift)

        return block

    def _extend(self, work: tuple[Callable[[int], Any], _Sums], channel: int, blocks: int) -> None:
        block, sums = work
        found = [block(sums.blocks + k) for k in range(blocks)]
        for means, squares, finite in found:
            if not bool(finite):
                name = self.group.build.channels[channel].name
                raise FloatingPointError(f"a weight of channel {name} is not finite in a scan (seed {self.seed})")
            sums.means = sums.means + np.asarray(means)
            sums.squares = sums.squares + np.asarray(squares)
        sums.blocks += blocks


@dataclass(frozen=True)
class ScanProgress:
    """How far a scan is: what a progress display needs."""

    done: int
    total: int


def run_scan(
    process: Process,
    scan: Scan,
    *,
    watch: Callable[[ScanProgress], None] | None = None,
    save: Callable[[Scan], None] | None = None,
    stopped: threading.Event | None = None,
) -> bool:
    """Fill in the points of a scan that are not done; True if all are done at the end, False if `stopped` was set.

    `save` is called every few seconds and at the end, from this thread. Raises InputError if no point can be computed.
    """
    started, saved = time.monotonic(), time.monotonic()
    before = scan.seconds
    length = min(scan.grid.shape[scan.grid.fast_axis()], LONGEST_ROW)
    points = Points(scan.seed)
    workers = max(1, min(os.cpu_count() or 1, 8)) if jax.default_backend() == "cpu" else 2
    complete = True
    with ThreadPoolExecutor(workers, thread_name_prefix="darkhorn-scan") as pool:
        for group in groups_of(process, scan, length):
            maker = RowMaker(group, length, points, scan.seed, scan.precision)
            rows = iter([row for row in group.rows if not scan.done(row)])
            running: set[Future[RowResult]] = set()
            allowed = 1  # the first row compiles what the others use: one thread at a time may read the cache of XLA
            try:
                while True:
                    while len(running) < allowed and not (stopped and stopped.is_set()):
                        row = next(rows, None)
                        if row is None:
                            break
                        running.add(pool.submit(maker.make, row))
                    if not running:
                        break
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    allowed = workers + 1
                    for future in finished:
                        scan.take(future.result(), [c.name for c in group.build.channels])
                    scan.seconds = before + time.monotonic() - started
                    if watch:
                        watch(ScanProgress(scan.points_done, scan.grid.size))
                    if save and time.monotonic() - saved > 5:
                        save(scan)
                        saved = time.monotonic()
            finally:
                for future in running:
                    future.cancel()
            if stopped and stopped.is_set() and scan.points_done < scan.grid.size:
                complete = False
                break
    scan.seconds = before + time.monotonic() - started
    if save:
        save(scan)
    return complete
