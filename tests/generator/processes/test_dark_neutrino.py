"""The dark-neutrino process: conserved momenta, masses, and every switch of the card against quadrature."""

from typing import Any

import cards
import numpy as np
import pytest
from numpy.typing import NDArray
from records import momenta

from darkhorn.generator.events import Events
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError

TPC = 256.35 * 233.0 * 1036.8
Momentum = NDArray[Any]


def square(p: Momentum) -> NDArray[Any]:
    return np.asarray(p[:, 0] ** 2 - np.sum(p[:, 1:] ** 2, axis=1))


@pytest.mark.parametrize("topology", ["whole_target_zprime_ee", "nucleon_zprime_ee"])
def test_momentum_is_conserved_at_every_vertex(sample: Events, topology: str) -> None:
    record, p = sample.header.topology(topology), momenta(sample, topology)
    for vertex in range(len(record.vertices)):
        into = sum(p[particle.role] for particle in record.particles if particle.ends == vertex)
        out = sum(p[particle.role] for particle in record.particles if particle.produced == vertex)
        largest = np.max([np.abs(p[q.role][:, 0]) for q in record.particles if vertex in (q.ends, q.produced)], axis=0)
        assert np.max(np.abs(into - out) / largest[:, None]) < 1e-10, vertex


@pytest.mark.parametrize("topology", ["whole_target_zprime_ee", "nucleon_zprime_ee"])
def test_particles_are_on_their_mass_shells(sample: Events, topology: str) -> None:
    p, columns = momenta(sample, topology), sample.topologies[topology]
    masses: dict[str, Any] = {
        "n4": 0.106,
        "zprime": 0.03,
        "em": MASS_ELECTRON,
        "ep": MASS_ELECTRON,
        "nu": 0.0,
        "nu_out": 0.0,
    }
    for role, mass in {**masses, "recoil": columns["recoil_mass"]}.items():
        assert np.max(np.abs(square(p[role]) - mass**2) / p[role][:, 0] ** 2) < 1e-10, role
        assert (p[role][:, 0] >= mass).all()
    q = p["nu"] - p["n4"]
    np.testing.assert_allclose(-square(q), columns["q2"], rtol=1e-6, atol=1e-13)


def test_codes_of_the_particles(sample: Events) -> None:
    for name, table in sample.topologies.items():
        assert set(np.unique(table["nu_pdg"])) == {14, -14}
        np.testing.assert_array_equal(table["n4_pdg"], 5914 * np.sign(table["nu_pdg"]))
        np.testing.assert_array_equal(table["nu_out_pdg"], table["nu_pdg"])  # only the muon flavour mixes
        recoils = {2212, 2112} if name == "nucleon_zprime_ee" else {1000180400}
        assert set(np.unique(table["recoil_pdg"])) == recoils
        assert set(np.unique(table["zprime_pdg"])) == {5921}


VARIANTS: dict[str, dict[str, Any]] = {
    "antineutrino mode": {"source.mode": "antineutrino"},
    "nu_e mixing only": {"model.umu4_sq": 0.0, "model.ue4_sq": 2e-10},
    "majorana": {"model.hnl": "majorana"},
    "no polarisation": {"physics.zprime_polarisation": False},
    "no Z exchange": {"physics.z_exchange": False, "model.mzprime": "90 MeV", "model.epsilon": 1e-4},
    "helm": {"physics.form_factor": "helm"},
    "symmetrised fermi": {"physics.form_factor": "symmetrised-fermi"},
    "free protons": {"physics.regimes": ["p-elastic"], "physics.incoherent": "free"},
    "pauli": {"physics.regimes": ["p-elastic", "n-elastic"], "physics.incoherent": "pauli"},
}


SLOW = (
    "symmetrised fermi",
    "helm",
    "no polarisation",
    "pauli",
    "antineutrino mode",
    "nu_e mixing only",
)  # differ from others by numbers alone


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in VARIANTS])
def test_every_switch_makes_finite_events_that_add_up(name: str, rng: np.random.Generator) -> None:
    sim = cards.simulation(VARIANTS[name])
    mode = "antineutrino" if name == "antineutrino mode" else "neutrino"
    argon = cards.nuclei(1.3954, 1.0, "Ar40", TPC)
    check_sums(sim, {"Ar40": argon}, rng, mode)
    if name == "nu_e mixing only":
        assert {c.projectile_pdg for c in sim.build.channels} == {12, -12}


def check_sums(sim: Any, atoms: dict[str, float], rng: np.random.Generator, mode: str = "neutrino") -> Events:
    events: Events = sim.run(6000, seed=1)
    for table in events.topologies.values():
        for key, column in table.items():
            assert np.isfinite(column).all(), key
    expected = np.array([cards.expected_events(sim, c, atoms[c.target], rng, mode) for c in sim.build.channels])
    plan = sim.plan(1)
    for channel, found, wanted in zip(plan.channels, events.header.channels, expected, strict=True):
        # the pilot has 10^5 events of every channel, also of the rare ones
        assert abs(channel.rate - wanted) < 4.9 * channel.rate_error + 3e-4 * wanted, channel.name
        error = (channel.variance / found["n_total"]) ** 0.5
        if found["n_total"] >= 200:  # the sum of a handful of uneven weights is no normal deviate
            assert abs(found["sum_w"] - wanted) < 6 * error + 3e-4 * wanted, channel.name
    assert events.sum_w == pytest.approx(expected.sum(), rel=0.02)
    return events


def test_a_detector_spelled_out_with_free_protons(rng: np.random.Generator) -> None:
    """CH2 in a box of one's own: carbon whole and by its protons, and hydrogen, a free proton that stays whole."""
    fractions = {"C12": 0.856, "H1": 0.144}
    card = {
        **cards.PEER_BOX,
        "detector": {
            **cards.PEER_BOX["detector"],
            "volumes": {
                "tpc": {
                    "shape": "box",
                    "centre": ["10 cm", "-20 cm", "0 cm"],
                    "size": ["2 m", "3 m", "4 m"],
                    "material": "plastic",
                }
            },
            "materials": {"plastic": {"density": "1.06 g/cm3", "composition": fractions}},
        },
    }
    sim = cards.simulation({}, card)
    names = {channel.name for channel in sim.build.channels}
    assert "nu_mu/C12/coherent/conserving/tpc" in names
    assert "nu_mu/C12/p-elastic/conserving/tpc" in names
    assert "nu_mu/H1/p-elastic/conserving/tpc" in names
    assert "nu_mu/H1/coherent/conserving/tpc" not in names
    atoms = {name: cards.nuclei(1.06, fraction, name, 200.0 * 300.0 * 400.0) for name, fraction in fractions.items()}
    events = check_sums(sim, atoms, rng)
    free = [c for c in sim.build.channels if c.target == "H1"]
    assert {c.topology.name for c in free} == {"whole_target_zprime_ee"}
    whole = events.topologies["whole_target_zprime_ee"]
    assert {1000060120, free[0].target_pdg} == set(np.unique(whole["target_pdg"]).tolist())
    assert set(whole["recoil_pdg"][whole["target_pdg"] == free[0].target_pdg].tolist()) == {2212}
    for axis, low, high in (("x", -90.0, 110.0), ("y", -170.0, 130.0), ("z", -200.0, 200.0)):
        assert low <= events[f"scatter_{axis}"].min() < events[f"scatter_{axis}"].max() <= high
    inside = momenta(events, "whole_target_zprime_ee")
    into, out = inside["nu"] + inside["target"], inside["n4"] + inside["recoil"]
    assert np.max(np.abs(into - out) / inside["target"][:, :1]) < 1e-10


def test_a_majorana_n_gives_both_charges_of_daughters_and_lives_half_as_long() -> None:
    def length(overrides: dict[str, Any]) -> float:
        rows = cards.simulation(overrides).widths()
        return next(float(row["ctau_cm"]) for row in rows if row["particle"] == "N4" and "ctau_cm" in row)

    assert length(VARIANTS["majorana"]) == pytest.approx(length({}) / 2, rel=1e-6)
    events = cards.simulation(VARIANTS["majorana"]).run(6000, seed=1)
    codes, counts = np.unique(events["nu_out_pdg"], return_counts=True)
    assert codes.tolist() == [-14, 14]
    assert abs(counts[0] - 3000) < 4.9 * np.sqrt(1500)
    assert set(events["n4_pdg"].tolist()) == {5914}


def test_daughters_have_the_flavours_of_the_mixing() -> None:
    sim = cards.simulation({**cards.ONE_CHANNEL, "model.ue4_sq": 1e-10, "model.utau4_sq": 1e-10})
    codes, counts = np.unique(sim.run(8000, seed=1)["nu_out_pdg"], return_counts=True)
    assert codes.tolist() == [12, 14, 16]
    assert np.max(np.abs(counts - [2000, 4000, 2000]) / np.sqrt([1500, 2000, 1500])) < 4.9


def test_z_exchange_lowers_the_coherent_rate_of_a_heavy_zprime() -> None:
    """The interference is negative for epsilon > 0, and larger the smaller epsilon is."""
    heavy = {**cards.ONE_CHANNEL, "model.m4": "400 MeV", "model.mzprime": "250 MeV", "model.epsilon": 1e-4}
    with_z, without = (cards.simulation({**heavy, "physics.z_exchange": on}).plan(1).rate for on in (True, False))
    assert 0.3 < with_z / without < 0.999


def test_widths_add_up_and_give_the_lifetime() -> None:
    rows = cards.simulation().widths()
    for particle in ("N4", "Zprime"):
        partial = [row for row in rows if row["particle"] == particle and "channel" in row]
        total = next(row for row in rows if row["particle"] == particle and "ctau_cm" in row)
        assert sum(row["branching_ratio"] for row in partial) == pytest.approx(1.0, rel=1e-12)
        assert sum(row["width_GeV"] for row in partial) == pytest.approx(total["total_width_GeV"], rel=1e-12)
        assert total["ctau_cm"] * total["total_width_GeV"] == pytest.approx(1.973269804e-14, rel=1e-12)


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        ({"model.umu4_sq": 0.0, "model.utau4_sq": 1e-8}, "flavour of the beam"),
        ({"generate.visible": "mu+mu-"}, "to which N4 cannot decay"),
        ({"model.m4": "100 MeV", "model.mzprime": "1 GeV", "physics.zprime_polarisation": False}, "unpolarise"),
        ({"source.flavours": ["nu_e"]}, "flavour of the beam"),
    ],
)
def test_cards_without_a_rate_or_physics_are_refused(overrides: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        _ = cards.simulation(overrides).build
