"""Running the command line: inside the test process where that is enough, as a process of its own for signals."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import pytest

from darkhorn.cli.main import run

# One channel instead of eight: quick to compile.
SMALL = [
    *("--set", "physics.regimes=[coherent]", "--set", "physics.helicities=[conserving]"),
    *("--set", "source.flavours=[nu_mu]"),
]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Compiled programs of all these tests, shared by their processes."""
    folder = getattr(jax.config, "jax_compilation_cache_dir", None) or str(tmp_path_factory.mktemp("cache"))
    before = os.environ.get("DARKHORN_CACHE")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # importing jax has set it to 1, which children would inherit
    os.environ["DARKHORN_CACHE"] = folder
    yield folder
    os.environ.pop("DARKHORN_CACHE")
    if before is not None:
        os.environ["DARKHORN_CACHE"] = before


@pytest.fixture
def darkhorn(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command line in this process."""

    def call(*arguments: Any) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    """A file of 1000 events, as `darkhorn generate` makes it."""
    path = tmp_path_factory.mktemp("events") / "events.h5"
    assert run(["generate", "microboone", *SMALL, "-n", "1000", "-o", str(path), "-q"]) == 0
    return path
