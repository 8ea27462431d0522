"""Edges of a run: shards without events, overlapping regions, long headers, cards at the edge of the physics."""

from pathlib import Path

import cards
import numpy as np
import pyhepmc
import pytest

from darkhorn.generator.files.convert import convert
from darkhorn.generator.files.merge import merge
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.generate import generate
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.errors import InputError, PhysicsWarning


def test_shards_without_events_merge(microboone: Simulation, tmp_path: Path) -> None:
    """Three events in seven shards: most of them have none, and no shard has every topology."""
    paths = [tmp_path / f"{i}.h5" for i in range(7)]
    for i, path in enumerate(paths):
        generate(microboone, path, Request(3, 1, shard=i, n_shards=7))
    merged = read(merge(paths, tmp_path / "whole.h5"))
    direct = microboone.run(3, seed=1)
    assert sorted(merged["event_id"].tolist()) == sorted(direct["event_id"].tolist())
    assert merged.sum_w == pytest.approx(direct.sum_w, rel=1e-14)
    assert merged.header.pot == pytest.approx(direct.header.pot, rel=1e-14)


def test_a_header_longer_than_a_line_of_hepmc3_survives(tmp_path: Path) -> None:
    """Soil has many nuclides, so that its cross-section tables make a header of several hundred thousand characters."""
    strong = {"model.gD": 2e-3, "model.umu4_sq": 1e-7, "model.epsilon": 1e-3}
    sim = cards.simulation({**cards.COHERENT, "regions": ["tpc", "soil"], **strong})
    h5, text = tmp_path / "soil.h5", tmp_path / "soil.hepmc3"
    generate(sim, h5, Request(400, 1))
    assert len(read(h5).header.dumps()) > 1 << 17
    convert(h5, text)
    assert max(map(len, text.read_text().splitlines())) < 1 << 16
    with pyhepmc.open(str(text)) as file:
        assert sum(1 for _ in file) == len(read(h5))
    assert validate(text).ok
    again = read(text)
    for name, table in read(h5).topologies.items():
        np.testing.assert_allclose(again.topologies[name]["weight"], table["weight"], rtol=1e-15)


def test_regions_that_overlap_are_refused() -> None:
    with pytest.raises(InputError, match="tpc and cryostat, which overlap"):
        _ = cards.simulation({"regions": ["tpc", "cryostat"]}).build


def test_a_broad_state_is_told() -> None:
    broad = {"model.m4": "100 MeV", "model.m5": "200 MeV", "model.mzprime": "60 MeV"}
    with pytest.warns(PhysicsWarning, match="N5 is 34"):
        _ = cards.simulation({**broad, "model.umu4_sq": 0.0, "model.umu5_sq": 2e-10}).build


def test_an_open_invisible_decay_takes_the_width() -> None:
    """m5 > 3 m4: N5 -> N4 N4 N4 by the strong dark coupling, against e+e- by the weak one."""
    open_, closed = (
        cards.simulation(
            {
                "model.m4": m4,
                "model.m5": "200 MeV",
                "model.umu4_sq": 0.0,
                "model.umu5_sq": 2e-10,
                "model.mzprime": "1.25 GeV",
            }
        ).widths()
        for m4 in ("10 MeV", "70 MeV")
    )
    ratio = [
        {r["channel"]: r["branching_ratio"] for r in rows if "channel" in r and r["particle"] == "N5"}
        for rows in (open_, closed)
    ]
    assert ratio[0]["N4 N4 N4"] > 0.999
    assert ratio[0]["N4 e+ e-"] < 1e-6
    assert "N4 N4 N4" not in ratio[1]
    # N5 -> nu N4 N4 by the mixing of N5 is open, and as strong as |U|^2 (g_D / e epsilon)^2 makes it
    assert ratio[1]["N4 e+ e-"] + ratio[1]["nu N4 N4"] == pytest.approx(1.0, abs=1e-6)
    assert ratio[1]["nu N4 N4"] < 2e-3
