"""Dark neutrinos without a Z', from card to events: rates, angles, records, widths, wrong cards."""

import json
from pathlib import Path
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, ks_probability
from numpy.typing import NDArray
from records import momenta

from darkhorn.generator.processes.dark_neutrino_mediator_model import (
    DipoleScheme,
    ScalarScheme,
    host_widths,
    model_of,
    scheme_of,
)
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.geometry.fermi import fermi_parameters
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.constants import ALPHA as FINE_STRUCTURE
from darkhorn.kernels.constants import HIGGS_VEV, MASS_ELECTRON, MASS_MUON
from darkhorn.kernels.errors import PhysicsWarning

Real = NDArray[np.float64]
REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "dark_neutrino_dipole.json"
ARGON = fermi_parameters(nuclide("Ar40"))
NAME = {"name": "dark-neutrino", "hnl": "dirac"}
DIPOLE = {**NAME, "mediator": "dipole", "m4": "150 MeV", "mu_tr_mu4": "1e-6 GeV^-1"}
DUAL_DIPOLE = {
    **NAME, "mediator": "dipole", "hnl": "majorana", "m4": "50 MeV", "m5": "150 MeV",
    "mu_tr_mu5": "1e-6 GeV^-1", "mu_tr_54": "1e-3 GeV^-1",
}  # fmt: skip
SCALAR = {
    **NAME, "mediator": "scalar", "m4": "50 MeV", "m5": "150 MeV", "mhprime": "40 MeV", "s_mu5": 1e-4, "s_54": 1e-4,
    "theta": 1e-3, "vertices": {"e_S": 1e-3},
}  # fmt: skip
VIRTUAL = {**SCALAR, "mhprime": "1.25 GeV", "s_54": 3.0}
# nucleons as in the peer: free, at rest, dipole form factors
PHYSICS = {"regimes": ["coherent", "p-elastic"], "incoherent": "free", "nucleon_form_factors": "dipole"}
POINTS: dict[str, dict[str, Any]] = {
    "dipole": DIPOLE,
    "two states, dipole": DUAL_DIPOLE,
    "scalar": {**SCALAR, "s_mu5": 1e-8},  # to N4 alone
    "scalar, to neutrinos too": SCALAR,
    "virtual scalar": VIRTUAL,
    "dipole, pairs": {**DIPOLE, "m4": "250 MeV"},
    "virtual scalar, muons": {**VIRTUAL, "m5": "300 MeV"},
}
VISIBLE = {"dipole, pairs": ["e+e-", "mu+mu-"], "virtual scalar, muons": ["mu+mu-"]}


def card_of(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**cards.PEER_BOX, "model": model, "physics": PHYSICS, "generate": {"events": 1000, "seed": 5}, **changes}


def simulation(model: dict[str, Any], **changes: Any) -> Simulation:
    return cards.simulation({}, card_of(model, **changes))


def checked(model: dict[str, Any]) -> RunCard:
    return load_card(card_of(model))


def check_rates(sim: Simulation, decays: list[tuple[str, str]], rng: np.random.Generator) -> None:
    """Prompt decays: per channel the rate is that of the scattering times the branching ratios, by quadrature."""
    atoms = cards.nuclei(1.3954, 1.0, "Ar40", 256.0 * 232.0 * 1040.0)
    for channel, found in zip(sim.build.channels, sim.plan(1).channels, strict=True):
        to_nu, muons = ">nu/" in channel.name, channel.name.endswith("mu+mu-")
        ratios = [(parent, decay.replace("N4", "nu") if to_nu else decay) for parent, decay in decays]
        ratios = [(parent, decay.replace("e+ e-", "mu+ mu-") if muons else decay) for parent, decay in ratios]
        wanted = cards.expected_events(sim, channel, atoms, rng, decays=ratios)
        assert abs(found.rate - wanted) < 4.9 * found.rate_error + 1e-3 * wanted, channel.name


def in_rest_frame(p: Real, parent: Real, mass: float) -> Real:
    """Spatial part of (n, 4) momenta in the rest frame of their parents."""
    u, g = parent[:, 1:] / mass, parent[:, :1] / mass
    along = np.sum(u * p[:, 1:], axis=1, keepdims=True)
    return np.asarray(p[:, 1:] + u * (along / (1 + g) - p[:, :1]))


def cos_of_daughter(p: dict[str, Real], made: str, daughter: str, mass: float) -> Real:
    """Cosine to the axis of the helicity in the centre of mass, in the rest frame of what the beam makes."""
    total = p["nu"] + p.get("struck", p["target"])
    axis, flies = -in_rest_frame(total, p[made], mass), in_rest_frame(p[daughter], p[made], mass)
    norms = np.linalg.norm(axis, axis=1) * np.linalg.norm(flies, axis=1)
    return np.asarray(np.sum(axis * flies, axis=1) / norms)


# --- dipole ------------------------------------------------------------------


@pytest.fixture(scope="module")
def dipole() -> Simulation:
    return simulation(DIPOLE, force_decay=False)


def test_rate_per_channel_of_the_reference_point(dipole: Simulation) -> None:
    """DarkNews' deterministic rates of P5, which assume that every N decays to a photon, somewhere, and start at 1.05
    times the threshold: that is 2 % of the suppressed helicity on protons.
    """
    entries = json.loads(REFERENCE.read_text(encoding="utf-8"))["entries"]
    reference = next(entry for entry in entries if entry["kind"] == "event_rate")
    photon = cards.branching_ratio(dipole, [("N4", "nu gamma")])
    assert photon == pytest.approx(1 - 0.00643, abs=1e-4)
    theirs = {(c["regime"], c["helicity"]): c["rate_deterministic_pre_geometry"] for c in reference["channels"]}
    assert len(dipole.build.channels) == len(theirs) == 4
    nuclei = cards.nuclei(1.3954, 1.0, "Ar40", 256.0 * 232.0 * 1040.0)
    table, inside = dipole.build.flux[14], (np.arange(30) + 0.5) / 30
    edges, content = np.asarray(table["edges_GeV"]), np.asarray(table["content"])
    energy = (edges[:-1, None] + np.diff(edges)[:, None] * inside).ravel()
    for channel, found in zip(dipole.build.channels, dipole.plan(1).channels, strict=True):
        density = np.repeat(content / 30, 30) * dipole.build.cross_section(channel, energy) * 1e-38 * 6.8e20
        mass = float(channel.params["target"].mass)
        above = energy > 1.05 * (0.15 + 0.15**2 / (2 * mass))
        wanted = theirs[channel.regime.replace("p-elastic", "p-el"), channel.helicity]
        ratio = density[above].sum() * reference["n_targets"]["Ar40"] / wanted
        # the flux: a smooth curve here, straight lines between points of 50 MeV there, seen near the threshold
        assert ratio == pytest.approx(1.0, abs=4e-3 if channel.helicity == "conserving" else 5e-4), channel.name
        sampled = found.rate / photon / nuclei / density.sum()
        assert abs(sampled - 1) < 4.9 * found.rate_error / found.rate + 1.5e-3, channel.name


def test_the_photon_of_a_dirac_state_flies_backward(dipole: Simulation) -> None:
    """The flipping channels dominate: 1 + cos of the neutrino to the spin, so 1 - cos of the photon; conserving: the
    reverse. The peer has it the other way round.
    """
    events = dipole.run(40_000, seed=1)
    for topology, table in events.topologies.items():
        p = momenta(events, topology)
        into, out = p["n4"], p["nu_out"] + p["gamma"]
        np.testing.assert_allclose(into, out, atol=1e-12 * float(into[:, 0].max()))
        assert np.max(np.abs(p["gamma"][:, 0] - np.linalg.norm(p["gamma"][:, 1:], axis=1))) < 1e-13
        names = [str(channel["name"]) for channel in events.header.channels]
        flipping = np.array(["flipping" in name for name in names])[table["channel"]]
        cosine = cos_of_daughter(p, "n4", "gamma", 0.15)[flipping]
        assert cosine.size > 1000
        assert_follows(cosine, lambda c: (1 + c) / 2 - (c * c - 1) / 4, topology)
        assert ks_probability(cosine, lambda c: (1 + c) / 2 + (c * c - 1) / 4) < ALPHA
        assert set(np.unique(table["n4_pdg"])) == {5914}
        assert set(np.unique(table["nu_out_pdg"])) == {14}
        np.testing.assert_allclose(np.prod([table[c] for c in table if c[:2] == "w_"], axis=0), table["weight"])
    flown = np.array(events["decay_z"]) - np.array(events["scatter_z"])
    assert 100 < np.average(flown, weights=events["weight"]) < 1e4  # c tau = 2.9 m: half of the peer's


def test_width_of_the_reference_point() -> None:
    """What the peer's own scattering vertex implies; its closed form is half of it, and a quarter for Majorana."""
    for hnl, factor in (("dirac", 1.0), ("majorana", 2.0)):
        card = checked({**DIPOLE, "hnl": hnl})
        width = host_widths(model_of(card), scheme_of(card))["N4"]["nu gamma"]
        assert float(width) == pytest.approx(6.714349161689333e-17 * factor, rel=1e-12, abs=0.0)


def test_effective_sample_size_of_the_scattering(dipole: Simulation) -> None:
    """The map of Q^2 follows the pole of the photon: per channel more than 85 % of the events count."""
    for channel, found in zip(dipole.build.channels, dipole.plan(1).channels, strict=True):
        assert found.rate**2 / (found.rate**2 + found.variance) > 0.85, channel.name


# --- scalar ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in ("scalar",))) for n in POINTS if n != "dipole"]
)
def test_rates_records_and_angles(name: str, rng: np.random.Generator) -> None:
    """Prompt decays: per channel the rate is that of the scattering times the branching ratios, by quadrature."""
    model = POINTS[name]
    generate = {"visible": VISIBLE[name]} if name in VISIBLE else {}
    sim = simulation(model, force_decay=not name.startswith(("virtual", "dipole")), generate=generate)
    events = sim.run(20_000, seed=1)
    momentum = np.sqrt((0.15**2 - 0.09**2) * (0.15**2 - 0.01**2)) / 0.3
    slope = -momentum / np.hypot(momentum, 0.05)
    decays = {
        "two states, dipole": [("N5", "N4 gamma")],
        "scalar": [("N5", "N4 Hprime"), ("Hprime", "e+ e-")],
        "scalar, to neutrinos too": [("N5", "N4 Hprime"), ("Hprime", "e+ e-")],
        "virtual scalar": [("N5", "N4 e+ e-")],
        "dipole, pairs": [("N4", "nu e+ e-")],
        "virtual scalar, muons": [("N5", "N4 mu+ mu-")],
    }[name]
    check_rates(sim, decays, rng)
    for topology, table in events.topologies.items():
        record, p = events.header.topology(topology), momenta(events, topology)
        for vertex in range(len(record.vertices)):
            into = sum(p[q.role] for q in record.particles if q.ends == vertex)
            out = sum(p[q.role] for q in record.particles if q.produced == vertex)
            assert np.max(np.abs(into - out)) < 1e-12 * np.max(np.abs(into))
        lepton = MASS_MUON if topology.endswith("mumu") else MASS_ELECTRON
        n5, n4 = (sim.card.model.m5, sim.card.model.m4)  # type: ignore[attr-defined]
        shells = {"n5": n5, "n4": n4, "hprime": 0.04, "em": lepton, "ep": lepton, "gamma": 0.0}
        for role in set(shells) & set(p):
            shell = p[role][:, 0] ** 2 - np.sum(p[role][:, 1:] ** 2, axis=1)
            assert np.max(np.abs(shell - shells[role] ** 2) / p[role][:, 0] ** 2) < 1e-10, role
        assert ("hprime" in p) == name.startswith("scalar")
        if "nu_out" in p:
            assert set(np.unique(table["nu_out_pdg"])) <= {14, -14}
            continue
        assert set(np.unique(table["n4_pdg"])) == {5914}
        flipping = np.array(["flipping" in str(c["name"]) for c in events.header.channels])[table["channel"]]
        if name.startswith("scalar") and flipping.sum() > 1000:
            cosine = cos_of_daughter(p, "n5", "n4", 0.15)[flipping]
            assert_follows(cosine, lambda c: (1 + c) / 2 + slope * (c * c - 1) / 4, topology)
        if name == "two states, dipole":
            assert_follows(cos_of_daughter(p, "n5", "gamma", 0.15), lambda c: (1 + c) / 2, topology)


# --- densities of stored events ------------------------------------------------


MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # two in which the same events are possible
    "dipole": (
        {**DIPOLE, "mu_tr_e4": "1e-6 GeV^-1"},
        {**DIPOLE, "mu_tr_mu4": "2e-6 GeV^-1", "mu_tr_e4": "3e-6 GeV^-1"},
    ),
    "two states, dipole": (DUAL_DIPOLE, {**DUAL_DIPOLE, "hnl": "dirac", "mu_tr_54": "1e-6 GeV^-1"}),
    "scalar": (SCALAR, {**SCALAR, "hnl": "majorana", "s_e5": 1e-4, "vertices": {"e_S": 1e-3, "p_S": 1e-3}}),
    "virtual scalar": (VIRTUAL, {**VIRTUAL, "hnl": "majorana", "mhprime": "900 MeV"}),
    "dipole, pairs": (
        {**DIPOLE, "mu_tr_e4": "1e-6 GeV^-1"},
        {**DIPOLE, "mu_tr_mu4": "2e-6 GeV^-1", "mu_tr_e4": "3e-6 GeV^-1"},
    ),
    "dipole, gas": (DIPOLE, {**DIPOLE, "mu_tr_mu4": "2e-6 GeV^-1"}),
}
CHANNEL: dict[str, dict[str, Any]] = {
    "dipole, pairs": {"generate": {"visible": "e+e-"}},
    "dipole, gas": {"physics": {"regimes": ["p-elastic"]}},
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "dipole")) for n in MODELS])
def test_densities_of_stored_events_carry_one_model_to_another(name: str, rng: np.random.Generator) -> None:
    """The mean weight of the other model, from the events of this one and the ratios of the densities of its stages."""
    changes = CHANNEL.get(name, {})
    here, there = (simulation(model, force_decay=False, **changes).build.channels[0] for model in MODELS[name])
    assert here.chain is there.chain
    n = 100_000
    u = jnp.asarray(rng.random((len(here.chain.dims), n)))
    run = jax.jit(here.chain)
    made, wanted = (run(jax.tree.map(jnp.asarray, channel.params), u) for channel in (here, there))

    if "n5_e" in made:  # the names that the stages use
        parts = ("px", "py", "pz", "e")
        renamed = {f"nu_out_{c}": made[f"n4_{c}"] for c in parts} | {f"n4_{c}": made[f"n5_{c}"] for c in parts}
        made = {**made, **renamed, "nu_out_pdg": made["n4_pdg"]}

    def densities(params: Any, state: Any) -> dict[str, Any]:
        ready = here.chain.prepare(params)
        wanted = [s for s in here.chain.stages if s.name in ("xsec", "branching")]
        return {s.name: s.density(ready, state) for s in wanted if s.density is not None}

    both = [jax.jit(densities)(jax.tree.map(jnp.asarray, c.params), made) for c in (here, there)]
    assert {"xsec", "branching"} <= set(both[0])
    ratio = np.prod([np.asarray(both[1][key] / both[0][key]) for key in ("xsec", "branching")], axis=0)
    carried, direct = np.asarray(made["weight"]) * ratio, np.asarray(wanted["weight"])
    error = np.hypot(carried.std(), direct.std()) / np.sqrt(n)
    assert abs(carried.mean() - direct.mean()) < 4.9 * error
    assert error < 0.02 * direct.mean()
    assert abs(np.asarray(made["weight"]).mean() / direct.mean() - 1) > 0.1  # or nothing was carried


# --- widths ------------------------------------------------------------------


def test_h_prime_has_the_couplings_of_the_higgs_boson_or_those_given() -> None:
    card = checked({**SCALAR, "vertices": {}})
    widths = host_widths(model_of(card), scheme_of(card))["Hprime"]
    coupling = np.sin(1e-3) * MASS_ELECTRON / HIGGS_VEV
    beta = np.sqrt(1 - (2 * MASS_ELECTRON / 0.04) ** 2)
    assert float(widths["e+ e-"]) == pytest.approx(coupling**2 * 0.04 / (8 * np.pi) * beta**3, rel=1e-12, abs=0.0)
    assert 1e-4 < float(widths["gamma gamma"] / widths["e+ e-"]) < 0.1
    given = checked(SCALAR)
    ratio = host_widths(model_of(given), scheme_of(given))["Hprime"]["e+ e-"] / widths["e+ e-"]
    assert float(ratio) == pytest.approx((1e-3 / coupling) ** 2, rel=1e-12, abs=0.0)


def test_scheme_chooses_the_shell_per_daughter() -> None:
    both = (("N4", "nu"), ("N5", "N4"), ("N5", "nu"))
    assert scheme_of(checked(SCALAR)) == ScalarScheme(("N4", "N5"), both)
    assert scheme_of(checked({**SCALAR, "mhprime": "120 MeV"})) == ScalarScheme(("N4", "N5"), (("N5", "nu"),))
    assert scheme_of(checked(VIRTUAL)).step(("N5", "N4"), "e+e-") == "pair"
    assert scheme_of(checked(DIPOLE)) == DipoleScheme(("N4",))
    assert scheme_of(checked(DIPOLE)).step(("N4", "nu"), "gamma") == "photon"


def test_the_virtual_scalar_turns_into_the_one_on_shell() -> None:
    """Below the threshold by many widths both formulas hold: with the propagator, and as a chain."""
    card = checked({**SCALAR, "vertices": {"e_S": 0.03}})
    model = model_of(card)
    chain = host_widths(model, scheme_of(card))
    whole = host_widths(model, ScalarScheme(("N4", "N5")))
    for daughter in ("N4", "nu"):
        branching = chain["Hprime"]["e+ e-"] / sum(chain["Hprime"].values())
        assert float(whole["N5"][f"{daughter} e+ e-"]) == pytest.approx(
            float(chain["N5"][f"{daughter} Hprime"] * branching), rel=1e-3, abs=0.0
        )


def test_lepton_pairs_count_in_the_lifetime_of_a_dipole() -> None:
    """alpha/(3 pi) [2 ln(m/m_e) - 3] of the photon's, for an electron far lighter than N."""
    card = checked({**DIPOLE, "m4": "100 MeV"})
    widths = host_widths(model_of(card), scheme_of(card))["N4"]
    expected = FINE_STRUCTURE / (3 * np.pi) * (2 * np.log(0.1 / MASS_ELECTRON) - 3)
    assert float(widths["nu e+ e-"] / widths["nu gamma"]) == pytest.approx(expected, rel=2e-3, abs=0.0)


def test_cross_sections_are_per_scatterer_and_helicity() -> None:
    sim = simulation(DIPOLE)
    rows = {(row["regime"], row["helicity"]): row["xsec_cm2"] for row in sim.cross_sections([1.0], ["Ar40"])}
    assert rows["coherent", "flipping"] > 100 * rows["coherent", "conserving"]
    assert 1 < rows["coherent", "flipping"] / rows["p-elastic", "flipping"] / 18 < 18
    # a scalar conserves helicity with the amplitude m/Q, so that a light one does so most of the time
    scalar = {(r["regime"], r["helicity"]): r["xsec_cm2"] for r in simulation(SCALAR).cross_sections([1.0], ["Ar40"])}
    assert scalar["coherent", "flipping"] < 0.2 * scalar["coherent", "conserving"]


def test_nucleons_move_in_their_nucleus_by_default(rng: np.random.Generator) -> None:
    """Protons and neutrons of a Fermi gas, by quadrature and in events, which balance and obey Pauli; at rest with a
    response as an alternative.
    """
    card = load_card({**card_of(DIPOLE), "physics": {}})
    assert (card.physics.incoherent, card.physics.regimes[-1]) == ("fermi-gas", "n-elastic")
    rows = {
        (kind, row["regime"]): row["xsec_cm2"]
        for kind in ("fermi-gas", "pauli", "free")
        for row in simulation(DIPOLE, physics={"incoherent": kind, "helicities": ["flipping"]}).cross_sections([1.0])
    }
    for regime in ("p-elastic", "n-elastic"):
        assert 0.5 * rows["pauli", regime] < rows["fermi-gas", regime] < rows["pauli", regime] < rows["free", regime]
    assert rows["fermi-gas", "n-elastic"] < 0.5 * rows["fermi-gas", "p-elastic"]
    physics = {"helicities": ["flipping"], "regimes": ["p-elastic", "n-elastic"]}
    sim = simulation(DIPOLE, physics=physics, force_decay=False)
    check_rates(sim, [("N4", "nu gamma")], rng)
    table = sim.run(3000, seed=1).topologies["nucleon_gamma"]
    p = {r: np.stack([table[f"{r}_{c}"] for c in ("e", "px", "py", "pz")], 1) for r in ("nu", "n4", "struck", "recoil")}
    assert np.max(np.abs(p["nu"] + p["struck"] - p["n4"] - p["recoil"])) < 1e-10
    for code, momentum in ((2212, ARGON.proton_momentum), (2112, ARGON.neutron_momentum)):
        rows_of = table["struck_pdg"] == code
        assert rows_of.sum() > 100
        size = {r: np.linalg.norm(p[r][rows_of, 1:], axis=1) for r in ("struck", "recoil")}
        assert size["struck"].max() <= momentum * (1 + 1e-12)
        assert size["recoil"].min() >= momentum * (1 - 1e-12)


@pytest.mark.slow
def test_a_scalar_scatters_on_moving_nucleons(rng: np.random.Generator) -> None:
    """Rates in the Fermi gas by quadrature. A scalar sees neutrons as it sees protons."""
    sim = simulation(VIRTUAL, physics={"regimes": ["p-elastic", "n-elastic"]}, force_decay=False)
    check_rates(sim, [("N5", "N4 e+ e-")], rng)
    rows = {(r["regime"], r["helicity"]): r["xsec_cm2"] for r in sim.cross_sections([1.0], ["Ar40"])}
    for helicity in ("conserving", "flipping"):
        assert rows["n-elastic", helicity] == pytest.approx(rows["p-elastic", helicity], rel=0.05, abs=0.0)


def test_limits_are_told() -> None:
    with pytest.warns(PhysicsWarning, match="an h' of 1 GeV flies"):
        _ = simulation({**SCALAR, "vertices": {}}).build
    with pytest.warns(PhysicsWarning, match="N4 is .* wide"):
        _ = simulation({**DIPOLE, "mu_tr_mu4": "40 GeV^-1"}).build
