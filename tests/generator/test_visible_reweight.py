"""Visible-space reweighting: closure on one channel, errors, refusals, files. Ten points: tests/statistical."""

from pathlib import Path
from typing import Any

import cards
import jax.numpy as jnp
import numpy as np
import pytest
import visible_closure as closure
from goodness import ALPHA

from darkhorn.generator.events import Events
from darkhorn.generator.files.info import info
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.processes.broad_pair import proposal_of
from darkhorn.generator.visible_reweight import bin_errors, reweight_events, reweight_visible
from darkhorn.generator.visible_weighting import Limits, make_weighting
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.pair_proposal import PairUniforms, sample_pair

SMALL: dict[str, Any] = cards.ONE_CHANNEL
DENSITY = 400_000
N = 200_000


@pytest.fixture(scope="module")
def broad() -> Events:
    return cards.simulation(card="microboone-broad").run(N, seed=4)


@pytest.fixture(scope="module")
def light(broad: Events) -> Any:
    return reweight_events(broad, "microboone", overrides=SMALL, density_events=DENSITY)


@pytest.fixture(scope="module")
def direct() -> Events:
    return cards.simulation(SMALL).run(100_000, seed=8)


def test_closure_on_a_light_dark_photon(light: Any, direct: Events) -> None:
    """Every distribution of the four variables, E_ee against cos(theta_ee), and the rate. False alarm 6e-6."""
    events, report = light
    for name, probability in closure.probabilities(closure.of_events(events), closure.of_events(direct)).items():
        assert probability > ALPHA, name
    assert report.coverage > 0.999
    expected = report.share * report.coverage * report.target
    error = np.hypot(report.sum_w_error, report.density_error)
    assert abs(report.sum_w - expected) < 4.9 * error
    assert error < 0.04 * expected
    assert report.target == pytest.approx(direct.sum_w, rel=0.01)
    assert events.sum_w == pytest.approx(report.sum_w)
    assert report.ess == pytest.approx(events.ess)
    assert report.ess > 1000


def test_ratios_integrate_to_the_target(rng: np.random.Generator) -> None:
    """Pairs of the broad density in the mass bin of the target alone: their ratios add up to its rate to 0.2 %.

    False alarm 1e-6. The kinematic edge E > m cuts the cells, the tails are far from the bulk.
    """
    source = cards.simulation(card="microboone-broad")
    weighting = make_weighting(source, cards.simulation(SMALL), density_events=DENSITY)
    proposal = proposal_of(source.card)
    whole = float(np.log(proposal.most_mass / proposal.least_mass))
    low, high = (np.log(0.03) - np.log(proposal.least_mass) + np.array([-0.06, 0.06])) / whole
    u = rng.random((6, 400_000))
    u[0] = low + (high - low) * u[0]
    em, ep = sample_pair(PairUniforms(*map(jnp.asarray, u)), proposal, MASS_ELECTRON)
    names = zip(("e", "px", "py", "pz"), em, ep, strict=True)
    columns = {f"{role}_{c}": np.asarray(p) for c, one, other in names for role, p in (("em", one), ("ep", other))}
    ratio, cell = weighting.ratio(columns, MASS_ELECTRON)
    assert np.array_equal(ratio > 0, (cell >= 0) & (weighting.target.content[cell] > 0))
    found, error = ratio.mean() * (high - low), ratio.std() / 400_000**0.5 * (high - low)
    expected = weighting.target.content.sum()
    assert error < 3e-3 * expected
    assert abs(found - expected) < 4.9 * error


def test_power_of_the_closure(light: Any) -> None:
    """A target 30 % heavier with half the rate more is told from this one: by two shapes, and by the rate."""
    events, report = light
    other = cards.simulation({**SMALL, "model.m4": "138 MeV", "model.umu4_sq": 3e-10}).run(100_000, seed=8)
    found = closure.probabilities(closure.of_events(events), closure.of_events(other), scale=events.sum_w / other.sum_w)
    assert sum(probability < ALPHA for probability in found.values()) >= 2, found
    assert abs(report.sum_w - other.sum_w) > 4.9 * np.hypot(report.sum_w_error, report.density_error)


def test_mass_is_kept_to_the_stated_resolution(light: Any) -> None:
    events, _ = light
    mass = events.visible()["mass_ee"][events["weight"] > 0]
    assert np.all(np.abs(np.log(mass / 0.03)) < 0.05 + 1e-9)


def test_density_error_is_the_spread_over_densities(broad: Events) -> None:
    """Ten densities of few events: the spread of a bin's content is the error that is told, to 45 %.

    The mean square of six ratios has 54 degrees of freedom, its root an error of 10 %: false alarm 1e-5.
    """
    energy = np.searchsorted([0.15, 0.25, 0.35, 0.5, 0.7], broad.visible()["e_ee"])
    contents, errors = [], []
    for seed in range(10):
        events, _ = reweight_events(
            broad, "microboone", overrides=SMALL, density_events=20_000, seed=seed, limits=Limits(coverage=0.9)
        )
        content, _, error = bin_errors(events, energy, 6)
        contents.append(content)
        errors.append(error)
    ratio = np.std(contents, axis=0, ddof=1) / np.mean(errors, axis=0)
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0, abs=0.45)


def test_from_an_ordinary_sample_to_another_mass(direct: Events) -> None:
    """m4 from 106 to 112 MeV at the same mZ', the source sampled as well. False alarm 6e-6."""
    heavier = {**SMALL, "model.m4": "112 MeV"}
    events, report = reweight_events(
        direct, "microboone", overrides=heavier, density_events=DENSITY, limits=Limits(coverage=0.9)
    )
    assert report.source_density == "sampled"
    wanted = cards.simulation(heavier).run(100_000, seed=9)
    error = np.hypot(report.sum_w_error, report.density_error)
    assert abs(report.sum_w - report.coverage * report.target) < 4.9 * error + 0.005 * report.target
    found = closure.probabilities(
        closure.of_events(events), closure.of_events(wanted), scale=events.sum_w / wanted.sum_w
    )
    assert min(found.values()) > ALPHA, found


def test_targets_that_are_not_covered_are_refused(direct: Events, broad: Events) -> None:
    with pytest.raises(InputError, match=r"covers 0 % of the rate"):
        reweight_events(direct, "microboone", overrides={**SMALL, "model.mzprime": "60 MeV"}, density_events=50_000)
    with pytest.raises(InputError, match="effective sample size"):
        reweight_events(
            broad, "microboone", overrides=SMALL, density_events=50_000, limits=Limits(coverage=0.5, ess=1e5)
        )
    with pytest.raises(InputError, match="detector"):
        reweight_events(broad, "sbnd", density_events=50_000)
    with pytest.raises(InputError, match="cos_theta_ee"):
        reweight_events(broad, "microboone", ["cos_theta"], density_events=50_000)


def test_part_of_a_sample_keeps_its_weights(broad: Events, light: Any) -> None:
    """A selection has the weights that its events have in the whole sample."""
    some = {name: {key: c[:1000] for key, c in columns.items()} for name, columns in broad.topologies.items()}
    part, _ = reweight_events(
        Events(broad.header, some), "microboone", overrides=SMALL, density_events=DENSITY, limits=Limits(ess=0)
    )
    assert np.array_equal(part["weight"], light[0]["weight"][:1000])
    assert part["weight"].any()


def test_vertex_variables(broad: Events) -> None:
    """The soil's vertices fall with z: with decay_z among the variables they do. False alarm 1e-6 each."""
    card = {**SMALL, "model.m4": "106 MeV", "model.mzprime": "30 MeV", "model.gD": 0.02, "regions": ["tpc"]}
    names = ("e_ee", "cos_theta_ee", "asymmetry", "opening_angle", "decay_z")
    events, report = reweight_events(
        broad, "microboone", names, overrides=card, density_events=DENSITY, limits=Limits(ess=50)
    )
    wanted = cards.simulation(card).run(50_000, seed=9)
    z, mean = events["decay_z"], np.average(wanted["decay_z"], weights=wanted["weight"])
    w = events["weight"]
    found = np.average(z, weights=w)
    error = np.sqrt(np.sum(w**2 * (z - found) ** 2)) / w.sum()
    assert abs(found - mean) < 4.9 * error
    flat = np.average(z, weights=broad["weight"])
    assert abs(flat - mean) > 4.9 * error  # the vertices of the sample itself are elsewhere
    assert report.axes[-1] == "decay_z"


def test_file(broad: Events, light: Any, tmp_path: Path) -> None:
    source, first, second = tmp_path / "broad.h5", tmp_path / "light.h5", tmp_path / "again.h5"
    Events(broad.header, broad.topologies).save(source)
    report = reweight_visible(source, "microboone", first, overrides=SMALL, density_events=DENSITY)
    assert report == light[1]
    events = read(first)
    assert np.array_equal(events["weight"], light[0]["weight"])
    assert np.array_equal(events["event_id"], broad["event_id"])
    found = validate(first)
    assert found.ok, str(found)
    told = info(first)
    record = told["visible_reweighting"]
    assert record["target_card_resolved"]["model"]["name"] == "dark-neutrino"
    assert told["card_resolved"]["model"]["name"] == "broad-pair"
    assert record["variables"] == ["e_ee", "cos_theta_ee", "asymmetry", "opening_angle"]
    assert record["coverage"] == report.coverage
    assert told["pot"] == pytest.approx(6.87e20)
    columns = told["topologies"]["broad_pair_ee"]["columns"]
    assert "density error" in columns["visible_cell"]["description"]
    # weights of a reweighted file are forgotten, not multiplied
    reweight_visible(first, "microboone", second, overrides=SMALL, density_events=DENSITY)
    np.testing.assert_allclose(read(second)["weight"], events["weight"], rtol=1e-12)
    with pytest.raises(InputError, match="HDF5"):
        reweight_visible(source, "microboone", tmp_path / "light.hepmc3", overrides=SMALL, density_events=DENSITY)
    with pytest.raises(InputError, match="visible_cell"):
        bin_errors(broad, np.zeros(len(broad), int), 1)
