"""The block loop: tasks, batches on the device, compaction, statistics. Memory does not grow with the number of
events.
"""

import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import State
from darkhorn.generator.channel import Channel
from darkhorn.generator.device import ATTEMPTS, as_float64, batch, batch_unweighted, compacted
from darkhorn.generator.plan import Plan
from darkhorn.generator.streams import channel_key, split_index
from darkhorn.kernels.errors import InputError

Column = NDArray[Any]
BATCH_CPU, BATCH_GPU = 1 << 15, 1 << 20
UNWEIGHTED_BATCHES = 16  # of an unweighted task
MAX_ATTEMPTS = 10_000  # of one unweighted event: an efficiency below 1e-3 fails long before


@dataclass(frozen=True)
class Share:
    """The events [first, stop) of channel number `index` that this shard makes; `rows` where they start in their
    topology's columns.
    """

    index: int
    first: int
    stop: int
    total: int
    event_id: int
    row: int


@dataclass(frozen=True)
class Task:
    """A batch: events [first, stop) of a share."""

    share: Share
    first: int
    stop: int

    @property
    def row(self) -> int:
        """Row of its first event in the columns of its topology."""
        return self.share.row + self.first - self.share.first


@dataclass
class Statistics:
    """Sums over the events of a channel, in the order of the tasks."""

    attempted: int = 0
    kept: int = 0
    sum_w: float = 0.0
    sum_w2: float = 0.0
    max_weight: float = 0.0
    overweight: float = 0.0
    above: int = 0

    def add(self, attempted: int, weight: Column, unit: float | None) -> None:
        """Take in the weights of a task; `unit` is the nominal weight of unweighted events."""
        self.attempted += attempted
        self.kept += len(weight)
        self.sum_w += float(weight.sum())
        self.sum_w2 += float(np.square(weight).sum())
        if len(weight):
            self.max_weight = max(self.max_weight, float(weight.max()))
        if unit is not None:
            self.overweight += float(np.maximum(weight - unit, 0.0).sum())
            self.above += int(np.count_nonzero(weight > unit))


def sum_error(channels: Sequence[Mapping[str, Any]], unweighted: bool) -> float:
    """Error of the sum of weights as an estimate of the expected events, from the channel records of a header.

    The number of events of a channel is fixed, so that its sum has the variance sum w^2 - (sum w)^2/attempts; the sum
    of unweighted events is the pilot's rate, with its error.
    """
    if unweighted:
        return math.sqrt(sum(c["rate_error"] ** 2 for c in channels))
    return math.sqrt(sum(max(c["sum_w2"] - c["sum_w"] ** 2 / max(c["attempted"], 1), 0.0) for c in channels))


@dataclass(frozen=True)
class Block:
    """The events of one task: columns by name, already with ids and constants; `row` is where they belong in the
    topology.
    """

    task: Task
    channel: Channel
    row: int
    columns: dict[str, Column]
    attempted: int

    @property
    def topology(self) -> str:
        """Name of the record of these events."""
        return self.channel.topology.name

    def __len__(self) -> int:
        return len(self.columns["event_id"])


@dataclass(frozen=True)
class Layout:
    """Who makes what: shares of the channels for one shard of a run of `total` events."""

    total: int
    shard: int
    n_shards: int
    shares: tuple[Share, ...]
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """Events of this shard."""
        return sum(share.stop - share.first for share in self.shares)

    def tasks(self, size: int) -> Iterator[Task]:
        """Batches of at most `size` events, in order; one at a time, as a run may have billions."""
        for share in self.shares:
            for first in range(share.first, share.stop, size):
                yield Task(share, first, min(first + size, share.stop))


def make_layout(
    channels: Sequence[Channel], plan: Plan, total: int, shard: int, n_shards: int, unweighted: bool
) -> Layout:
    """Shares of shard `shard` of `n_shards`: events [shard N_c // n, (shard + 1) N_c // n) of every channel c."""
    counts = plan.shares(total, at_least_one=not unweighted)
    shares, rows, event_id = [], {c.topology.name: 0 for c in channels}, 0
    for index, (channel, count) in enumerate(zip(channels, counts, strict=True)):
        first, stop = shard * count // n_shards, (shard + 1) * count // n_shards
        name = channel.topology.name
        shares.append(Share(index, first, stop, count, event_id, rows[name]))
        rows[name] += stop - first
        event_id += count
    return Layout(total, shard, n_shards, tuple(shares), {name: n for name, n in rows.items() if n})


class Runner:
    """Makes the blocks of a layout. Holds the parameters on the device; safe to iterate once at a time."""

    def __init__(
        self,
        channels: Sequence[Channel],
        plan: Plan,
        seed: int,
        layout: Layout,
        unweighted: bool,
        batch_size: int | None = None,
    ) -> None:
        self.channels, self.plan, self.seed = tuple(channels), plan, seed
        self.layout, self.unweighted = layout, unweighted
        self.devices = jax.devices()
        self._on_host = jax.default_backend() == "cpu"  # its memory is the device's: compaction is a copy there as well
        default = BATCH_CPU if self._on_host else BATCH_GPU
        size = batch_size or default
        self.batch_size = max(size, 4)
        # Every round of accept-reject ends in a batch that is not full: a task of many batches has few of those.
        self.task_size = self.batch_size * (UNWEIGHTED_BATCHES if unweighted else 1)
        self._params: dict[tuple[int, Any], Any] = {}

    @property
    def unit(self) -> float:
        """Weight of an unweighted event: expected events per event made."""
        return self.plan.rate / self.layout.total

    def blocks(self, skip: int = 0) -> Iterator[Block]:
        """The blocks in order, those of the first `skip` tasks left out. A few are computed ahead, on as many threads
        as there are cores.

        Raises FloatingPointError, naming the event that replays it, when a number of an event is not finite.
        """
        tasks = islice(self.layout.tasks(self.task_size), skip, None)
        cpu = self._on_host and len(self.devices) == 1
        workers = max(1, min(os.cpu_count() or 1, 8)) if cpu else 2 * len(self.devices)
        ahead: deque[Future[Block]] = deque()
        for share in self.layout.shares:
            for device in self.devices:
                self._on_device(share.index, device)
        with ThreadPoolExecutor(workers, thread_name_prefix="darkhorn-batch") as pool:
            try:
                # Whole tasks go to the devices in turn. One task spread over several devices is another program to
                # XLA, whose results differ in the last digit.
                for task, device in zip(tasks, cycle(self.devices), strict=False):
                    ahead.append(pool.submit(self.make, task, device))
                    if len(ahead) > workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def compile(self, task: Task) -> None:
        """Run one batch and drop it."""
        if self.unweighted:
            pending = np.arange(task.first, task.stop, dtype=np.uint64)
            self._attempt(task, pending, 0, 1, self.devices[0])
        else:
            self.make(task)

    def _on_device(self, index: int, device: Any) -> Any:
        if (index, device) not in self._params:
            channel = self.channels[index]
            found = (channel.chain.prepare(as_float64(channel.params)), jnp.asarray(self.plan.channels[index].grid))
            self._params[index, device] = jax.device_put(found, device)
        return self._params[index, device]

    def make(self, task: Task, device: Any = None) -> Block:
        """The block of one task, made on a device (default: the first)."""
        device = self.devices[0] if device is None else device
        return self._unweighted(task, device) if self.unweighted else self._weighted(task, device)

    def _indices(self, index: NDArray[np.uint64], device: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Padded 64-bit indices as two words, and the mask of the wanted, on a device."""
        padded = np.zeros(self.batch_size, np.uint64)
        padded[: len(index)] = index
        wanted = np.arange(self.batch_size) < len(index)
        low, high = split_index(padded)
        return jax.device_put((low, high, wanted), device)  # type: ignore[no-any-return]

    def _weighted(self, task: Task, device: Any) -> Block:
        share, channel = task.share, self.channels[task.share.index]
        params, grid = self._on_device(share.index, device)
        index = np.arange(task.first, task.stop, dtype=np.uint64)
        low, high, wanted = self._indices(index, device)
        key = jnp.asarray(channel_key(self.seed, channel.name))
        scale = jnp.asarray(1.0 / share.total, jnp.float64)
        state, keep, finite = batch(channel.chain.bare, channel.columns, params, grid, key, low, high, wanted, scale)
        self._check(np.asarray(finite), index, task)
        kept = np.flatnonzero(np.asarray(keep)[: len(index)]) if channel.can_miss else np.arange(len(index))
        columns = self._fetch(channel, state, kept)
        index = index[kept]
        return self._block(task, channel, index, columns, task.stop - task.first)

    def _unweighted(self, task: Task, device: Any) -> Block:
        """Every event is its first attempt that is accepted. When few events are pending, a batch holds several
        attempts of each: with one, the last event of a channel with an acceptance of 1 % would cost 100 batches.
        """
        channel = self.channels[task.share.index]
        n = task.stop - task.first
        pending = np.arange(task.first, task.stop, dtype=np.uint64)
        columns: dict[str, Column] = {}
        attempt = attempted = 0
        while attempt < MAX_ATTEMPTS:
            left = []
            tries = max(1, min(ATTEMPTS, self.batch_size // len(pending)))
            for start in range(0, len(pending), self.batch_size):
                some = pending[start : start + self.batch_size]
                state, accepted, finite = self._attempt(task, some, attempt, tries, device)
                taken = np.asarray(accepted)[: len(some) * tries].reshape(len(some), tries)
                done, first = taken.any(axis=1), taken.argmax(axis=1)
                used = np.where(done, first + 1, tries)
                sound = np.asarray(finite)[: len(some) * tries].reshape(len(some), tries)
                unused = np.arange(tries) >= used[:, None]
                self._check(np.logical_and.reduce(sound | unused, axis=1), some, task)
                attempted += int(used.sum())
                rows = (some[done] - np.uint64(task.first)).astype(np.int64)
                places = np.flatnonzero(done) * tries + first[done]
                for name, column in self._fetch(channel, state, places).items():
                    columns.setdefault(name, np.empty(n, column.dtype))[rows] = column
                left.append(some[~done])
            attempt += tries
            pending = np.concatenate(left)
            if not len(pending):
                index = np.arange(task.first, task.stop, dtype=np.uint64)
                return self._block(task, channel, index, columns, attempted)
        raise InputError(
            f"unweighting of channel {channel.name}",
            f"{len(pending)} of {n} events not accepted in {MAX_ATTEMPTS} attempts",
            "an acceptance above 0.1 %",
            "Make weighted events (leave --unweighted out), or restrict the card to channels with even weights.",
        )

    def _fetch(self, channel: Channel, state: State, places: NDArray[np.int64]) -> dict[str, Column]:
        """The columns of the events at these places of the batch, in ascending order, in host memory."""
        count = len(places)
        if count and places[-1] == count - 1:
            return {name: np.asarray(state[name])[:count] for name in channel.columns}
        if self._on_host:
            return {name: np.take(np.asarray(state[name]), places) for name in channel.columns}
        keep = np.zeros(self.batch_size, bool)
        keep[places] = True
        front = compacted(state, jnp.asarray(keep))
        # slices of few different lengths, so that few slicing programs are compiled
        length = min(len(keep), 1 << max(count - 1, 0).bit_length())
        return {name: np.asarray(front[name][:length])[:count] for name in channel.columns}

    def _attempt(
        self, task: Task, pending: NDArray[np.uint64], attempt: int, tries: int, device: Any
    ) -> tuple[State, jax.Array, jax.Array]:
        """Accept-reject of the events that are still pending, `tries` attempts of each side by side."""
        channel = self.channels[task.share.index]
        params, grid = self._on_device(task.share.index, device)
        maximum = jnp.asarray(self.plan.channels[task.share.index].maximum, jnp.float64)
        unit = jnp.asarray(self.unit, jnp.float64)
        keys = np.zeros((ATTEMPTS, 2), np.uint32)
        keys[:tries] = [channel_key(self.seed, channel.name, "events", attempt + i) for i in range(tries)]
        which = np.zeros(self.batch_size, np.int32)
        which[: len(pending) * tries] = np.tile(np.arange(tries, dtype=np.int32), len(pending))
        low, high, wanted = self._indices(np.repeat(pending, tries), device)
        key, which = jax.device_put((keys, which), device)
        made: tuple[State, jax.Array, jax.Array] = batch_unweighted(
            channel.chain.bare, channel.columns, params, grid, key, which, low, high, wanted, maximum, unit
        )
        return made

    def _block(
        self, task: Task, channel: Channel, index: NDArray[np.uint64], columns: dict[str, Column], attempted: int
    ) -> Block:
        n = len(index)
        identity: dict[str, Column] = {
            "event_id": index + np.uint64(task.share.event_id),
            "channel": np.broadcast_to(np.int16(task.share.index), n),
            **{name: np.broadcast_to(value, n) for name, value in channel.constants.items()},
        }
        return Block(task, channel, task.row, {**identity, **columns}, attempted)

    def _check(self, finite: Column, index: NDArray[np.uint64], task: Task) -> None:
        if finite.all():
            return
        bad = int(index[int(np.argmin(finite))]) + task.share.event_id
        name = self.channels[task.share.index].name
        raise FloatingPointError(
            f"event {bad} of channel {name} (seed {self.seed}) holds a number that is not finite: a bug of darkhorn. "
            f"Replay it with Simulation.event({bad}, n={self.layout.total}, seed={self.seed}) and report it."
        )


def compile_ahead(channels: Sequence[Channel], plan: Plan, unweighted: bool, batch_size: int | None) -> None:
    """Compile the batch of every distinct chain by running one batch of it: for a thread beside the pilot, whose own
    compilation takes as long. `plan` is any plan with maps of the right shape; nothing is kept but the program.
    """
    kinds = {(channel.chain.bare, channel.columns): index for index, channel in enumerate(channels)}
    for index in kinds.values():
        share = Share(index, 0, 4, 4, 0, 0)
        layout = Layout(4, 0, 1, (share,))
        runner = Runner(channels, plan, 0, layout, unweighted, batch_size)
        runner.compile(Task(share, 0, 4))


def column_types(channel: Channel) -> dict[str, np.dtype[Any]]:
    """Type of every column of a channel's blocks."""
    from darkhorn.generator.files.columns import default_dtype

    names = ["event_id", "channel", *channel.constants, *channel.columns]
    types = {name: default_dtype(name) for name in names}
    return {**types, **{name: np.asarray(value).dtype for name, value in channel.constants.items()}}
