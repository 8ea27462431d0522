"""The broad sample: valid events, weights that add up to 1, vertices everywhere, sensible refusals."""

from pathlib import Path

import cards
import numpy as np
import pytest
from goodness import assert_follows

from darkhorn.generator.events import Events
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.runcard import load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.kernels.errors import InputError

N = 20_011


@pytest.fixture(scope="module")
def broad() -> Events:
    return cards.simulation(card="microboone-broad").run(N, seed=3)


def test_weights_add_up_to_one_and_are_equal(broad: Events) -> None:
    assert broad.sum_w == pytest.approx(1.0, abs=5e-3)
    assert broad.ess > 0.98 * N
    assert broad.header.cross_sections == {}


def test_file_is_valid_and_goes_to_a_detector_simulation(broad: Events, tmp_path: Path) -> None:
    path = broad.save(tmp_path / "broad.h5")
    report = validate(path)
    assert report.ok, str(report)
    text = read(path).save(tmp_path / "broad.hepevt").read_text().splitlines()
    tracked = [line.split()[:2] for line in text[1:6]]
    assert [pdg for status, pdg in tracked if status == "1"] == ["11", "-11"]


def test_visible_variables_of_events(broad: Events) -> None:
    found = broad.visible()
    assert found["e_ee"].shape == (N,)
    np.testing.assert_allclose(found["e_ee"], broad["em_e"] + broad["ep_e"])
    assert np.array_equal(found["decay_z"], broad["decay_z"])
    assert 1.1e-3 < found["mass_ee"].min() < found["mass_ee"].max() < 1.0
    assert np.all(found["e_ee"] > found["mass_ee"])


def test_vertices_are_uniform_and_in_time(broad: Events) -> None:
    """False alarm 3e-6."""
    volume = cards.simulation(card="microboone-broad").build.channels[0].params["decay_region"]
    centre, half = np.asarray(volume.centre), np.asarray(volume.half_size)
    for i, axis in enumerate("xyz"):
        assert_follows((broad[f"decay_{axis}"] - centre[i] + half[i]) / (2 * half[i]), label=axis)
    late = broad["decay_t"] - (np.array(broad.header.detector["origin_cm"])[2] + broad["decay_z"]) / 29.9792458
    assert -10 < late.min() < late.max() < 84 * 18.94  # the spill


def test_two_volumes_share_by_size() -> None:
    """The modules of ICARUS are alike: half of the weight in each."""
    tpcs = ["tpc-east", "tpc-west"]
    events = cards.simulation({"detector": "icarus", "regions": tpcs, "decay_in": tpcs}, "microboone-broad").run(5000)
    assert events.sum_w == pytest.approx(1.0, abs=0.01)
    found = [events["weight"][events["region"] == i].sum() for i in (0, 1)]
    assert found[0] == pytest.approx(found[1], rel=0.01)
    assert np.all((events["decay_x"] > 0)[events["region"] == 0] == (events["decay_x"] > 0)[events["region"] == 0][0])


def test_refusals() -> None:
    wrong = {"model.least_mass": "1 MeV"}, {"model.most_mass": "7 GeV"}, {"model.wide_share": 1.0}
    for overrides in wrong:
        with pytest.raises(InputError):
            load_card("microboone-broad", overrides)
    other = Simulation.from_card("microboone-broad", {"regions": ["tpc", "soil"]})
    with pytest.raises(InputError, match="regions"):
        _ = other.build
    sim = cards.simulation(card="microboone-broad")
    assert sim.widths() == []
    with pytest.raises(InputError, match="cross section"):
        sim.cross_sections([1.0])
