"""Settings of every test: double precision, no silent promotion, one compilation cache, one printed seed.

DARKHORN_TEST_SEED    seed of every random sample (default 20240817); printed at the top of the report
DARKHORN_TEST_CACHE   folder of compiled programs (default ~/.cache/darkhorn-tests/<host>); empty: no cache
"""

import gc
import os
import platform
import zlib
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before jax: XLA notes on every cached program

import hypothesis
import jax
import numpy as np
import pytest

DEFAULT_SEED = 20240817
# Linux lets a process have 65530 memory maps; XLA takes some for every compiled program, and dies without a word when
# there are no more.
MANY_MAPS = 20_000

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples in every run, unless a seed asks for others. Deadlines would count compilations.
hypothesis.settings.register_profile(
    "darkhorn", deadline=None, database=None, print_blob=True, derandomize="DARKHORN_TEST_SEED" not in os.environ
)
hypothesis.settings.load_profile("darkhorn")


def cache_folder() -> Path | None:
    """Where compiled programs are kept; by host, because they hold the instructions of its processor."""
    named = os.environ.get("DARKHORN_TEST_CACHE")
    if named is not None:
        return Path(named) if named else None
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "darkhorn-tests" / (platform.node() or "host")


def use_cache() -> Path | None:
    """Switch the compilation cache on if its folder can be written; a test run never needs it."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder


CACHE = use_cache()


def current_seed() -> int:
    return int(os.environ.get("DARKHORN_TEST_SEED", DEFAULT_SEED))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--study", action="store_true", help="run the tests marked study as well")


def pytest_report_header() -> list[str]:
    return [f"DARKHORN_TEST_SEED={current_seed()}", f"compilation cache: {CACHE or 'none'}"]


def memory_maps() -> int:
    """Memory maps of this process; 0 where the system does not tell."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Between two files, let go of the compiled programs when there are many: the next file brings its own."""
    yield
    if (nextitem is None or nextitem.path != item.path) and memory_maps() > MANY_MAPS:
        jax.clear_caches()
        gc.collect()


def has_gpu() -> bool:
    return any(device.platform in ("gpu", "cuda", "rocm") for device in jax.devices())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for mark in ("slow", "study"):
        if config.getoption(f"--{mark}"):
            continue
        for item in items:
            if mark in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{mark}: needs --{mark}"))
    wants_gpu = [item for item in items if "gpu" in item.keywords]
    if wants_gpu and not has_gpu():
        for item in wants_gpu:
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run."""
    return current_seed()


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers of one test: a function of the seed and of the test's name, not of the tests run before it."""
    return np.random.default_rng([seed, zlib.crc32(request.node.nodeid.encode())])
