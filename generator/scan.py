"""Expected events over a grid of cards: `darkhorn scan` and `Simulation.scan`.

Points whose cards differ in the model alone share one Build, one compilation and their random numbers. They are worked
off in rows along one axis (`Grid.fast_axis`); importance maps are trained at some of the rows (`scan_maps.py`), and
points are doubled for the channels that spoil the precision. Every row is a function of (card, grid, seed, precision)
alone: rows can be made in any order and on any number of threads.
"""

import os
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.channel import Channel, Process
from darkhorn.generator.scan_device import BITS, BLOCK, REPLICAS, measure
from darkhorn.generator.scan_families import Family, derivations_of, families_of
from darkhorn.generator.scan_grid import Grid
from darkhorn.generator.scan_maps import Maps, Trainee, anchors_of, train_maps
from darkhorn.generator.scan_points import Group, groups_of
from darkhorn.generator.scan_result import IMPRECISE, OK, Scan

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


def upper_error(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of sums over channels, (points,), plus what it may be larger by: variances (points, channels) of rates.

    A variance from REPLICAS means is itself known to sqrt(2/nu), nu = REPLICAS - 1 per channel, of the sum nu =
    (sum V)^2 / sum(V^2/(REPLICAS - 1)) (B. L. Welch, Biometrika 34 (1947) 28). To stop as soon as an error looks small
    enough picks those that look too small: one such deviation, 1/sqrt(2 nu) of the error, is added first.
    """
    total = variances.sum(axis=1)
    squares = np.square(variances).sum(axis=1)
    relative = np.sqrt(squares / np.where(total > 0, total, 1.0) ** 2 / (2 * (REPLICAS - 1)))
    return np.asarray(np.sqrt(total) * (1 + relative))


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

    def __init__(self, group: Group, grid: Grid, length: int, points: Points, seed: int, precision: float) -> None:
        self.group, self.length, self.points, self.seed, self.precision = group, length, points, seed, precision
        self.derivations = derivations_of(group.build)
        self.families = families_of(group.build, self.derivations)
        self._settle()
        self._number = {int(row[0]): number for number, row in enumerate(group.rows)}
        self.maps = Maps(anchors_of(group.rows, grid), self._train)

    def _models(self, row: NDArray[np.int64]) -> Any:
        """The models of a row, stacked and padded with the last one to the common length."""
        models = [self.group.models[int(i)] for i in row]
        models += [models[-1]] * (self.length - len(models))
        return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf, np.float64) for leaf in leaves]), *models)

    def _settle(self) -> None:
        """Find out what varies along the rows: one compilation serves all of them."""
        varies: list[list[NDArray[np.bool_]]] = [[] for _ in self.derivations]
        for row in self.group.rows:
            models = self._models(row)
            for number, derivation in enumerate(self.derivations):
                leaves, _ = derived = derivation.of(models)
                moved = [(leaf != leaf[:1]).reshape(*leaf.shape[:2], -1).any(axis=(0, 2)) for leaf in leaves]
                so_far = varies[number] or moved
                varies[number] = [a | b for a, b in zip(so_far, moved, strict=True)]
                if row is self.group.rows[-1]:
                    for family in self.families:
                        if family.derivation == number:
                            family.settle(derived, varies[number])

    @staticmethod
    def _pool(family: Family, channel: Channel) -> Any:
        """Channels with equal ones share their importance map."""
        return family.short, channel.regime, channel.helicity, channel.projectile_pdg, channel.region

    def _train(self, number: int) -> dict[Any, jax.Array]:
        """Importance maps from the first, the middle and the last point of a row."""
        row = self.group.rows[number]
        models = self._models(row)
        derived = [derivation.of(models)[0] for derivation in self.derivations]
        points = [0, len(row) // 2, len(row) - 1]
        trainees = []
        for family in self.families:
            for i, channel in enumerate(family.channels):
                split = family.split(derived[family.derivation], i, points)
                pool = self._pool(family, channel)
                trainees.append(Trainee(pool, channel.name, family.short, family.layout, family.params[i], *split))
        return train_maps(trainees, self.seed)

    def make(self, row: NDArray[np.int64]) -> RowResult:
        """Measure a row to the precision, or to LAST_BLOCKS. FloatingPointError if a weight is not finite."""
        maps = self.maps.of(self._number[int(row[0])])
        models = self._models(row)
        derived = [derivation.of(models)[0] for derivation in self.derivations]
        asked = len(self.group.build.channels)
        work: list[tuple[Callable[[int], Any], _Sums]] = [None] * asked  # type: ignore[list-item]
        for family in self.families:
            for i, number in enumerate(family.numbers):
                zero = np.zeros((self.length, REPLICAS)), np.zeros(self.length)
                grid = maps[self._pool(family, family.channels[i])]
                work[number] = (self._measurer(family, derived[family.derivation], i, grid), _Sums(*zero))
        for channel in range(asked):
            self._extend(work[channel], channel, 1)
        while True:
            rates = np.stack([sums.rate for _, sums in work], axis=1)[: len(row)]
            variances = np.stack([sums.variance for _, sums in work], axis=1)[: len(row)]
            total = rates.sum(axis=1)
            bad = upper_error(variances) > self.precision * total
            full = np.array([sums.blocks >= LAST_BLOCKS for _, sums in work])
            if not bad.any():
                break
            score = np.max(variances[bad] / total[bad, None] ** 2, axis=0)
            if full[np.argmax(score)]:
                break
            for chosen in np.flatnonzero((score >= SHARE * score.max()) & ~full).tolist():
                self._extend(work[chosen], chosen, work[chosen][1].blocks)
        error = np.sqrt(variances.sum(axis=1))
        spread = np.sum([sums.spread for _, sums in work], axis=0)[: len(row)]
        ess = np.where(spread > 0, total**2 / np.where(spread > 0, spread, 1.0), 0.0)
        status = np.where(error > self.precision * total, IMPRECISE, OK).astype(np.int8)
        return RowResult(row, total, error, ess, status, rates)

    def _measurer(self, family: Family, leaves: list[NDArray[Any]], i: int, grid: jax.Array) -> Callable[[int], Any]:
        """Function of a block's number: the sums of that block."""
        chain, layout, params, channel = family.short, family.layout, family.params[i], family.channels[i]
        shared, varying = family.split(leaves, i, slice(None))
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
            maker = RowMaker(group, scan.grid, length, points, scan.seed, scan.precision)
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
