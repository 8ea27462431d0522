"""Files of events: killed at any moment, stopped politely, resumed: always the file of one quiet run."""

import os
import signal
from pathlib import Path

import cards
import numpy as np
import pytest
from children import child

from darkhorn.generator.events import Events
from darkhorn.generator.files.read import read
from darkhorn.generator.generate import Progress, generate
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.errors import InputError, Interrupted, OutputError

N = 20_001
REQUEST = Request(N, 1, batch_size=1024)
COUNTS, SUMS = (
    ("index", "name", "n_total", "attempted", "kept", "max_weight"),
    ("sum_w", "sum_w2", "overweight_fraction"),
)

SCRIPT = """
import json, os, sys
from pathlib import Path
import darkhorn
darkhorn.enable_x64()
from darkhorn.generator import generate
from darkhorn.generator.simulation import Request
path, overrides, signal, at, resume, unweighted = sys.argv[1:]
generate.CHECKPOINT_EVENTS = 2048
sim = darkhorn.Simulation.from_card("microboone", json.loads(overrides))

def watch(progress):
    if progress.done >= int(at):
        os.kill(os.getpid(), int(signal))

request = Request(20_001, 1, bool(int(unweighted)), batch_size=1024)
try:
    generate.generate(sim, Path(path), request, resume=bool(int(resume)), watch=watch)
except darkhorn.DarkhornError as error:
    print(error, file=sys.stderr)
    raise SystemExit(error.exit_code)
"""


def assert_same_file(one: Events, two: Events, rounding: float = 0.0) -> None:
    """Every bit of the columns; sums over batches of another size may differ by `rounding`."""
    assert one.rows() == two.rows()
    for name, table in one.topologies.items():
        other = two.topologies[name]
        assert set(table) == set(other)
        for key in table:
            assert np.asarray(table[key]).tobytes() == np.asarray(other[key]).tobytes(), f"{name}: {key}"
    for a, b in zip(one.header.channels, two.header.channels, strict=True):
        assert {key: a[key] for key in COUNTS} == {key: b[key] for key in COUNTS}
        for key in SUMS:
            assert a[key] == pytest.approx(b[key], rel=rounding, abs=0.0), key
    for key in ("n_events", "n_total", "pot", "complete", "masses", "card_resolved"):
        assert getattr(one.header, key) == getattr(two.header, key)
    assert one.header.run_hash() == two.header.run_hash()


def test_a_file_holds_the_events_of_a_run_in_memory(coherent: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    seen: list[Progress] = []
    header = generate(coherent, path, REQUEST, watch=seen.append)
    assert not list(tmp_path.glob("*.part*"))
    found = read(path)
    assert_same_file(found, coherent.run(N, seed=1), 1e-13)
    assert header.complete
    assert header.n_events == len(found) == N
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].total == N
    assert seen[-1].sum_w == pytest.approx(found.sum_w, rel=1e-12)
    assert seen[-1].ess == pytest.approx(found.ess, rel=1e-12)
    with pytest.raises(OutputError):
        generate(coherent, path, REQUEST)
    with pytest.raises(InputError, match="finished"):
        generate(coherent, path, REQUEST, resume=True)


def test_nothing_to_resume_is_an_input_error(coherent: Simulation, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unfinished"):
        generate(coherent, tmp_path / "events.h5", REQUEST, resume=True)


@pytest.mark.parametrize(
    ("overrides", "unweighted"),
    [(cards.COHERENT, False), (cards.ONE_CHANNEL, True), ({**cards.LONG_LIVED, "regions": ["cryostat"]}, False)],
    ids=["weighted", "unweighted", "with misses"],
)
def test_killed_then_stopped_then_resumed_is_one_quiet_run(
    tmp_path: Path, overrides: dict[str, object], unweighted: bool
) -> None:
    import json

    path = tmp_path / "events.h5"
    text = json.dumps(overrides)
    killed = child(SCRIPT, str(path), text, str(int(signal.SIGKILL)), "6000", "0", str(int(unweighted)))
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert not path.exists()
    stopped = child(SCRIPT, str(path), text, str(int(signal.SIGTERM)), "12000", "1", str(int(unweighted)))
    assert stopped.returncode == 75, stopped.stderr[-2000:]
    assert "--resume" in stopped.stderr
    assert not path.exists()
    sim = cards.simulation(overrides)
    seen: list[Progress] = []
    # another size of batch: the file remembers that of its beginning
    request = Request(N, 1, unweighted)
    generate(sim, path, request, resume=True, watch=seen.append)
    assert seen[0].done > 10_000, "resuming made the events again that were on the disk"
    quiet = tmp_path / "quiet.h5"
    generate(sim, quiet, Request(N, 1, unweighted, batch_size=1024))
    assert_same_file(read(path), read(quiet))


def test_another_run_cannot_be_resumed(coherent: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "events.h5"

    def stop(progress: Progress) -> None:
        if progress.done > 4000:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        generate(coherent, path, REQUEST, watch=stop)
    assert signal.getsignal(signal.SIGTERM) is before
    for other in (Request(N, 2), Request(N + 1, 1), Request(N, 1, shard=0, n_shards=2)):
        with pytest.raises(InputError, match="another"):
            generate(coherent, path, other, resume=True)
    with pytest.raises(OutputError):
        generate(coherent, path, REQUEST)
    generate(coherent, path, REQUEST, overwrite=True)
    assert len(read(path)) == N


def test_what_a_watcher_raises_leaves_a_run_that_resumes(coherent: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "events.h5"

    def fail(progress: Progress) -> None:
        if progress.done > 8000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(coherent, path, REQUEST, watch=fail)
    assert not path.exists()
    generate(coherent, path, REQUEST, resume=True)
    assert_same_file(read(path), coherent.run(N, seed=1), 1e-13)


def test_shards_merged_are_one_long_run(coherent: Simulation, tmp_path: Path) -> None:
    merge = pytest.importorskip("darkhorn.generator.files.merge").merge
    paths = []
    for shard in range(3):
        paths.append(tmp_path / f"{shard}.h5")
        generate(coherent, paths[-1], Request(N, 1, shard=shard, n_shards=3, batch_size=1024))
    whole = tmp_path / "whole.h5"
    generate(coherent, whole, REQUEST)
    one, two = read(whole), read(merge(paths, tmp_path / "merged.h5"))
    assert one.rows() == two.rows()
    for name, table in one.topologies.items():
        order = np.argsort(np.asarray(table["event_id"]), kind="stable")
        for key in table:
            wanted = np.asarray(table[key])[order]
            assert wanted.tobytes() == np.asarray(two.topologies[name][key]).tobytes(), key
    assert two.header.pot == pytest.approx(one.header.pot, rel=1e-12)
    for a, b in zip(one.header.channels, two.header.channels, strict=True):
        assert b["sum_w"] == pytest.approx(a["sum_w"], rel=1e-12)
