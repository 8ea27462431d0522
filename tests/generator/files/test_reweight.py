"""Reweighted files: whole, valid, with only the weights changed; shards and formats as for any other file."""

import os
from pathlib import Path
from typing import Any

import cards
import h5py
import numpy as np
import pytest

from darkhorn.generator.files import reweight as module
from darkhorn.generator.files.merge import merge
from darkhorn.generator.files.read import attributes_of, read
from darkhorn.generator.files.reweight import reweight
from darkhorn.generator.files.validate import validate
from darkhorn.generator.generate import generate
from darkhorn.generator.runcard import load_card
from darkhorn.generator.simulation import Request
from darkhorn.kernels.errors import InputError, OutputError

LIGHT = {"source.flavours": ["nu_mu"], "physics.regimes": ["coherent"]}
CHANGES = {"model.epsilon": 5e-4, "physics.z_exchange": False}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reweight") / "events.h5"
    generate(cards.simulation(LIGHT), path, Request(3000, 4))
    return path


def test_the_file_is_whole_and_only_weights_differ(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.h5"
    report = reweight(source, out, CHANGES)
    assert validate(out).ok, str(validate(out))
    before, after, memory = read(source), read(out), read(source).reweight(CHANGES)
    for name, table in before.topologies.items():
        assert list(table) == list(after.topologies[name])
        for key, column in table.items():
            new = after.topologies[name][key]
            assert new.dtype == column.dtype
            assert new.tobytes() == np.asarray(memory.topologies[name][key]).tobytes()
            if not (key.startswith("w_") or key == "weight"):
                assert new.tobytes() == column.tobytes(), key
    assert attributes_of(out) == attributes_of(source)
    assert after.header.extra["reweighting"] == report
    assert report["source"] == "events.h5"
    assert load_card(out).resolved() == load_card("microboone", {**LIGHT, **CHANGES}).resolved()
    with h5py.File(out) as file:
        assert file.attrs["complete"]
        np.testing.assert_allclose(file["run/sum_w"][()].sum(), report["sum_w"], rtol=1e-12)
    assert sorted(os.listdir(tmp_path)) == ["new.h5"]


def test_without_reflink_and_kernel_copies_the_bytes_are_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reweight(source, tmp_path / "a.h5", CHANGES)
    monkeypatch.setattr(module, "_cloned", lambda *_: False)
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    monkeypatch.setattr(module, "_COPY_BYTES", 1001)
    reweight(source, tmp_path / "b.h5", CHANGES)
    one, two = read(tmp_path / "a.h5"), read(tmp_path / "b.h5")
    for name, table in one.topologies.items():
        for key, column in table.items():
            assert two.topologies[name][key].tobytes() == column.tobytes(), key


def test_shards_may_be_reweighted_before_or_after_they_are_merged(source: Path, tmp_path: Path) -> None:
    parts = []
    for shard in range(3):
        path = tmp_path / f"{shard}.h5"
        generate(cards.simulation(LIGHT), path, Request(3000, 4, shard=shard, n_shards=3))
        parts.append(tmp_path / f"new{shard}.h5")
        reweight(path, parts[-1], CHANGES)
    merge(parts, tmp_path / "merged.h5")
    reweight(source, tmp_path / "whole.h5", CHANGES)
    assert validate(tmp_path / "merged.h5").ok
    one, two = read(tmp_path / "merged.h5"), read(tmp_path / "whole.h5")
    np.testing.assert_array_equal(one["weight"], two["weight"])
    np.testing.assert_array_equal(one["event_id"], two["event_id"])
    assert one.header.pot == pytest.approx(two.header.pot)
    for a, b in zip(one.header.channels, two.header.channels, strict=True):
        assert a["sum_w"] == pytest.approx(b["sum_w"], rel=1e-12)
        assert a["rate"] == pytest.approx(b["rate"], rel=1e-9)
        assert a["rate_error"] == pytest.approx(b["rate_error"], rel=0.05)


def test_hepmc3_in_and_out(source: Path, tmp_path: Path) -> None:
    read(source).save(tmp_path / "old.hepmc3")
    reweight(tmp_path / "old.hepmc3", tmp_path / "new.h5", CHANGES)
    reweight(source, tmp_path / "new.hepmc3", CHANGES)
    wanted = read(source).reweight(CHANGES)["weight"]
    # HepMC3 keeps 16 digits
    np.testing.assert_allclose(read(tmp_path / "new.h5")["weight"], wanted, rtol=1e-9)
    np.testing.assert_allclose(read(tmp_path / "new.hepmc3")["weight"], wanted, rtol=1e-13)
    assert validate(tmp_path / "new.hepmc3").ok, str(validate(tmp_path / "new.hepmc3"))


@pytest.mark.parametrize("name", ["kept", "input"])
def test_nothing_is_overwritten_unasked(source: Path, tmp_path: Path, name: str) -> None:
    if name == "kept":
        path = tmp_path / "kept.h5"
        path.write_text("mine")
        with pytest.raises(OutputError, match="existing file"):
            reweight(source, path, CHANGES)
        assert path.read_text() == "mine"
    else:
        with pytest.raises(InputError, match="the input itself"):
            reweight(source, source, CHANGES, overwrite=True)
        assert len(read(source)) == 3000


@pytest.mark.parametrize("changes", [{"model.m4": "110 MeV"}, {"model.gD": 0.05}], ids=["before", "after the work"])
def test_a_refusal_leaves_no_file(source: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        reweight(source, tmp_path / "new.h5", changes)
    assert list(tmp_path.iterdir()) == []


def test_columns_in_chunks_as_of_another_program(source: Path, tmp_path: Path) -> None:
    """A file repacked with compression is read and written through memory."""
    copy = tmp_path / "packed.h5"
    copy.write_bytes(source.read_bytes())
    with h5py.File(copy, "r+") as file:
        for group in file["events"].values():
            values, attributes = group["w_xsec"][()], dict(group["w_xsec"].attrs)
            del group["w_xsec"]
            group.create_dataset("w_xsec", data=values, chunks=True, compression="gzip").attrs.update(attributes)
    reweight(copy, tmp_path / "new.h5", CHANGES)
    assert validate(tmp_path / "new.h5").ok
    np.testing.assert_array_equal(read(tmp_path / "new.h5")["weight"], read(source).reweight(CHANGES)["weight"])
