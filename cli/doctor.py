"""`darkhorn doctor`: what this machine offers, and what is wrong with it."""

import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from darkhorn.cli.messages import print_json, size
from darkhorn.cli.options import cli_command, json_option
from darkhorn.kernels.errors import InputError

PACKAGES = ("jax", "jaxlib", "numpy", "h5py", "hepunits", "click", "pydantic", "ruamel.yaml", "particle", "pyhepmc")
EXTRAS = {"root": "uproot", "plot": "matplotlib", "parquet": "pyarrow", "fast": "numba", "analysis": "pandas"}
LOW_DISK, LOW_MEMORY = 2e9, 2e9


@cli_command("doctor", "darkhorn doctor\ndarkhorn doctor --json")
@json_option
def command(as_json: bool) -> None:
    """Show what this machine offers, with advice.

    Versions, devices, cache, free space. Exit status 1 if darkhorn cannot run.
    """
    report = examine()
    if as_json:
        print_json(report)
    else:
        for title, value in report.items():
            if title not in ("advice", "problems"):
                shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
                click.echo(f"{title.replace('_', ' '):<16}{shown}")
        for kind in ("advice", "problems"):
            for line in report[kind]:
                click.echo(f"{'PROBLEM' if kind == 'problems' else 'advice'}: {line}")
        if not report["problems"]:
            click.echo("darkhorn can run here.")
    if report["problems"]:
        click.get_current_context().exit(1)


def examine() -> dict[str, Any]:
    """What `doctor --json` prints."""
    import platform

    from darkhorn import __version__

    advice: list[str] = []
    problems: list[str] = []
    versions = {name: _version(name) for name in PACKAGES}
    problems += [f"package {name} is missing: pip install {name}" for name, v in versions.items() if v == "missing"]
    if versions["jax"] == "0.10.2":
        problems.append("jax 0.10.2 gives wrong results on CPU (jax-ml/jax issue 39103): install another version.")
    disk, memory = shutil.disk_usage(Path.cwd()).free, _free_memory()
    if disk < LOW_DISK:
        advice.append("little disk space is free here: 100000 events take about 0.06 GB as .h5.")
    if memory is not None and memory < LOW_MEMORY:
        advice.append("little memory is free: close other programs if a run is killed.")
    return {
        "darkhorn": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "packages": versions,
        "devices": _devices(advice, problems),
        "cache": _cache(advice),
        "extras": {name: "yes" if find_spec(module) else "no" for name, module in EXTRAS.items()},
        "free_disk": f"{size(disk)} in {Path.cwd()}",
        "free_memory": "unknown" if memory is None else size(memory),
        "advice": advice,
        "problems": problems,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _devices(advice: list[str], problems: list[str]) -> str:
    from darkhorn.cli.session import device_name, start

    try:
        start("auto")
        import jax.numpy as jnp

        name = device_name()
        if float(jnp.asarray(1.0) + 1e-12) == 1.0:
            problems.append("jax computes in single precision: unset JAX_ENABLE_X64.")
    except InputError as error:
        problems.append(str(error))
        return "none"
    except Exception as error:  # a broken installation must be shown, whatever it raises
        problems.append(f"jax does not start: {type(error).__name__}: {error}")
        return "none"
    if name.startswith("cpu") and (shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists()):
        advice.append('there is an NVIDIA GPU that jax does not use: pip install "darkhorn[cuda12]" or [cuda13].')
    return f"{name}, float64"


def _cache(advice: list[str]) -> str:
    from darkhorn.cli.session import cache_folder, cache_root

    folder = cache_folder()
    if folder is None:
        advice.append(f"{cache_root()} cannot be written, so that every run compiles anew: set DARKHORN_CACHE.")
        return "none"
    return f"{folder} ({size(sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()))})"


def _free_memory() -> float | None:
    """Bytes that can be had without swapping, where the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    return None
