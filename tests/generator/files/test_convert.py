"""Ids, vertices, weights and the header survive every conversion, also in many pieces."""

import json

import numpy as np
import pytest

from darkhorn.generator.files.convert import convert
from darkhorn.generator.files.info import info
from darkhorn.generator.files.read import read
from darkhorn.kernels.errors import InputError, OutputError


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch) -> None:
    for module in ("events.CHUNK", "files.hepmc3.ROWS", "files.hepevt.ROWS"):
        monkeypatch.setattr(f"darkhorn.generator.{module}", 13)
    monkeypatch.setattr("darkhorn.generator.events.Events.chunks.__defaults__", (13,))
    monkeypatch.setattr("darkhorn.generator.files.hepmc3_read.HepMC3File.blocks.__defaults__", (13,))


@pytest.mark.parametrize(
    "chain",
    [
        ["b.hepmc3", "c.h5"],
        ["b.hepmc3.gz", "c.h5"],
        ["b.h5"],
        ["b.hepmc3", "c.hepmc3.gz", "d.h5", "e.hepmc3", "f.h5"],
    ],
)
def test_round_trips(tmp_path, events, same, chain) -> None:
    path = events.save(tmp_path / "a.h5")
    for name in chain:
        path = convert(path, tmp_path / name)
    same(events, read(path), rtol=1e-15)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.h5", *chain])


def test_only_times_move_by_a_bit(tmp_path, events) -> None:
    back = read(convert(events.save(tmp_path / "a.hepmc3"), tmp_path / "b.h5"))
    for name, columns in events.topologies.items():
        for column, values in columns.items():
            if not column.endswith("_t"):
                np.testing.assert_array_equal(back.topologies[name][column], values)


@pytest.mark.parametrize("source", ["a.h5", "a.hepmc3"])
@pytest.mark.parametrize("ending", ["hepevt", "edep.hepevt"])
def test_hepevt_from_any_source(tmp_path, events, source, ending) -> None:
    direct = events.save(tmp_path / f"direct.{ending}")
    path = convert(events.save(tmp_path / source), tmp_path / f"b.{ending}")
    lines, truth = ([line.split() for line in p.read_text().splitlines()] for p in (path, direct))
    assert [len(line) for line in lines] == [len(line) for line in truth]
    flat, expected = (np.array([float(word) for line in x for word in line]) for x in (lines, truth))
    np.testing.assert_allclose(flat, expected, rtol=1e-15)
    notes = json.loads((tmp_path / f"b.{ending}.json").read_text())
    assert notes["event_id"] == [int(i) for i in events["event_id"]]


def test_attributes_survive(tmp_path, events) -> None:
    from darkhorn.generator.files.hdf5 import EventFile

    dtypes = {name: {k: v.dtype for k, v in columns.items()} for name, columns in events.topologies.items()}
    file = EventFile.create(
        tmp_path / "a.h5", events.header, events.rows(), dtypes, {"helicity": ("hbar/2", "own words")}
    )
    for name, columns in events.topologies.items():
        file.write(name, 0, columns)
    file.finish(events.header)
    convert(tmp_path / "a.h5", tmp_path / "b.h5")
    columns = info(tmp_path / "b.h5")["topologies"]["nucleon_zprime_ee"]["columns"]
    assert columns["helicity"] == {"units": "hbar/2", "description": "own words"}


def test_refusals(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.h5")
    text = events.save(tmp_path / "a.hepevt")
    with pytest.raises(InputError, match="what it was made from"):
        convert(text, tmp_path / "b.h5")
    with pytest.raises(OutputError, match="--overwrite"):
        convert(path, text)
    with pytest.raises(InputError, match="same file"):
        convert(path, path, overwrite=True)
    with pytest.raises(InputError, match="no such file"):
        convert(tmp_path / "no.h5", tmp_path / "b.h5")
    assert len(list(tmp_path.iterdir())) == 3


def test_damaged_source_leaves_nothing(tmp_path, events) -> None:
    path = events.save(tmp_path / "a.hepmc3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for name in ("b.h5", "b.hepevt", "b.hepmc3.gz"):
        with pytest.raises(InputError):
            convert(path, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["a.hepmc3"]


def test_info(tmp_path, events) -> None:
    for ending in ("h5", "hepmc3"):
        found = info(events.save(tmp_path / f"a.{ending}"))
        assert json.loads(json.dumps(found))["n_events"] == 170
        assert found["sum_w"] == pytest.approx(events.sum_w)
        assert found["ess"] == pytest.approx(events.ess)
        assert found["seed"] == 7
        assert found["topologies"]["nucleon_zprime_ee"]["n_events"] == 50
    columns = info(tmp_path / "a.h5")["topologies"]["nucleon_zprime_ee"]["columns"]
    assert columns["em_px"]["units"] == "GeV"


def test_info_of_a_running_job(tmp_path, events) -> None:
    from darkhorn.generator.files.hdf5 import EventFile

    dtypes = {name: {k: v.dtype for k, v in columns.items()} for name, columns in events.topologies.items()}
    file = EventFile.create(tmp_path / "a.h5", events.header, events.rows(), dtypes)
    assert info(tmp_path / "a.h5.part")["complete"] is False
    file.abandon()
