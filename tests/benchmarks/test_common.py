"""The helper of the benchmark scripts; `benchmarks/` is not part of the package and is loaded by path."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "common.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("darkhorn_benchmarks_common", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


common = load()


def test_record_prints_the_line_it_returns(capsys: pytest.CaptureFixture[str]) -> None:
    line = common.record("a/b", events=10, wall_s=0.5)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == line
    assert line["name"] == "a/b"
    assert (line["events"], line["wall_s"]) == (10, 0.5)
    assert set(line) >= {"device", "cpu", "cores", "versions", "date", "commit"}
    assert set(line["versions"]) == {"darkhorn", "jax", "jaxlib", "numpy", "python"}
    assert line["versions"]["numpy"]
    assert 1 <= line["cores"] <= (os.cpu_count() or 1)


def test_a_field_wins_over_the_context(capsys: pytest.CaptureFixture[str]) -> None:
    assert common.record("x", device="another machine")["device"] == "another machine"
    assert json.loads(capsys.readouterr().out)["device"] == "another machine"


def test_a_number_that_is_not_finite_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError):
        common.record("x", wall_s=float("nan"))
    assert capsys.readouterr().out == ""


def test_device_asks_jax_only_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    assert common.device() == "none"
    chips = [SimpleNamespace(device_kind="chip")] * 2
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: chips))
    assert common.device() == "chip x2"


def test_timed_gives_median_and_quartiles(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 23.0, 30.0, 34.0, 40.0, 140.0])  # 1, 2, 3, 4 s and one of 100 s
    monkeypatch.setattr(common.time, "perf_counter", lambda: next(clock))
    calls: list[int] = []
    result = common.timed(lambda: calls.append(1), repeat=5)
    assert len(calls) == result["repeat"] == 5
    assert result["all_s"] == [1.0, 2.0, 3.0, 4.0, 100.0]
    assert (result["median_s"], result["iqr_s"]) == (3.0, 2.0)


def test_timed_measures_wall_time() -> None:
    result = common.timed(lambda: time.sleep(0.02), repeat=1)
    assert result["median_s"] >= 0.02
    assert result["iqr_s"] == 0.0


def test_timed_refuses_no_calls() -> None:
    with pytest.raises(ValueError, match="repeat"):
        common.timed(lambda: None, repeat=0)


def test_memory_of_a_child_is_its_own_and_not_the_largest_so_far() -> None:
    def peak(mebibytes: int) -> float:
        result = common.run_child([sys.executable, "-I", "-c", f"x = bytearray({mebibytes} * 2**20)"])
        assert result["returncode"] == 0
        return float(result["max_rss_mb"])

    large, small = peak(150), peak(0)
    assert 150 <= large < 250
    assert small < 60
    assert 140 < large - small < 160


def test_run_child_passes_environment_status_and_time(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys, time; print(os.environ['WHO']); time.sleep(0.1); sys.exit(7)"
    result = common.run_child([sys.executable, "-I", "-c", code], env={"WHO": "somebody"})
    assert result["returncode"] == 7
    assert 0.1 <= result["wall_s"] < 10
    out, err = capfd.readouterr()
    assert out == ""  # stdout is for JSON lines
    assert err.strip() == "somebody"


def test_run_child_reports_a_signal_and_a_missing_command() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert common.run_child([sys.executable, "-I", "-c", code])["returncode"] == -9
    with pytest.raises(OSError, match="no-such-command"):
        common.run_child(["./no-such-command"])


def test_commit_is_that_of_the_checkout_and_says_if_it_is_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        git("init", "-q")
    except FileNotFoundError:
        pytest.skip("no git here")
    (tmp_path / "file").write_text("one")
    (tmp_path / "folder").mkdir()
    git("add", "file")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert common.git_commit(tmp_path) == head
    assert common.git_commit(tmp_path / "folder") is None
    (tmp_path / "file").write_text("two")
    assert common.git_commit(tmp_path) == head + "+"
    assert common.git_commit(tmp_path / "missing") is None
