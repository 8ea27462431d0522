"""Kills, signals, full disks and closed pipes, each in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import darkhorn as dh
from darkhorn.cli.main import run

RUN = [
    *("generate", "microboone", "--set", "physics.regimes=[coherent]", "--set", "physics.helicities=[conserving]"),
    *("--set", "source.flavours=[nu_mu]", "-n", "800000", "--device", "cpu"),
]


Columns = dict[str, dict[str, Any]]


def start(*arguments: Any, before: Sequence[str] = (), **options: Any) -> "subprocess.Popen[str]":
    command = [*before, sys.executable, "-m", "darkhorn", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for_events(path: Path, process: subprocess.Popen[str], checkpoints: bool) -> None:
    """Wait until the run is making events; with `checkpoints`, until some are safe on the disk."""
    progress = path.with_name(path.name + ".part.progress")
    for _ in range(18000):
        assert process.poll() is None, process.communicate()
        if progress.exists() and (not checkpoints or json.loads(progress.read_text())["progress"].get("tasks")):
            return
        time.sleep(0.01)
    raise AssertionError("no events after three minutes")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Columns:
    """The columns of the run when nothing interrupts it."""
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    # A process of its own: it leaves its compiled programs to those that follow.
    _, err = start(*RUN, "-o", path, "-q").communicate(timeout=300)
    assert err == ""
    return columns_of(path)


def columns_of(path: Path) -> Columns:
    events = dh.read(path)
    return {name: {key: np.array(v) for key, v in columns.items()} for name, columns in events.topologies.items()}


def assert_resumes_to(path: Path, whole: Columns) -> None:
    assert not path.exists()
    assert run([*RUN, "-o", str(path), "-q", "--resume"]) == 0
    found = columns_of(path)
    for name in whole:
        for key in whole[name]:
            assert found[name][key].tobytes() == whole[name][key].tobytes(), key
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGTERM, 75, "--resume"), (signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -9, "")],
)
def test_a_stopped_run_resumes_to_the_same_bits(
    number: signal.Signals, code: int, message: str, tmp_path: Path, whole: Columns
) -> None:
    path = tmp_path / "events.h5"
    process = start(*RUN, "-o", path)
    wait_for_events(path, process, checkpoints=number != signal.SIGTERM)
    process.send_signal(number)
    _, err = process.communicate(timeout=180)
    assert process.returncode == code, err
    assert message in err
    assert "Traceback" not in err
    # Without --resume, nothing of the unfinished run is lost.
    assert run([*RUN, "-o", str(path), "-q"]) == 4
    assert_resumes_to(path, whole)


def test_sigterm_leaves_no_half_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "events.hepmc3"
    process = start(*RUN, "-o", path)
    wait_for_events(path.with_name(".events.hepmc3.columns.h5"), process, checkpoints=False)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 143, err
    assert "only .h5 runs can be resumed" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["events.h5", "events.hepmc3"])
def test_no_room_for_the_file(name: str, tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -f 6000; exec "$@"', "sh"]  # 6000 blocks of 512 bytes
    process = start(*RUN, "-o", tmp_path / name, before=limited)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 4, err
    assert "room for the file" in err
    assert "Traceback" not in err
    assert "warning" not in err
    assert list(tmp_path.iterdir()) == []


def test_full_standard_output(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "darkhorn", "cards", "schema"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == 4
    assert process.stderr == "darkhorn: error: standard output: cannot be written: No space left on device\n"


def test_reader_that_goes_away() -> None:
    process = start("cards", "schema")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKHORN_CACHE", "/dev/null/cache")
    process = start("widths", "microboone", "--json")
    out, err = process.communicate(timeout=180)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)


def test_card_from_standard_input(tmp_path: Path) -> None:
    process = start("widths", "-", "--json", stdin=subprocess.PIPE)
    card = start("cards", "show", "microboone").communicate()[0]
    out, err = process.communicate(card, timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)[0]["particle"] == "N4"
