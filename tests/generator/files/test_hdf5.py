"""Event files: what is written is read back by another reader; kills, full disks and damaged files end well."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.read import read
from darkhorn.kernels.errors import InputError, OutputError


def _dtypes(events):
    return {name: {k: v.dtype for k, v in columns.items()} for name, columns in events.topologies.items()}


def _create(path, events, **kwargs):
    return EventFile.create(path, events.header, events.rows(), _dtypes(events), **kwargs)


def _write_rows(file, events, step=16, first=0):
    for name, columns in events.topologies.items():
        for start in range(first, len(columns["event_id"]), step):
            file.write(name, start, {k: v[start : start + step] for k, v in columns.items()})


def test_h5py_reads_what_was_written(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.h5")
    with h5py.File(path) as file:
        for name, columns in events.topologies.items():
            for column, values in columns.items():
                dataset = file["events"][name][column]
                np.testing.assert_array_equal(dataset[()], values)
                assert h5py.h5g.get_objinfo(dataset.id).mtime == 0  # else bytes depend on the clock
                assert dataset.attrs["description"]
                assert dataset.attrs["units"] == {"e": "GeV", "px": "GeV", "x": "cm", "t": "ns"}.get(
                    column.split("_")[-1], dataset.attrs["units"]
                )
        assert file["events/whole_target_zprime_ee/em_px"].attrs["pdg"] == 11
        assert file["events/whole_target_zprime_ee/em_px"].attrs["role"] == "em"
        assert file.attrs["schema"] == "darkhorn-events"
        assert file.attrs["units_system"] == "GeV cm ns"
        assert bool(file.attrs["complete"])
        assert file.attrs["n_events"] == 170
        assert file.attrs["pot"] == 6.87e20
        assert file["config/card"][()].decode() == events.header.card
        np.testing.assert_array_equal(file["run/sum_w"][()], [c["sum_w"] for c in events.header.channels])
        np.testing.assert_array_equal(file["run/index_range"][:, 1], [c["n_total"] for c in events.header.channels])
        assert [n.decode() for n in file["particles/name"][()]] == ["N4", "N4~", "Zprime", "remnant"]
        np.testing.assert_array_equal(file["flux/-14/content"][()], events.header.flux[-14]["content"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5"]


def test_read_gives_back_every_column_and_the_header(tmp_path, events, same) -> None:
    same(events, read(events.save(tmp_path / "a.h5")))


def test_columns_are_mapped_not_loaded(tmp_path, events) -> None:
    column = read(events.save(tmp_path / "a.h5")).topologies["nucleon_zprime_ee"]["em_e"]
    assert isinstance(column, np.memmap)
    assert not column.flags.writeable


def test_chunked_files_of_other_programs_are_read(tmp_path, events, same) -> None:
    path = events.save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        for group in file["events"].values():
            for name in list(group):
                data, attributes = group[name][()], dict(group[name].attrs)
                del group[name]
                group.create_dataset(name, data=data, chunks=True, compression="gzip").attrs.update(attributes)
    same(events, read(path))


def test_threads_write_disjoint_rows(tmp_path, events, same) -> None:
    file = _create(tmp_path / "a.h5", events)
    threads = [
        threading.Thread(
            target=file.write, args=(name, i * 10, {k: v[i * 10 : i * 10 + 10] for k, v in columns.items()})
        )
        for name, columns in events.topologies.items()
        for i in range(len(columns["event_id"]) // 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.finish(events.header)
    same(events, read(tmp_path / "a.h5"))


def test_rows_that_were_not_kept_are_left_out(tmp_path, events, monkeypatch) -> None:
    monkeypatch.setattr("darkhorn.generator.files.hdf5._COPY_BYTES", 40)  # several pieces per column
    file = _create(tmp_path / "a.h5", events)
    _write_rows(file, events)
    file.finish(events.header, kept={"whole_target_zprime_ee": [(3, 20), (100, 120)], "nucleon_zprime_ee": []})
    back = read(tmp_path / "a.h5")
    assert back.rows() == {"whole_target_zprime_ee": 37, "nucleon_zprime_ee": 0}
    assert back.header.n_events == 37
    truth = events.topologies["whole_target_zprime_ee"]
    for name, values in back.topologies["whole_target_zprime_ee"].items():
        np.testing.assert_array_equal(values, np.concatenate([truth[name][3:20], truth[name][100:120]]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5"]


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import importlib.util
spec = importlib.util.spec_from_file_location("sample", sys.argv[2] + "/conftest.py")
sample = importlib.util.module_from_spec(spec); spec.loader.exec_module(sample)
from darkhorn.generator.files.hdf5 import EventFile
events = sample.build()
dtypes = {n: {k: v.dtype for k, v in c.items()} for n, c in events.topologies.items()}
file = EventFile.create(sys.argv[1], events.header, events.rows(), dtypes)
blocks = [(n, s) for n, c in events.topologies.items() for s in range(0, len(c["event_id"]), 16)]
for i, (name, start) in enumerate(blocks):
    columns = {k: v[start:start + 16] for k, v in events.topologies[name].items()}
    if i == int(sys.argv[3]):
        half = {k: v[:7] for k, v in columns.items()}
        file.write(name, start, {k: np_ * 0 + 1 for k, np_ in half.items()})  # a torn block: wrong bytes on the disk
        os.kill(os.getpid(), signal.SIGKILL)
    file.write(name, start, columns)
    file.checkpoint({"blocks": i + 1})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("block", [0, 3, 9, 99])
def test_killed_run_resumes_to_the_same_bytes(tmp_path, events, block) -> None:
    whole = _create(tmp_path / "whole.h5", events)
    _write_rows(whole, events)
    whole.finish(events.header)
    path = tmp_path / "killed.h5"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent), str(block)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    with h5py.File(f"{path}.part") as file:  # a valid HDF5 file at any moment
        assert not file.attrs["complete"]
    with pytest.raises(InputError, match="--resume"):
        read(f"{path}.part")
    file, progress = EventFile.resume(path, events.header)
    blocks = [(n, s) for n, c in events.topologies.items() for s in range(0, len(c["event_id"]), 16)]
    done = progress.get("blocks", 0)
    assert done == min(block, len(blocks))
    for name, start in blocks[done:]:
        file.write(name, start, {k: v[start : start + 16] for k, v in events.topologies[name].items()})
    file.finish(events.header)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.h5", "whole.h5"]


def test_kill_inside_finish_loses_nothing(tmp_path, events, same, monkeypatch) -> None:
    file = _create(tmp_path / "a.h5", events)
    _write_rows(file, events)

    def power_cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("darkhorn.generator.files.hdf5.write_header", power_cut)
        with pytest.raises(KeyboardInterrupt):
            file.finish(events.header)
    file.close()
    part = tmp_path / "a.h5.part"
    with open(part, "r+b") as raw:  # the metadata may be anything now
        raw.write(b"\0" * 64)
    resumed, _ = EventFile.resume(tmp_path / "a.h5", events.header)
    resumed.finish(events.header)
    same(events, read(tmp_path / "a.h5"))
    assert not part.exists()


def test_a_run_killed_before_its_first_checkpoint_is_started_again(tmp_path, events, same) -> None:
    _create(tmp_path / "a.h5", events).close()
    assert EventFile.resumable(tmp_path / "a.h5")
    (tmp_path / "a.h5.part.progress").unlink()
    assert not EventFile.resumable(tmp_path / "a.h5")
    same(events, read(events.save(tmp_path / "a.h5")))


def test_resume_refuses_another_run(tmp_path, events) -> None:
    _create(tmp_path / "a.h5", events).close()
    with pytest.raises(InputError, match="another card, seed"):
        EventFile.resume(tmp_path / "a.h5", events.header.replace(seed=8))
    (tmp_path / "a.h5.part.progress").write_text("{")
    with pytest.raises(InputError, match="unreadable"):
        EventFile.resume(tmp_path / "a.h5", events.header)
    with pytest.raises(InputError, match="no unfinished run"):
        EventFile.resume(tmp_path / "b.h5", events.header)


def test_resume_refuses_a_truncated_part(tmp_path, events) -> None:
    _create(tmp_path / "a.h5", events).close()
    os.truncate(tmp_path / "a.h5.part", 5000)
    with pytest.raises(InputError, match="truncated"):
        EventFile.resume(tmp_path / "a.h5", events.header)


def test_one_writer_at_a_time(tmp_path, events) -> None:
    file = _create(tmp_path / "a.h5", events)
    code = (
        "import sys, fcntl\nf = open(sys.argv[1], 'r+b')\n"
        "try:\n    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept OSError:\n    sys.exit(7)"
    )
    other = subprocess.run([sys.executable, "-c", code, str(file.part)], check=False)
    file.abandon()
    assert other.returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_told_before_the_work(tmp_path, events, monkeypatch) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="no space left") as caught:
        _create(tmp_path / "a.h5", events)
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_disk_full_while_writing(tmp_path, events, monkeypatch) -> None:
    file = _create(tmp_path / "a.h5", events)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OutputError, match="no space left"):
            _write_rows(file, events)
    file.close()
    EventFile.resume(tmp_path / "a.h5", events.header)[0].close()


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file size limits here")
def test_file_size_limit(tmp_path, events) -> None:
    code = KILLED.split("blocks =")[0].replace(
        "import os, signal, sys",
        "import os, signal, sys, resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))",
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.h5"), str(Path(__file__).parent)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "OutputError" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "a.h5").exists()


def test_existing_output_is_not_touched(tmp_path, events, same) -> None:
    path = events.save(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        events.save(path)
    assert path.read_bytes() == before
    events.save(path, overwrite=True)
    same(events, read(path))
    unfinished = _create(tmp_path / "b.h5", events)
    unfinished.close()
    with pytest.raises(OutputError, match="--resume"):
        _create(tmp_path / "b.h5", events)
    _create(tmp_path / "b.h5", events, overwrite=True).abandon()


def test_folder_missing_or_not_a_folder(tmp_path, events) -> None:
    with pytest.raises(OutputError, match="mkdir"):
        events.save(tmp_path / "no" / "a.h5")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is not a folder"):
        events.save(tmp_path / "file" / "a.h5")
    (tmp_path / "d.h5").mkdir()
    with pytest.raises(OutputError, match="a folder"):
        events.save(tmp_path / "d.h5")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_folder_not_writable(tmp_path, events) -> None:
    (tmp_path / "ro").mkdir(mode=0o555)
    with pytest.raises(OutputError, match="not writable"):
        events.save(tmp_path / "ro" / "a.h5")


def test_wrong_columns_are_refused(tmp_path, events) -> None:
    file = _create(tmp_path / "a.h5", events)
    name, columns = next(iter(events.topologies.items()))
    with pytest.raises(ValueError, match="missing or unknown: weight"):
        file.write(name, 0, {k: v for k, v in columns.items() if k != "weight"})
    with pytest.raises(ValueError, match="rows 110 to 230"):
        file.write(name, 110, columns)
    with pytest.raises(ValueError, match="does not fit"):
        file.write(name, 0, columns | {"event_id": columns["weight"]})
    with pytest.raises(ValueError, match="too large for int8"):
        file.write(name, 0, columns | {"region": np.full(120, 300, "i8")})
    file.abandon()


def _edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: os.truncate(p, p.stat().st_size // 2), "truncated"),
        (lambda p: p.write_bytes(b"hello, this is no HDF5 file at all"), "not an HDF5 file"),
        (lambda p: p.write_bytes(b""), "not an HDF5 file"),
        (lambda p: p.unlink(), "no such file"),
        (lambda p: _edit(p, lambda f: f.attrs.pop("schema")), "not an event file of darkhorn"),
        (lambda p: _edit(p, lambda f: f.attrs.__setitem__("schema", "other")), "not an event file of darkhorn"),
        (lambda p: _edit(p, lambda f: f.attrs.__setitem__("schema_version", "2.0.0")), "pip install -U"),
        (lambda p: _edit(p, lambda f: f.attrs.__setitem__("schema_version", "x")), "a version like"),
        (lambda p: _edit(p, lambda f: f.attrs.__setitem__("complete", False)), "unfinished"),
        (lambda p: _edit(p, lambda f: f.pop("events")), "damaged"),
        (lambda p: _edit(p, lambda f: f["config/header"].write_direct(np.array(b"{", dtype=object))), "unreadable"),
    ],
)
def test_damaged_files_say_what_to_do(tmp_path, events, damage, message) -> None:
    path = events.save(tmp_path / "a.h5")
    damage(path)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_header_survives_json(events) -> None:
    from darkhorn.generator.header import Header

    text = json.dumps(events.header.to_json())
    back = Header.from_json(json.loads(text) | {"new_key": 1})
    assert back.extra == {"new_key": 1}
    assert back.replace(extra={}).to_json() == events.header.to_json()
    assert back.run_hash() == events.header.run_hash()
    assert back.topologies == events.header.topologies


def test_run_hash_moves_with_all_that_makes_the_events(events) -> None:
    header = events.header
    others = [
        header.replace(seed=8),
        header.replace(shard=1),
        header.replace(n_shards=2),
        header.replace(n_total=5),
        header.replace(card_resolved={}),
        header.replace(plan={"hash": "x"}),
        header.replace(generator_version="9"),
    ]
    assert len({h.run_hash() for h in [header, *others]}) == 8
    assert header.replace(hostname="elsewhere", complete=False, pot=1.0).run_hash() == header.run_hash()
