"""JAX made ready for a command: device, double precision, compiled programs kept between runs."""

import hashlib
import os
import platform
import sys
from pathlib import Path

from darkhorn.kernels.errors import InputError


def start(device: str = "auto") -> None:
    """Import jax and choose the device: 'cpu', 'gpu', or 'auto' (jax's choice: a GPU if there is one).

    Raises InputError if a GPU is asked for and there is none. Call it before anything else that imports jax.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the libraries below jax write notes that help nobody
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave GPU memory to others
    import jax

    from darkhorn.generator.device import enable_x64

    enable_x64()
    if device != "auto":
        jax.config.update("jax_platforms", "cpu" if device == "cpu" else "")  # type: ignore[no-untyped-call]
    folder = cache_folder()
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # type: ignore[no-untyped-call]
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)  # type: ignore[no-untyped-call]
    try:
        found = jax.devices()
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        do = "Use --device cpu, or see `darkhorn doctor`."
        raise InputError("devices", f"a platform that does not start ({first})", "cpu or gpu", do) from error
    if device == "gpu" and found[0].platform != "gpu":
        do = 'Use --device cpu, or install the GPU libraries: pip install "darkhorn[cuda12]".'
        raise InputError("--device gpu", f"no GPU that jax can use, only {device_name()}", "a machine with a GPU", do)


def device_name() -> str:
    """The devices in use, for people: 'cpu, 8 cores' or 'gpu, 2 x NVIDIA H200'."""
    import jax

    found = jax.devices()
    if found[0].platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"cpu, {cores} cores"
    return f"{found[0].platform}, {len(found)} x {found[0].device_kind}"


def cache_root() -> Path:
    """`$DARKHORN_CACHE`, or the folder for caches of this user on this system."""
    given = os.environ.get("DARKHORN_CACHE")
    if given:
        return Path(given).expanduser()
    if sys.platform == "darwin":
        base = Path("~/Library/Caches")
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base.expanduser() / "darkhorn"


def cache_folder() -> Path | None:
    """The folder of compiled programs for this jax and this processor, made if needed; None if it cannot be used."""
    from importlib.metadata import version

    # Programs compiled for one processor may crash on another: home folders are shared between machines.
    try:
        folder = cache_root() / f"jax-{version('jaxlib')}-{_processor()}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder if os.access(folder, os.W_OK | os.X_OK) else None
    except (OSError, RuntimeError):
        return None


def _processor() -> str:
    lines = [platform.machine(), platform.processor()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines += sorted({line for line in file if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        pass
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
