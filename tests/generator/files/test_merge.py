"""The shards of a run, merged, are the run."""

import numpy as np
import pytest

from darkhorn.generator.events import Events
from darkhorn.generator.files.merge import merge
from darkhorn.generator.files.read import read
from darkhorn.kernels.errors import InputError, OutputError


def _sorted_by_channel(events):
    """As the generator writes: channel after channel, ids growing."""
    tables, first = {}, 0
    for name, columns in events.topologies.items():
        order = np.argsort(columns["channel"], kind="stable")
        tables[name] = {k: v[order] for k, v in columns.items()}
        tables[name]["event_id"] = first + np.arange(len(order), dtype="u8")
        first += len(order)
    return Events(events.header, tables)


def _shards(events, n, folder):
    paths = []
    for i in range(n):
        tables = {}
        for name, columns in events.topologies.items():
            rows = []
            for channel in np.unique(columns["channel"]):
                own = np.flatnonzero(columns["channel"] == channel)
                rows.append(own[i * len(own) // n : (i + 1) * len(own) // n])
            chosen = np.concatenate(rows)
            tables[name] = {k: v[chosen] for k, v in columns.items()}
        share = sum(len(t["event_id"]) for t in tables.values()) / len(events)
        channels = []
        for channel in events.header.channels:
            w = np.concatenate([t["weight"][t["channel"] == channel["index"]] for t in tables.values()])
            channels.append(
                channel
                | {"sum_w": w.sum(), "sum_w2": (w**2).sum(), "kept": len(w), "attempted": 2 * len(w)}
                | {"max_weight": w.max(initial=0.0)}
            )
        header = events.header.replace(shard=i, n_shards=n, pot=events.header.pot * share, channels=channels)
        header.n_events = sum(len(t["event_id"]) for t in tables.values())
        paths.append(Events(header, tables).save(folder / f"s{i}.h5"))
    return paths


@pytest.fixture
def whole(events):
    return _sorted_by_channel(events)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_shards_make_the_run(tmp_path, whole, n, monkeypatch) -> None:
    monkeypatch.setattr("darkhorn.generator.files.merge.CHUNK", 5)
    paths = _shards(whole, n, tmp_path)
    out = read(merge(paths[::-1], tmp_path / "out.h5"))
    for name, columns in whole.topologies.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(out.topologies[name][column], values)
    assert out.header.pot == pytest.approx(whole.header.pot, rel=1e-14)
    assert (out.header.shard, out.header.n_shards, out.header.n_events) == (0, 1, 170)
    assert out.header.run_hash() == whole.header.run_hash()
    for merged, channel in zip(out.header.channels, whole.header.channels, strict=True):
        assert {k: merged[k] for k in ("kept", "attempted", "max_weight")} == {
            k: channel[k] for k in ("kept", "attempted", "max_weight")
        }
        assert merged["sum_w"] == pytest.approx(channel["sum_w"])
        assert merged["sum_w2"] == pytest.approx(channel["sum_w2"])


def test_missing_and_double_shards_are_named(tmp_path, whole) -> None:
    paths = _shards(whole, 5, tmp_path)
    with pytest.raises(InputError, match="Missing: 1, 3"):
        merge([paths[0], paths[2], paths[4]], tmp_path / "out.h5")
    copy = tmp_path / "copy.h5"
    copy.write_bytes(paths[2].read_bytes())
    with pytest.raises(InputError, match=r"shard 2 twice: .*s2\.h5, .*copy\.h5"):
        merge([*paths, copy], tmp_path / "out.h5")
    part = read(merge([paths[0], paths[2]], tmp_path / "out.h5", allow_missing=True))
    assert part.header.n_shards == 5
    with pytest.raises(InputError, match="shard 2 twice"):
        merge([tmp_path / "out.h5", *paths[2:]], tmp_path / "again.h5")
    again = read(merge([paths[4], tmp_path / "out.h5", paths[3], paths[1]], tmp_path / "again.h5"))
    assert again.header.n_shards == 1
    for name, columns in whole.topologies.items():
        np.testing.assert_array_equal(again.topologies[name]["em_px"], columns["em_px"])
    assert part.header.pot == pytest.approx(sum(read(paths[i]).header.pot for i in (0, 2)))
    with pytest.raises(OutputError, match="--overwrite"):
        merge(paths, tmp_path / "out.h5")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 8}, "another seed"),
        ({"card_resolved": {"schema": 2}}, "another card"),
        ({"plan": {"hash": "other"}}, "--plan FILE"),
        ({"n_total": 9}, "another n_total"),
        ({"n_shards": 3}, "another n_shards"),
        ({"channels": []}, "another channels"),
    ],
)
def test_other_runs_are_refused(tmp_path, whole, change, word) -> None:
    paths = _shards(whole, 2, tmp_path)
    other = read(paths[1])
    other.header = other.header.replace(**change)
    other.save(tmp_path / "other.h5")
    with pytest.raises(InputError, match=word):
        merge([paths[0], tmp_path / "other.h5"], tmp_path / "out.h5")


def test_overlapping_rows_are_found(tmp_path, whole) -> None:
    paths = _shards(whole, 2, tmp_path)
    wrong = read(paths[0])
    wrong.header = wrong.header.replace(shard=1)
    wrong.save(tmp_path / "wrong.h5")
    with pytest.raises(InputError, match="in two places"):
        merge([paths[0], tmp_path / "wrong.h5"], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    assert not list(tmp_path.glob("*.part*"))


def test_text_must_be_converted_first(tmp_path, whole) -> None:
    with pytest.raises(InputError, match="convert"):
        merge([whole.save(tmp_path / "a.hepmc3")], tmp_path / "out.h5")
    with pytest.raises(InputError, match="no file"):
        merge([], tmp_path / "out.h5")
