"""How fast is DarkNews 0.4.8 on nu_mu + Ar40 -> N -> nu Z' -> nu e+ e- in the MicroBooNE TPC?

    python -m venv venv-darknews
    venv-darknews/bin/pip install DarkNews==0.4.8
    taskset -c 1 venv-darknews/bin/python benchmarks/peers/darknews.py > FILE

DarkNews (arXiv:2207.04137) runs in its own environment, so this script imports nothing of darkhorn. The point:
m4 = 106 MeV, mZ' = 30 MeV, |Umu4|^2 = 2e-10, gD = 2, epsilon = 8e-4, Dirac, BNB nu_mu, 6.8e20 POT.

How the time is taken
    Wall clock (`time.perf_counter`), in one process, after one small untimed run that loads files and code; the import
    is timed apart (`import_s`). Every case runs `--repeat` times with seeds 1, 2, ...; times, events, ESS and sum of
    weights are medians over the runs, `wall_s_all` lists the times.
    `whole-run`   GenLauncher(...) and .run(): set-up, adaptation of vegas, events, geometry, table, pickle to a
                  temporary folder (DarkNews' default output). This is what a user waits for.
    `generation`  the same runs without set-up, without the time inside `DarkNews.MC.run_vegas` (adaptation and the
                  integral: evaluations that give no events) and without the time inside `print_events_to_pandas` (the
                  file): what one more event would cost if an adapted run could be continued, which DarkNews does not
                  offer. It is a bound in favour of DarkNews.
    These two functions are wrapped by timers and not otherwise changed. DarkNews computes on one thread; `cores` is
    the number of cores the process was allowed to use. Only neval, nint and the scope differ from the defaults.

What an event is worth
    events  rows of the table that .run() returns (DarkNews drops zero weights)
    ess     (sum w)^2 / sum w^2 over all rows, w = w_event_rate: the number of equal-weight events with the same
            statistical error of the rate. DarkNews gives every channel (nucleus or proton, helicity) the same number
            of events whatever its rate, so the ESS per event falls with every small channel that is switched on.
            Three scopes are therefore timed: coherent conserving alone (one channel), conserving (two channels), both
            helicities (four channels).
    sum_w   sum of weights = predicted events, to be compared with the reference numbers of the tests.
"""

import argparse
import contextlib
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

POINT: dict[str, Any] = {
    "m4": 0.106,
    "mzprime": 0.03,
    "Umu4": 2.0e-10**0.5,
    "gD": 2.0,
    "epsilon": 8.0e-4,
    "HNLtype": "dirac",
    "experiment": "microboone_tpc",
    "nu_flavors": ["nu_mu"],
    "decay_product": "e+e-",
}
SCOPES: dict[str, dict[str, Any]] = {
    "coherent-conserving": {"noHF": True, "nopelastic": True},
    "conserving": {"noHF": True},
    "both-helicities": {},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {"neval": 10_000, "nint": 20, "neval_warmup": 1_000, "nint_warmup": 10},
    "nint3": {"neval": 25_000, "nint": 3, "neval_warmup": 1_000, "nint_warmup": 10},
}
PACKAGES = ("DarkNews", "numpy", "pandas", "vegas", "scipy", "particle")


class Stopwatch:
    """Wraps functions and adds up the wall time spent inside each of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def wrap(self, owner: Any, name: str) -> None:
        """Replace `owner.name` by a timed version of itself; AttributeError if DarkNews has no such function."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        setattr(owner, name, timed)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what DarkNews prints to stderr: stdout is for JSON lines."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def one_run(darknews: Any, watch: Stopwatch, settings: dict[str, Any]) -> dict[str, float]:
    """Set up and run DarkNews once in a temporary folder; times in s, and what the events are worth."""
    watch.seconds.clear()
    with tempfile.TemporaryDirectory() as folder, quiet():
        start = time.perf_counter()
        launcher = darknews.GenLauncher(**POINT, **settings, path=folder, loglevel="ERROR")
        ready = time.perf_counter()
        table = launcher.run(loglevel="ERROR")
        end = time.perf_counter()
    weight = np.asarray(table["w_event_rate"], dtype=np.float64).ravel()
    if not (weight.size and np.all(np.isfinite(weight)) and np.all(weight >= 0.0)):
        raise SystemExit("darknews.py: weights are empty, negative or not finite: nothing to time")
    return {
        "setup_s": ready - start,
        "run_s": end - ready,
        "adapt_s": watch.seconds["run_vegas"],
        "write_s": watch.seconds["print_events_to_pandas"],
        "channels": len(launcher.gen_cases),
        "events": weight.size,
        "ess": float(weight.sum() ** 2 / np.square(weight).sum()),
        "sum_w": float(weight.sum()),
    }


def cpu_model() -> str:
    """Name of the processor as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def context(import_s: float) -> dict[str, Any]:
    """Where and with what it ran."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "cpu": cpu_model(),
        "cores": cores,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "import_s": import_s,
    }


def case(name: str, runs: list[dict[str, float]], settings: dict[str, Any], where: dict[str, Any]) -> None:
    """Print the two lines of one case."""

    def median(key: str) -> float:
        return statistics.median(run[key] for run in runs)

    whole = [run["setup_s"] + run["run_s"] for run in runs]
    generation = [run["run_s"] - run["adapt_s"] - run["write_s"] for run in runs]
    for kind, walls in (("whole-run", whole), ("generation", generation)):
        wall_s = statistics.median(walls)
        line = {
            "name": f"darknews/{name}/{kind}",
            "events": int(median("events")),
            "wall_s": wall_s,
            "wall_s_all": walls,
            "setup_s": median("setup_s"),
            "adapt_s": median("adapt_s"),
            "write_s": median("write_s"),
            "events_per_s": median("events") / wall_s,
            "ess": median("ess"),
            "ess_per_s": median("ess") / wall_s,
            "sum_w": median("sum_w"),
            "channels": int(median("channels")),
            "settings": POINT | settings | {"pot": 6.8e20},
        }
        print(json.dumps(line | where), flush=True)


def begin(doc: str | None, what: str) -> tuple[Any, int, dict[str, Any]]:
    """Read the command line of a script with docstring `doc`: DarkNews, repetitions of each `what`, the machine."""
    summary, how = (doc or "").split("\n", 1)
    parser = argparse.ArgumentParser(
        description=summary, epilog=how, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3, help=f"runs per {what} (default: %(default)s)")
    args = parser.parse_args()
    if args.repeat < 1:
        parser.error("--repeat needs a positive number")
    start = time.perf_counter()
    try:
        darknews = importlib.import_module("DarkNews")
    except ModuleNotFoundError:
        parser.error("DarkNews is not installed here: see the first lines of --help")
    return darknews, args.repeat, context(time.perf_counter() - start)


def main() -> int:
    """Time every scope with every setting; JSON lines on stdout."""
    darknews, repeat, where = begin(__doc__, "case")
    watch = Stopwatch()
    watch.wrap(darknews.MC, "run_vegas")
    watch.wrap(darknews.printer.Printer, "print_events_to_pandas")
    one_run(darknews, watch, {"neval": 1_000, "nint": 3, "seed": 0})
    for setting, numbers in SETTINGS.items():
        for scope, switches in SCOPES.items():
            runs = [one_run(darknews, watch, numbers | switches | {"seed": seed + 1}) for seed in range(repeat)]
            case(f"light-zprime/{scope}/{setting}", runs, numbers | switches, where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
