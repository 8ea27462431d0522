"""Several dark neutrinos: cascades, muon pairs, which state the beam makes, and a mass drawn from a line shape."""

from pathlib import Path
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import PULL
from records import check_record, momenta
from scipy.integrate import quad

from darkhorn.generator.files.convert import convert
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.generate import generate
from darkhorn.generator.processes.dark_neutrino_line_shape import line_shape, spectral_density
from darkhorn.generator.processes.dark_neutrino_model import dark_mixing, model_of
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON
from darkhorn.kernels.errors import InputError

FEW: dict[str, Any] = {
    "physics.regimes": ["coherent"],
    "physics.helicities": ["conserving"],
    "source.flavours": ["nu_mu", "nu_mu_bar"],
}
TPC = np.array([256.35, 233.0, 1036.8])


# --- three states ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three() -> Simulation:
    return cards.simulation(FEW, "microboone-three-states")


@pytest.fixture(scope="module")
def file(three: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("three") / "three.h5"
    generate(three, path, Request(3000, 1))
    return path


@pytest.mark.slow
def test_the_cascade_is_recorded_and_conserves_momentum(file: Path) -> None:
    events = read(file)
    assert set(events.topologies) == {f"whole_target_{name}_ee" for name in ("n6_n4", "n6_n5", "n6_n5_n4_ee")}
    check_record(events, {"n6": 0.299, "n5": 0.2, "n4": 0.1, "em": MASS_ELECTRON, "ep2": MASS_ELECTRON})
    table = events.topologies["whole_target_n6_n5_n4_ee_ee"]
    way = np.stack([table[f"decay2_{a}"] - table[f"decay_{a}"] for a in "xyz"], axis=1)
    p = np.stack([table[f"n5_p{a}"] for a in "xyz"], axis=1)
    length, momentum = np.linalg.norm(way, axis=1), np.linalg.norm(p, axis=1)
    assert np.max(np.abs(way - p * (length / momentum)[:, None])) < 1e-8
    taken = table["decay2_t"] - table["decay_t"]
    np.testing.assert_allclose(taken, length * table["n5_e"] / momentum / 29.9792458, rtol=1e-6, atol=1e-8)
    centre = np.array([128.175, 0.0, 518.4])
    for axis, half, middle in zip("xyz", TPC / 2, centre, strict=True):
        assert (np.abs(table[f"decay2_{axis}"] - middle) < half + 1e-6).all(), axis


@pytest.mark.slow
def test_antineutrinos_make_antiparticles_throughout(file: Path) -> None:
    for table in read(file).topologies.values():
        sign = np.sign(table["nu_pdg"])
        assert set(sign.tolist()) == {1, -1}
        for name, code in (("n4", 5914), ("n5", 5915), ("n6", 5916)):
            if f"{name}_pdg" in table:
                np.testing.assert_array_equal(table[f"{name}_pdg"], code * sign)


@pytest.mark.slow
def test_files_of_cascades_are_valid(file: Path, tmp_path: Path) -> None:
    text = tmp_path / "three.hepmc3"
    convert(file, text)
    for path in (file, text):
        report = validate(path)
        assert report.ok, str(report)


@pytest.mark.slow
def test_one_and_two_decays_share_the_events_of_the_first(three: Simulation) -> None:
    """The channel with one pair and those with two add up to first decays, times the branching ratio of N6 -> N5 ee."""
    plan = three.plan(1)
    rates = {
        channel.name.partition("/tpc/")[2]: channel for channel in plan.channels if channel.name.startswith("nu_mu/")
    }
    ratio = {
        row["channel"]: row["branching_ratio"] for row in three.widths() if row["particle"] == "N6" and "channel" in row
    }
    one, two, other = (rates[key] for key in ("N6>N5/e+e-", "N6>N5>N4/e+e-/e+e-", "N6>N4/e+e-"))
    wanted = ratio["N5 e+ e-"] / ratio["N4 e+ e-"]
    error = np.hypot(np.hypot(one.rate_error, two.rate_error) / (one.rate + two.rate), other.rate_error / other.rate)
    assert abs((one.rate + two.rate) / other.rate / wanted - 1) < PULL * error
    assert two.rate > 0.02 * one.rate  # leaving the second decay out would be seen


def test_every_state_that_mixes_is_made_by_its_own_mixing() -> None:
    mixings = {"model.umu4_sq": 1e-8, "model.umu5_sq": 2e-10, "model.ue5_sq": 3e-10}
    card = {**FEW, "model.m4": "140 MeV", "model.m5": "200 MeV", "model.mzprime": "1 GeV", **mixings}
    channels = cards.simulation(card).build.channels
    made = {(c.name.split("/")[0], c.name.partition("/tpc")[2]) for c in channels}
    assert {("nu_mu", ""), ("nu_mu", "/N4>nu/e+e-"), ("nu_mu_bar", "/N4>nu/e+e-")} <= made
    assert len({c.name for c in channels}) == len(channels)
    model = model_of(cards.simulation(card).card)
    np.testing.assert_allclose(np.asarray(dark_mixing(model))[1], np.sqrt([3e-10, 2e-10, 0]))
    shared = {**model, "shared_flavour": jnp.asarray(1.0), "dark_charge": jnp.asarray([0.5, 0.8])}
    # U_D5 (U_mu4 U_D4 + U_mu5 U_D5)
    assert float(dark_mixing(shared)[1, 1]) == pytest.approx(0.8 * (1e-4 * 0.5 + np.sqrt(2e-10) * 0.8))


# --- muons -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_muon_pairs_have_their_codes_and_their_share(three: Simulation) -> None:
    """On shell: the rates are as the widths of the Z'."""
    card = {**FEW, "model.m4": "400 MeV", "model.mzprime": "300 MeV", "generate.visible": ["e+e-", "mu+mu-"]}
    simulation = cards.simulation(card)
    plan = simulation.plan(1)
    rate = {c.name: c.rate for c in plan.channels}
    width = {r["channel"]: r["width_GeV"] for r in simulation.widths() if r["particle"] == "Zprime" and "channel" in r}
    name = "nu_mu/Ar40/coherent/conserving/tpc"
    assert rate[f"{name}/N4>nu/mu+mu-"] / rate[name] == pytest.approx(width["mu+ mu-"] / width["e+ e-"], rel=0.01)
    events = simulation.run(3000, seed=1)
    assert set(events.topologies) == {"whole_target_zprime_ee", "whole_target_zprime_mumu"}
    record = events.header.topology("whole_target_zprime_mumu")
    assert (record.particle("em").pdg, record.particle("ep").pdg) == (13, -13)
    p = momenta(events, "whole_target_zprime_mumu")
    shell = p["em"][:, 0] ** 2 - np.sum(p["em"][:, 1:] ** 2, axis=1)
    np.testing.assert_allclose(shell, MASS_MUON**2, rtol=1e-8)
    check_record(events, {"n4": 0.4, "zprime": 0.3})


def test_a_virtual_zprime_makes_hadrons() -> None:
    """m4 = 1 GeV: above two pions hadrons take a good part of the width, and the channels still add up."""
    rows = cards.simulation({"model.m4": "1 GeV", "model.mzprime": "3 GeV"}).widths()
    ratio = {row["channel"]: row["branching_ratio"] for row in rows if row["particle"] == "N4" and "channel" in row}
    assert sum(ratio.values()) == pytest.approx(1.0, rel=1e-12)
    assert 0.05 < ratio["nu hadrons"] < 0.9
    assert 0.5 < ratio["nu mu+ mu-"] / ratio["nu e+ e-"] < 1.0


# --- line shape --------------------------------------------------------------------------------------------------

BROAD = {
    **cards.ONE_CHANNEL,
    "model.m4": "100 MeV",
    "model.m5": "200 MeV",
    "model.mzprime": "60 MeV",
    "model.umu4_sq": 0.0,
    "model.umu5_sq": 2e-10,
}


def test_line_shape_is_normalised_and_narrow_in_the_limit() -> None:
    """The norm against scipy; and a narrow one is 1, as the pole alone gives."""
    m, m_j, mz, zero = (jnp.asarray(x, jnp.float64) for x in (0.2, 0.1, 0.06, 0.0))
    made = jax.jit(line_shape)
    density = jax.jit(spectral_density)
    for coupling, width in ((2.0, 0.0342), (1e-3, 8.55e-9)):
        couplings = jnp.asarray([coupling])
        shape = made(m, jnp.asarray(width), m_j[None], couplings, m_j + mz, zero, mz)
        if coupling > 1:

            def of(mass: float, shape: Any = shape) -> float:
                return 2 * mass * float(density(jnp.asarray(mass), shape, zero, mz))

            inner, _ = quad(of, 0.16, 0.5, points=[0.19, 0.2, 0.21], limit=400, epsrel=1e-9)
            outer, _ = quad(lambda x: of(1 / x) / x**2, 1e-6, 2.0, limit=400, epsrel=1e-9)
            assert float(shape["norm"]) == pytest.approx(inner + outer, rel=1e-5)
            assert abs(float(shape["norm"]) - 1) > 1e-3
        else:
            assert float(shape["norm"]) == pytest.approx(1.0, rel=1e-5)


def test_masses_follow_the_line_shape() -> None:
    simulation = cards.simulation({**BROAD, "physics.line_shape": True})
    events = simulation.run(4000, seed=1)
    (name,) = events.topologies
    assert name == "whole_target_dual_zprime_ee_broad"
    table, p = events.topologies[name], momenta(events, name)
    shell = p["n5"][:, 0] ** 2 - np.sum(p["n5"][:, 1:] ** 2, axis=1)
    assert np.max(np.abs(shell - table["n5_mass"] ** 2) / p["n5"][:, 0] ** 2) < 1e-10
    check_record(events, {"n4": 0.1, "zprime": 0.06})
    assert table["n5_mass"].min() > 0.16
    low, high = np.quantile(table["n5_mass"], [0.1, 0.9])
    assert 0.16 < low < 0.195
    assert 0.22 < high < 0.5


def test_a_narrow_line_shape_has_the_rate_of_the_mass_shell() -> None:
    narrow = {**BROAD, "model.gD": 0.02}
    shell, shape = (cards.simulation({**narrow, "physics.line_shape": on}).plan(1).channels[0] for on in (False, True))
    assert abs(shape.rate / shell.rate - 1) < PULL * np.hypot(shape.rate_error, shell.rate_error) / shell.rate + 1e-3
    broad = cards.simulation({**BROAD, "physics.line_shape": True}).plan(1).rate
    assert abs(broad / cards.simulation(BROAD).plan(1).rate - 1) > 0.1


def test_line_shape_of_narrow_states_is_refused() -> None:
    with pytest.raises(InputError, match="on their mass shells"):
        _ = cards.simulation({"physics.line_shape": True}).build
