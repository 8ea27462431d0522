"""What the benchmark scripts share: a JSON line per result with its context, repeated timing, a child's memory."""

import contextlib
import datetime
import functools
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("darkhorn", "jax", "jaxlib", "numpy")
ROOT = Path(__file__).resolve().parent.parent


def cpu_model() -> str:
    """Name of the processor as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def core_count() -> int:
    """Number of cores this process may use (its affinity where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version(package: str) -> str | None:
    """Installed version of a package, None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_commit(folder: Path = ROOT) -> str | None:
    """Commit of the checkout with root `folder`, with `+` if tracked files differ from it; None if it is not one."""
    command = ["git", "-C", str(folder)]
    try:
        asked = [*command, "rev-parse", "--show-toplevel", "HEAD"]
        top, head = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
        changed = subprocess.run([*command, "diff", "--quiet", "HEAD"], capture_output=True, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    if Path(top).resolve() != folder.resolve():  # an unpacked archive inside somebody else's checkout
        return None
    return head + ("+" if changed else "")


def device() -> str:
    """Kind and number of the JAX devices in use, such as `cpu x1` or `NVIDIA H200 x1`; `none` without jax.

    jax is asked only if the script has imported it: a benchmark of a child process must not take the device itself.
    """
    jax = sys.modules.get("jax")
    if jax is None:
        return "none"
    devices = jax.devices()
    return f"{devices[0].device_kind} x{len(devices)}"


@functools.cache
def _fixed_context() -> dict[str, Any]:
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    return {"cpu": cpu_model(), "cores": core_count(), "versions": versions, "commit": git_commit()}


def record(name: str, **fields: Any) -> dict[str, Any]:
    """Print one JSON line `{name, fields..., device, cpu, cores, versions, commit, date}` on stdout and return it.

    A field given here wins over the context of the same name. ValueError for a number that is not finite: a benchmark
    that measured nothing must not leave a line.
    """
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    context = {"device": device(), **_fixed_context(), "date": date}
    line = {"name": name, **fields, **{key: value for key, value in context.items() if key not in fields}}
    print(json.dumps(line, allow_nan=False), flush=True)
    return line


def timed(function: Callable[[], Any], repeat: int = 7) -> dict[str, Any]:
    """Wall time of `function()`: `{median_s, iqr_s, all_s, repeat}` over `repeat` calls.

    Nothing is left out: call the function once before, so that compilation is timed apart, and let it wait for the
    device (`jax.block_until_ready`). iqr_s is the distance of the quartiles (0 for a single call). ValueError if
    repeat < 1.
    """
    if repeat < 1:
        raise ValueError(f"repeat = {repeat}: needs at least one call")
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    quartiles = statistics.quantiles(seconds, n=4, method="inclusive") if repeat > 1 else seconds * 3
    return {
        "median_s": statistics.median(seconds),
        "iqr_s": quartiles[2] - quartiles[0],
        "all_s": seconds,
        "repeat": repeat,
    }


# Runs in a fresh, small interpreter. RUSAGE_CHILDREN is a maximum over all children a process ever had, and a child
# counts with the memory of its parent until it has replaced itself: asked in this process it would hide every child
# smaller than ourselves or than an earlier one. The report goes through a pipe of its own.
_WATCHER = """
import json, os, resource, subprocess, sys, time
report = int(sys.argv[1])
start = time.perf_counter()
try:
    code, error = subprocess.call(sys.argv[2:]), None
except OSError as failure:
    code, error = None, str(failure)
wall_s = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with os.fdopen(report, "w") as out:
    json.dump({"wall_s": wall_s, "maxrss": usage.ru_maxrss, "returncode": code, "error": error}, out)
"""


def run_child(argv: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command to its end: `{wall_s, max_rss_mb, returncode}`.

    argv   command and arguments, no shell; its stdout goes to our stderr, because stdout is for JSON lines
    env    the child's whole environment (None: ours)

    max_rss_mb is the peak resident memory in MiB of the largest process among the child and those it waited for, from
    `resource.getrusage(RUSAGE_CHILDREN)`; it is never below that of the small interpreter that starts it (about
    10 MiB). wall_s includes the start of the child. returncode is negative for a signal, as in `subprocess`.
    OSError if the command cannot be started. Linux and macOS.
    """
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as report:
        try:
            watcher = subprocess.Popen(
                [sys.executable, "-I", "-c", _WATCHER, str(write), *argv],
                env=None if env is None else dict(env),
                pass_fds=(write,),
                stdout=2,
            )
        finally:
            os.close(write)
        text = report.read()
    watcher.wait()
    if not text:
        raise RuntimeError(f"{argv[0]}: the process that watched it was killed")
    result = json.loads(text)
    if result["error"]:
        raise OSError(f"{argv[0]}: {result['error']}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS, in KiB on Linux
    return {
        "wall_s": result["wall_s"],
        "max_rss_mb": result["maxrss"] / unit,
        "returncode": result["returncode"],
    }
