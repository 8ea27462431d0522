"""A progress line on standard error, where that is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from darkhorn.cli.messages import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from darkhorn.generator.generate import Progress, Watcher
    from darkhorn.generator.scan import ScanProgress


@contextmanager
def watching() -> "Iterator[Watcher | None]":
    """Yield what `generate` calls after every block; None where nobody would see it."""
    if settings().quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Display(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as display:
        task = display.add_task("compiling", total=None)

        def watch(progress: "Progress") -> None:
            done, rate = progress.done, progress.done / max(progress.seconds, 1e-9)
            text = f"{rate:.3g} events/s, ESS/N {progress.ess / max(done, 1):.3f}, sum of weights {progress.sum_w:.5g}"
            display.update(task, completed=done, total=progress.total, description=text)

        yield watch


@contextmanager
def watching_points(total: int) -> "Iterator[Callable[[ScanProgress], None] | None]":
    """Yield what a scan calls when points are done; None where nobody would see it."""
    if settings().quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("points"), TimeRemainingColumn())
    with Display(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as display:
        task = display.add_task("", total=total)
        yield lambda progress: display.update(task, completed=progress.done)
