"""Several dark neutrinos with a magnetic moment or a scalar: widths of all pairs, what the beam makes, cascades.

Statistical verdicts reject the truth once in a million runs.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cards
import numpy as np
import pytest
from goodness import ALPHA, PULL, assert_follows, ks_probability
from numpy.typing import NDArray
from records import check_record, momenta
from scipy.integrate import quad

from darkhorn.generator.files.convert import convert
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.generate import generate
from darkhorn.generator.simulation import Request, Simulation
from darkhorn.kernels.constants import ALPHA as FINE_STRUCTURE
from darkhorn.kernels.constants import MASS_ELECTRON

Real = NDArray[np.float64]
NAME = {"name": "dark-neutrino", "hnl": "dirac"}
M4, M5, M6, MH = 0.06, 0.15, 0.25, 0.04
MASSES = {"m4": "60 MeV", "m5": "150 MeV", "m6": "250 MeV"}
DIPOLE = {
    **NAME, **MASSES, "mediator": "dipole", "mu_tr_mu6": "1e-6 GeV^-1", "mu_tr_65": "1e-2 GeV^-1",
    "mu_tr_54": "1e-2 GeV^-1", "mu_tr_64": "3e-3 GeV^-1",
}  # fmt: skip
SCALAR = {
    **NAME, **MASSES, "mediator": "scalar", "mhprime": "40 MeV", "s_mu6": 1e-4, "s_65": 1e-3, "s_54": 1e-3,
    "s_64": 3e-4, "vertices": {"e_S": 1e-3, "p_S": 1e-3, "n_S": 1e-3},
}  # fmt: skip
HEAVY = {**SCALAR, "m4": "40 MeV", "mhprime": "1.25 GeV", "s_mu4": 1e-4, "s_65": 3.0, "s_54": 2.0, "s_64": 0.3}
FLIPPING = {
    "source": {**cards.PEER_BOX["source"], "flavours": ["nu_mu"]},
    "physics": {"regimes": ["coherent"], "helicities": ["flipping"]},
}


PHOTONS = {"generate": {"visible": "gamma"}}


def simulation(model: dict[str, Any], **changes: Any) -> Simulation:
    return cards.simulation({}, {**cards.PEER_BOX, **FLIPPING, "model": model, **changes})


def widths_of(sim: Simulation) -> dict[tuple[str, str], float]:
    return {(r["particle"], r["channel"]): r["width_GeV"] for r in sim.widths() if "channel" in r}


def ratio_of(sim: Simulation, *decays: tuple[str, str]) -> float:
    return cards.branching_ratio(sim, decays)


def in_rest_frame(p: Real, parent: Real, mass: float) -> Real:
    """Unit vectors of (n, 4) momenta in the rest frame of their parents."""
    u, g = parent[:, 1:] / mass, parent[:, :1] / mass
    along = np.sum(u * p[:, 1:], axis=1, keepdims=True)
    seen = p[:, 1:] + u * (along / (1 + g) - p[:, :1])
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True))


# --- widths ------------------------------------------------------------------------------------------------------


def test_a_moment_of_every_pair_of_states() -> None:
    """mu^2 m^3 (1 - r^2)^3/16 pi of every pair and of neutrinos, twice for Majorana; pairs of electrons beside."""
    model = {**DIPOLE, "mu_tr_mu4": "2e-6 GeV^-1", "mu_tr_e4": "1e-6 GeV^-1"}
    moments = {
        ("N6", "N5"): (1e-2, M6, M5), ("N6", "N4"): (3e-3, M6, M4), ("N5", "N4"): (1e-2, M5, M4),
        ("N6", "nu"): (1e-6, M6, 0.0), ("N4", "nu"): (np.sqrt(5) * 1e-6, M4, 0.0),
    }  # fmt: skip
    for hnl, factor in (("dirac", 1.0), ("majorana", 2.0)):
        found = widths_of(simulation({**model, "hnl": hnl}))
        assert {key for key in found if key[1].endswith("gamma")} == {(n, f"{j} gamma") for n, j in moments}
        for (parent, daughter), (moment, m, m_j) in moments.items():
            wanted = factor * moment**2 * m**3 / (16 * np.pi) * (1 - (m_j / m) ** 2) ** 3
            assert found[parent, f"{daughter} gamma"] == pytest.approx(wanted, rel=1e-12, abs=0.0), (parent, daughter)
            # of light leptons 2 alpha/(3 pi) ln(.../m_e) of it; the daughter's mass takes from the logarithm
            low, high = (2 * FINE_STRUCTURE / (3 * np.pi) * np.log(x * (m - m_j) / MASS_ELECTRON) for x in (0.1, 0.5))
            assert low < found[parent, f"{daughter} e+ e-"] / wanted < high, (parent, daughter)


def to_pair(q: float, m_1: float, m_2: float, coupling: float) -> float:
    """Gamma(h' -> N_1 N_2) of an h' of mass q, Dirac, both charges: s^2 (q^2 - m_1^2 - m_2^2) p/(4 pi q^2)."""
    momentum = np.sqrt(max((q**2 - (m_1 + m_2) ** 2) * (q**2 - (m_1 - m_2) ** 2), 0.0)) / (2 * q)
    return float(coupling**2 * (q**2 - m_1**2 - m_2**2) * momentum / (4 * np.pi * q**2))


@pytest.mark.slow
def test_widths_through_a_virtual_scalar() -> None:
    """N6 -> N4 e e and N6 -> N4 N4 N5 by scipy; in the propagator is what h' can decay to at the masses in question."""
    found = widths_of(simulation(HEAVY))
    m4, mh = 0.04, 1.25
    assert found["Hprime", "N4 N5"] == pytest.approx(to_pair(mh, m4, M5, 2.0), rel=1e-12, abs=0.0)
    assert found["Hprime", "N5 N6"] == pytest.approx(to_pair(mh, M5, M6, 3.0), rel=1e-12, abs=0.0)
    assert found["Hprime", "nu N4"] == pytest.approx(to_pair(mh, 0.0, m4, 1e-4), rel=1e-12, abs=0.0)
    room = M6 - m4  # 210 MeV: N4 N5 is open, N5 N6 is not
    absorbed = sum(found["Hprime", name] for name in ("N4 N5", "nu N4", "e+ e-"))

    def integrand(q: float, to_x: float) -> float:
        momentum = np.sqrt((M6**2 - (m4 + q) ** 2) * (M6**2 - (m4 - q) ** 2)) / (2 * M6)
        first = 0.3**2 * momentum * np.hypot(momentum, m4) / (8 * np.pi * M6)
        return 2 * q * first * q * to_x / ((q**2 - mh**2) ** 2 + (mh * absorbed) ** 2) / np.pi

    def electrons(q: float) -> float:
        return 1e-6 * q / (8 * np.pi) * (1 - (2 * MASS_ELECTRON / q) ** 2) ** 1.5

    def integral(low: float, to_x: Callable[[float], float]) -> float:
        """With a cubic map, which takes the square roots at both ends."""

        def mapped(s: float) -> float:
            q = low + (room - low) * s * s * (3 - 2 * s)
            return integrand(q, to_x(q)) * (room - low) * 6 * s * (1 - s)

        return float(quad(mapped, 0.0, 1.0, epsrel=1e-11, limit=200)[0])

    wanted = integral(2 * MASS_ELECTRON, electrons)
    assert found["N6", "N4 e+ e-"] == pytest.approx(wanted, rel=1e-8, abs=0.0)
    wanted = integral(m4 + M5, lambda q: to_pair(q, m4, M5, 2.0))
    assert found["N6", "N4 N4 N5"] == pytest.approx(wanted, rel=1e-8, abs=0.0)
    assert found["N6", "N4 N4 N5"] > 1e3 * found["N6", "N4 e+ e-"]


# --- channels ----------------------------------------------------------------------------------------------------


def test_every_state_that_couples_is_made_and_decays_to_all() -> None:
    model = {**DIPOLE, "mu_tr_mu5": "1e-6 GeV^-1", "mu_tr_e4": "1e-6 GeV^-1"}
    sim = simulation(
        {**model, "mu_tr_65": "1e-5 GeV^-1", "mu_tr_64": "1e-5 GeV^-1", "mu_tr_54": "0 GeV^-1"},
        source={**cards.PEER_BOX["source"], "flavours": ["nu_mu", "nu_e_bar"]},
        **PHOTONS,
    )
    names = Counter(channel.name.partition("/tpc/")[2] for channel in sim.build.channels)
    one = (f"{path}/gamma" for path in ("N4>nu", "N5>nu", "N6>N5", "N6>N4", "N6>nu"))
    assert names == Counter([*one, "N6>N5>nu/gamma/gamma", "N6>N4>nu/gamma/gamma"])
    flavours = {c.name.split("/")[0]: c.name.partition("/tpc/")[2][:2] for c in sim.build.channels}
    assert flavours["nu_e_bar"] == "N4"
    for channel in sim.build.channels:
        made = channel.name.partition("/tpc/")[2][:2]
        code = {"N4": 5914, "N5": 5915, "N6": 5916}[made]
        assert channel.constants[f"{made.lower()}_pdg"] == (code if channel.projectile_pdg > 0 else -code)
    rows = sim.cross_sections([1.0], ["Ar40"])
    made_by = {(row["process"].split()[0], row["process"].split()[3]) for row in rows}
    assert made_by == {("nu_mu", "N5"), ("nu_mu", "N6"), ("nu_e_bar", "N4")}
    particles = {row["name"]: row for row in sim.build.particles}
    assert {"N4", "N5", "N6", "N6~"} <= particles.keys()
    assert particles["N5~"]["pdg"] == -5915


@pytest.mark.slow
def test_two_states_made_by_the_beam_are_two_models_of_one_state() -> None:
    """N4 and N5 with moments of their own and none between them."""
    both = simulation({
        **NAME, "mediator": "dipole", "m4": "60 MeV", "m5": "150 MeV", "mu_tr_mu4": "2e-6 GeV^-1",
        "mu_tr_mu5": "1e-6 GeV^-1",
    }, **PHOTONS)  # fmt: skip
    found = {c.name.partition("/tpc")[2]: c for c in both.plan(1).channels}
    assert set(found) == {"/N4>nu/gamma", "/N5>nu/gamma"}
    for state, mass, moment in (("N4", "60 MeV", "2e-6"), ("N5", "150 MeV", "1e-6")):
        alone = simulation({**NAME, "mediator": "dipole", "m4": mass, "mu_tr_mu4": f"{moment} GeV^-1"}, **PHOTONS)
        (one,), two = alone.plan(1).channels, found[f"/{state}>nu/gamma"]
        assert abs(one.rate - two.rate) < PULL * np.hypot(one.rate_error, two.rate_error), state
        assert one.rate_error < 0.01 * one.rate


# --- cascades ----------------------------------------------------------------------------------------------------


MASS_OF = {"n6": M6, "n5": M5, "n4": M4, "gamma": 0.0, "gamma2": 0.0, "em": MASS_ELECTRON, "ep2": MASS_ELECTRON}
BOTH_CHARGES = {**cards.PEER_BOX["source"], "flavours": ["nu_mu", "nu_mu_bar"]}


@pytest.mark.slow
def test_two_photons(tmp_path: Path, rng: np.random.Generator) -> None:
    """N5 leaves N6 -> N5 gamma with helicity -1, fully polarised along the photon: in its rest frame the cosine between
    the photons has the density (1 - c)/2, and 1/2 for Majorana. Rates are scattering times both branching ratios.
    """
    first, second = ("N6", "N5 gamma"), ("N5", "N4 gamma")
    for hnl, slope in (("dirac", -1.0), ("majorana", 0.0)):
        sim = simulation({**DIPOLE, "hnl": hnl}, source=BOTH_CHARGES, **PHOTONS)
        channels = {c.name: c for c in sim.plan(1).channels}
        names = [c.name for c in sim.build.channels if c.name.endswith("gamma/gamma")]
        assert len(names) == 2
        path = tmp_path / f"{hnl}.h5"
        generate(sim, path, Request(10_000, 1))
        events = read(path)
        name = "whole_target_n6_n5_n4_gamma_gamma"
        assert set(events.topologies) <= {name, "whole_target_n6_n5_gamma", "whole_target_n6_n4_gamma"}
        check_record(events, MASS_OF)
        p = momenta(events, name)
        one, two = (in_rest_frame(p[role], p["n5"], M5) for role in ("gamma", "gamma2"))
        cosine = np.sum(one * two, axis=1)
        assert_follows(cosine, lambda c, s=slope: (1 + c) / 2 + s * (c * c - 1) / 4, hnl)  # type: ignore[misc]
        assert ks_probability(cosine, lambda c, s=slope: (1 + c) / 2 - (1 + s) * (c * c - 1) / 4) < ALPHA  # type: ignore[misc]
        table = events.topologies[name]
        if hnl == "dirac":
            sign = np.sign(table["nu_pdg"])
            assert set(sign.tolist()) == {1, -1}
            for state, code in (("n4", 5914), ("n5", 5915), ("n6", 5916)):
                np.testing.assert_array_equal(table[f"{state}_pdg"], code * sign)
            text = tmp_path / "events.hepmc3"
            convert(path, text)
            for file in (path, text):
                report = validate(file)
                assert report.ok, str(report)
        atoms = cards.nuclei(1.3954, 1.0, "Ar40", 256.0 * 232.0 * 1040.0)
        for channel in sim.build.channels:
            if channel.name in names:
                wanted = cards.expected_events(sim, channel, atoms, rng, decays=(first, second))
                got = channels[channel.name]
                assert abs(got.rate - wanted) < PULL * got.rate_error + 1e-3 * wanted, channel.name


@pytest.mark.slow
def test_photons_and_pairs_share_the_events_of_the_first_decay() -> None:
    """N5 that flies metres: N6 -> N5 gamma with nothing, a photon or a pair after it add up to the branching ratio."""
    sim = simulation({**DIPOLE, "mu_tr_54": "2e-6 GeV^-1"}, generate={"visible": ["gamma", "e+e-"]})
    rate = {c.name.partition("/tpc/")[2]: c for c in sim.plan(1).channels}
    wanted = ratio_of(sim, ("N6", "N5 gamma")) / ratio_of(sim, ("N6", "N4 gamma"))
    parts = [rate[key] for key in ("N6>N5/gamma", "N6>N5>N4/gamma/gamma", "N6>N5>N4/gamma/e+e-")]
    total, other = sum(c.rate for c in parts), rate["N6>N4/gamma"]
    error = np.hypot(np.sqrt(sum(c.rate_error**2 for c in parts)) / total, other.rate_error / other.rate)
    assert abs(total / other.rate / wanted - 1) < PULL * error
    assert 0.05 < parts[1].rate / total < 0.95  # leaving the second decay out would be seen
    pairs = ratio_of(sim, ("N5", "N4 e+ e-")) / ratio_of(sim, ("N5", "N4 gamma"))
    error = np.hypot(parts[1].rate_error / parts[1].rate, parts[2].rate_error / parts[2].rate)
    assert abs(parts[2].rate / parts[1].rate / pairs - 1) < PULL * error
    check_record(sim.run(3000, seed=2), MASS_OF)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["on shell", "virtual"])
def test_two_pairs_by_a_scalar(model: str, rng: np.random.Generator) -> None:
    """Records; the rate of prompt decays by quadrature; forced flights against free ones."""
    chosen = SCALAR if model == "on shell" else {**HEAVY, "m4": "60 MeV", "s_mu4": 0.0, "s_64": 0.0}
    sim = simulation(chosen)
    events = sim.run(4000, seed=1)
    check_record(events, {**MASS_OF, "hprime": MH, "hprime2": MH})
    (name,) = (t for t in events.topologies if "n5_n4" in t)
    assert name == "whole_target_n6_n5_n4" + "_hprime_hprime2" * (model == "on shell") + "_ee_ee"
    two = next(c for c in sim.plan(1).channels if c.name.endswith("N6>N5>N4/e+e-/e+e-"))
    if model == "on shell":
        atoms = cards.nuclei(1.3954, 1.0, "Ar40", 256.0 * 232.0 * 1040.0)
        channel = next(c for c in sim.build.channels if c.name == two.name)
        decays = (("N6", "N5 Hprime"), ("N5", "N4 Hprime"), ("Hprime", "e+ e-"), ("Hprime", "e+ e-"))
        wanted = cards.expected_events(sim, channel, atoms, rng, decays=decays)
        assert abs(two.rate - wanted) < PULL * two.rate_error + 1e-3 * wanted
        return
    made = simulation(chosen, force_decay=False).run(20_000, seed=1)
    table = made.topologies[name]
    inside = np.where((table["decay_inside"] * table["decay2_inside"]) > 0, table["weight"], 0.0)
    error = np.hypot(np.sqrt(len(inside)) * inside.std(), two.rate_error)
    assert abs(inside.sum() - two.rate) < PULL * error
    assert error < 0.1 * two.rate
    assert 0.01 < inside.sum() / table["weight"].sum() < 0.99
