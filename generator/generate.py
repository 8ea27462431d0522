"""Events to a file: block loop, writer thread behind a bounded queue, checkpoints, resume, clean end on SIGTERM."""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.header import Header
from darkhorn.generator.run import Block, Runner, Statistics, column_types
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.errors import InputError, Interrupted

QUEUE_BLOCKS = 4  # finished blocks that wait for the disk
CHECKPOINT_EVENTS = 1 << 17  # a killed run loses at most these and what is in flight


@dataclass(frozen=True)
class Progress:
    """How far a run is: what a progress display needs."""

    done: int
    total: int
    seconds: float
    statistics: tuple[Statistics, ...]

    @property
    def sum_w(self) -> float:
        """Sum of the weights so far."""
        return sum(s.sum_w for s in self.statistics)

    @property
    def ess(self) -> float:
        """Effective sample size so far."""
        squares = sum(s.sum_w2 for s in self.statistics)
        return self.sum_w**2 / squares if squares > 0 else 0.0


Watcher = Callable[[Progress], None]


def generate(
    simulation: Simulation,
    path: Path,
    request: Request,
    *,
    resume: bool = False,
    overwrite: bool = False,
    watch: Watcher | None = None,
) -> Header:
    """Make the events of a request into an HDF5 file; returns its header.

    The file appears under its name only when whole; until then it is `<path>.part`. With `resume` an unfinished run
    of the same card, seed, shard and number of events is continued, and the result is bit-identical to an
    uninterrupted one.

    Raises OutputError (exists, not writable, disk full), InputError (nothing to resume, other run), Interrupted after
    SIGTERM, with the file left resumable.
    """
    if resume:
        _refuse_finished(path)
    with ThreadPoolExecutor(1) as pool:
        _ = simulation.build  # once, before threads ask for it
        tables = pool.submit(simulation.cross_section_tables)
        runner = simulation.runner(request)
        return _generate(simulation, path, request, runner, tables, resume, overwrite, watch)


def _generate(
    simulation: Simulation,
    path: Path,
    request: Request,
    runner: Runner,
    tables: Future[dict[str, dict[str, Any]]],
    resume: bool,
    overwrite: bool,
    watch: Watcher | None,
) -> Header:
    # From here to the finished file, SIGTERM must leave something to resume, or be too late to matter.
    with stop_on_sigterm() as stopped:
        empty = [Statistics() for _ in runner.channels]
        provisional = simulation.header(request, runner, empty, {})
        if resume:
            file, progress = EventFile.resume(path, provisional)
            if progress and progress["batch_size"] != runner.batch_size:
                runner = simulation.runner(Request(**{**asdict(request), "batch_size": progress["batch_size"]}))
        else:
            types = {channel.topology.name: column_types(channel) for channel in runner.channels}
            rows = runner.layout.rows
            file = EventFile.create(path, provisional, rows, {name: types[name] for name in rows}, overwrite=overwrite)
            progress = {}
        writing = _Writer(file, runner, progress)
        try:
            started = time.monotonic()
            for block in runner.blocks(skip=writing.tasks):
                writing.put(block)
                if watch:
                    watch(
                        Progress(
                            writing.queued,
                            runner.layout.events,
                            time.monotonic() - started,
                            tuple(writing.statistics),
                        )
                    )
                if stopped.is_set():
                    break
            writing.join()
        except BaseException:
            writing.abort()
            file.close()
            raise
        if stopped.is_set() and writing.queued < runner.layout.events:
            file.close()
            raise Interrupted(
                str(path), "SIGTERM", "a run to its end", "Continue it with --resume and the same options."
            )
        header = simulation.header(request, runner, writing.statistics, tables.result())
        file.finish(header, writing.kept if any(channel.can_miss for channel in runner.channels) else None)
    return header.replace(complete=True, n_events=sum(s.kept for s in writing.statistics))


def _refuse_finished(path: Path) -> None:
    if path.exists():
        raise InputError(
            str(path),
            "a finished file",
            "an unfinished run",
            "There is nothing to resume; use --overwrite to make it again.",
        )


class _Writer:
    """The thread that writes. Blocks arrive in order through a bounded queue, so that memory stays bounded when the
    disk is slow.
    """

    def __init__(self, file: EventFile, runner: Runner, progress: dict[str, Any]) -> None:
        self._file, self._runner = file, runner
        self.tasks: int = progress.get("tasks", 0)
        self.statistics = [Statistics(**s) for s in progress.get("statistics", [])] or [
            Statistics() for _ in runner.channels
        ]
        self.kept: dict[str, list[tuple[int, int]]] = {
            name: [(a, b) for a, b in parts] for name, parts in progress.get("kept", {}).items()
        } or {name: [] for name in runner.layout.rows}
        self.queued = sum(t.stop - t.first for t in islice(runner.layout.tasks(runner.task_size), self.tasks))
        self._queue: queue.Queue[tuple[Block, list[dict[str, Any]]] | None] = queue.Queue(QUEUE_BLOCKS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name="darkhorn-writer", daemon=True)
        self._thread.start()

    def put(self, block: Block) -> None:
        """Hand over a block; waits while the queue is full. Raises what the thread met."""
        unit = self._runner.unit if self._runner.unweighted else None
        self.statistics[block.task.share.index].add(block.attempted, block.columns["weight"], unit)
        self.queued += block.task.stop - block.task.first
        while self._error is None:
            try:
                self._queue.put((block, [asdict(s) for s in self.statistics]), timeout=0.2)
                return
            except queue.Full:
                continue
        raise self._error

    def join(self) -> None:
        """Wait until all is written and on the disk. Raises what the thread met."""
        self._finish()
        if self._error is not None:
            raise self._error

    def abort(self) -> None:
        """Stop after what is in the queue; never raises."""
        self._finish()

    def _finish(self) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()

    def _loop(self) -> None:
        fresh = 0
        statistics: list[dict[str, Any]] | None = None
        try:
            while (item := self._queue.get()) is not None:
                block, statistics = item
                if len(block):
                    self._file.write(block.topology, block.row, block.columns)
                self._keep(block)
                self.tasks += 1
                fresh += block.task.stop - block.task.first
                if fresh >= CHECKPOINT_EVENTS:
                    self._checkpoint(statistics)
                    fresh = 0
            if fresh and statistics is not None:
                self._checkpoint(statistics)
        except BaseException as error:
            self._error = error

    def _keep(self, block: Block) -> None:
        parts = self.kept[block.topology]
        start, stop = block.row, block.row + len(block)
        if parts and parts[-1][1] == start:
            parts[-1] = (parts[-1][0], stop)
        elif len(block):
            parts.append((start, stop))

    def _checkpoint(self, statistics: list[dict[str, Any]]) -> None:
        self._file.checkpoint(
            {"tasks": self.tasks, "batch_size": self._runner.batch_size, "statistics": statistics, "kept": self.kept}
        )


@contextmanager
def stop_on_sigterm() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, where signals can be handled: the main thread."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, before)
