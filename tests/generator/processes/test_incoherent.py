"""Scattering on nucleons of a nucleus: chains, cross sections, files and cards, against independent numbers."""

from pathlib import Path
from typing import Any

import cards
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scattering
from goodness import ALPHA, chi2_probability
from numpy.typing import NDArray
from scipy import stats

from darkhorn.generator.device import as_float64
from darkhorn.generator.events import Events
from darkhorn.generator.files.convert import convert
from darkhorn.generator.files.read import read
from darkhorn.generator.files.validate import validate
from darkhorn.generator.processes.dark_neutrino_nucleons import GAS_MOMENTA, GAS_SCATTERING
from darkhorn.generator.processes.dark_neutrino_stages import AIM
from darkhorn.geometry.fermi import fermi_parameters
from darkhorn.geometry.nuclides import nuclide
from darkhorn.kernels.constants import HBAR_C_SQUARED, MASS_NEUTRON, MASS_PROTON
from darkhorn.kernels.matrix_elements.fermi_gas import Kinematics, q2_range
from darkhorn.kernels.matrix_elements.fermi_gas import density as fermi_gas_density
from darkhorn.kernels.matrix_elements.fermi_gas_totals import dsigma_dq2
from darkhorn.kernels.matrix_elements.upscattering import Products, amplitude_squared, effective_form_factors

Array = NDArray[Any]
Weighted = tuple[dict[str, Array], Array]  # columns of events, and their weights
NUCLEONS = {"physics.regimes": ["p-elastic", "n-elastic"]}
ARGON = fermi_parameters(nuclide("Ar40"))
ENTRIES = scattering.entries("incoherent")


@pytest.fixture(scope="module")
def sample() -> Events:
    return cards.simulation(NUCLEONS).run(20_011, seed=3)


def vector(columns: Any, role: str) -> Array:
    """(n, 4): energy first."""
    return np.stack([columns[f"{role}_{c}"] for c in ("e", "px", "py", "pz")], axis=1)


def square(p: Array) -> Array:
    return np.asarray(p[:, 0] ** 2 - np.sum(p[:, 1:] ** 2, axis=1))


def length(p: Array) -> Array:
    return np.asarray(np.sqrt(np.sum(p[:, 1:] ** 2, axis=1)))


def test_four_momenta_of_struck_nucleon_recoil_and_remnant(sample: Events) -> None:
    table = sample.topologies["nucleon_zprime_ee"]
    p = {role: vector(table, role) for role in ("nu", "n4", "struck", "recoil", "remnant")}
    target = np.zeros_like(p["nu"])
    target[:, 0] = table["target_mass"]
    assert np.max(np.abs(target - p["struck"] - p["remnant"])) < 1e-10 * table["target_mass"].max()
    assert np.max(np.abs(p["nu"] + p["struck"] - p["n4"] - p["recoil"])) < 1e-10
    for role in ("struck", "recoil", "remnant"):
        off_shell = square(p[role]) - table[f"{role}_mass"] ** 2
        assert np.max(np.abs(off_shell) / p[role][:, 0] ** 2) < 1e-10, role
    np.testing.assert_allclose(-square(p["nu"] - p["n4"]), table["q2"], rtol=1e-6, atol=1e-13)
    for code, mass, momentum, process in (
        (2212, MASS_PROTON, ARGON.proton_momentum, 751),
        (2112, MASS_NEUTRON, ARGON.neutron_momentum, 752),
    ):
        rows = table["recoil_pdg"] == code
        assert rows.sum() > 200
        assert set(table["struck_pdg"][rows]) == {code}
        assert set(table["process_id"][rows]) == {process}
        assert set(table["recoil_mass"][rows]) == {mass}
        # the struck nucleon is inside the sphere and lacks the removal energy; the recoil is outside: not blocked
        struck = p["struck"][rows]
        np.testing.assert_allclose(
            (struck[:, 0] + ARGON.removal_energy) ** 2 - length(struck) ** 2, mass**2, rtol=1e-10
        )
        assert length(struck).max() <= momentum * (1 + 1e-12)
        assert length(struck).max() > 0.98 * momentum
        assert length(p["recoil"][rows]).min() >= momentum * (1 - 1e-12)
        assert length(p["recoil"][rows]).min() < 1.02 * momentum


def test_files_of_bound_nucleons_are_valid_in_every_format(tmp_path: Path) -> None:
    """NuHepMC's struck nucleon and remnant; hepevt lists both codes of nucleons."""
    sample = cards.simulation(NUCLEONS).run(500, seed=1)
    native = sample.save(tmp_path / "events.h5")
    validate(native).raise_if_failed()
    convert(native, tmp_path / "events.hepmc3")
    validate(tmp_path / "events.hepmc3").raise_if_failed()
    again = read(tmp_path / "events.hepmc3")
    for name in ("struck_e", "struck_mass", "remnant_mass", "remnant_pz", "recoil_pdg", "w_xsec"):
        np.testing.assert_allclose(again[name], sample[name], rtol=1e-14, err_msg=name)
    convert(native, tmp_path / "events.hepevt")
    codes = [line.split()[:2] for line in (tmp_path / "events.hepevt").read_text().splitlines()]
    assert {"2212", "2112"} <= {code for status, *rest in codes if status == "1" for code in rest}


# ------------------------------------------------------------------------------------------------ distributions
def generated(params: dict[str, Any], energy: float, n: int, rng: np.random.Generator) -> Weighted:
    """Events of the stage at one neutrino energy and their weights."""
    u = [jnp.asarray(row) for row in rng.random((5, n))]
    state, factor = GAS_SCATTERING.run(params, {"energy": jnp.full(n, energy)}, u)
    assert factor is not None
    columns = {name: np.asarray(column) for name, column in state.items()}
    recoil = columns["nucleon_energy"] - float(params["gas"].removal_energy) + columns["omega"]
    return {**columns, "recoil_momentum": np.sqrt(recoil**2 - float(params["target"].mass) ** 2)}, np.asarray(factor)


def simulated(params: dict[str, Any], energy: float, n: int, rng: np.random.Generator) -> Weighted:
    """The same from another generator: a nucleon anywhere in the sphere, two-body phase space in the centre of mass of
    neutrino and off-shell nucleon, |M|^2 from explicit four-vectors, blocked events thrown away.

    d sigma = (hbar c)^2/(4 E E_p) |M|^2/2 dQ^2 dphi/2pi / 8pi (s~ - Mt^2), Mt^2 = (E_p - E_b)^2 - p^2.
    """
    m, mass = float(params["m_n"]), float(params["target"].mass)
    p_f, e_b = (float(number) for number in params["gas"])
    direction = rng.normal(size=(n, 3))
    p = p_f * np.cbrt(rng.random(n))[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None]
    e_p = np.sqrt(mass**2 + np.sum(p**2, axis=1))
    k1 = np.tile([energy, 0.0, 0.0, energy], (n, 1))
    struck = np.column_stack([e_p - e_b, p])
    total = k1 + struck
    s, off_shell = square(total), square(struck)
    opened = s > (m + mass) ** 2
    s = np.where(opened, s, (m + mass) ** 2 * 1.1)
    root = np.sqrt(s)
    k_star, e3 = (s - off_shell) / (2 * root), (s + m**2 - mass**2) / (2 * root)
    p3 = np.sqrt(e3**2 - m**2)

    def boosted(v: Array, beta: Array) -> Array:
        gamma = 1 / np.sqrt(1 - np.sum(beta**2, axis=1))
        along = np.sum(beta * v[:, 1:], axis=1)
        scale = gamma**2 / (gamma + 1) * along + gamma * v[:, 0]
        return np.column_stack([gamma * (v[:, 0] + along), v[:, 1:] + beta * scale[:, None]])

    beta = total[:, 1:] / total[:, :1]
    cosine, azimuth = 2 * rng.random(n) - 1, 2 * np.pi * rng.random(n)
    axis = boosted(k1, -beta)[:, 1:]
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    first = np.cross(axis, [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(axis, first)
    sine = np.sqrt(1 - cosine**2)
    way = (
        cosine[:, None] * axis + (sine * np.cos(azimuth))[:, None] * first + (sine * np.sin(azimuth))[:, None] * second
    )
    k3 = boosted(np.column_stack([e3, p3[:, None] * way]), beta)
    k4, k2 = total - k3, np.column_stack([e_p, p])
    helicity, momentum = float(params["helicity"]), length(k3)
    spin = np.column_stack([momentum, k3[:, :1] * k3[:, 1:] / momentum[:, None]]) / m
    big_k = k3 - helicity * m * spin
    q = k4 - k2

    def dot(a: Array, b: Array) -> Any:
        return jnp.asarray(a[:, 0] * b[:, 0] - np.sum(a[:, 1:] * b[:, 1:], axis=1))

    q2 = -square(k1 - k3)
    products = Products(
        dot(big_k, k1), dot(big_k, k2), dot(big_k, k4), dot(k1, k2), dot(k1, k4), dot(big_k, q), dot(k1, q), -dot(q, q)
    )
    form = effective_form_factors(jnp.asarray(q2), params["m_zprime"], params["target"], params["exchange"].vertices)
    amplitude2 = np.asarray(amplitude_squared(products, params["target"].mass, form, params["chirality"]))
    weight = HBAR_C_SQUARED / (4 * energy * e_p) * amplitude2 / 2 * 4 * k_star * p3 / (8 * np.pi * (s - off_shell))
    weight = np.where(opened & (length(k4) > p_f), weight, 0.0)
    return {"q2": q2, "omega": energy - k3[:, 0], "nucleon_energy": e_p, "recoil_momentum": length(k4)}, weight


def weighted_chi2(one: Array, one_weight: Array, other: Array, other_weight: Array, bins: int = 24) -> float:
    """Probability that two weighted samples have the same absolute distribution; bins of equal content of the first."""
    order = np.argsort(one)
    share = np.cumsum(one_weight[order]) / one_weight.sum()
    inner = np.interp(np.arange(1, bins) / bins, share, one[order])
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    moments = []
    for values, weight in ((one, one_weight), (other, other_weight)):
        index = np.digitize(values, edges) - 1
        mean = np.bincount(index, weight, bins) / len(weight)
        square_of = np.bincount(index, weight**2, bins) / len(weight)
        moments.append((mean, (square_of - mean**2) / len(weight)))
    (a, va), (b, vb) = moments
    return float(stats.chi2.sf(np.sum((a - b) ** 2 / (va + vb)), bins))


@pytest.mark.parametrize(("regime", "helicity"), [("p-elastic", "conserving"), ("n-elastic", "flipping")])
def test_events_are_those_of_an_independent_generator(regime: str, helicity: str, rng: np.random.Generator) -> None:
    """Absolute distributions of Q^2, omega, energy of the struck nucleon and momentum of the recoil."""
    sim = cards.simulation({**NUCLEONS, "model.m4": "200 MeV", "model.mzprime": "150 MeV"})
    channel = next(c for c in sim.build.channels if c.name == f"nu_mu/Ar40/{regime}/{helicity}/tpc")
    params = dict(jax.jit(channel.chain.prepare)(as_float64(channel.params)))
    ours, our_weight = generated(params, 0.8, 200_000, rng)
    theirs, their_weight = simulated(params, 0.8, 400_000, rng)
    for name, values in theirs.items():
        assert weighted_chi2(ours[name], our_weight, values, their_weight) > ALPHA, name
        tilted = our_weight * (1 + 0.1 * (ours[name] > np.median(ours[name])))
        assert weighted_chi2(ours[name], tilted, values, their_weight) < ALPHA, name  # 10 % would be seen


def test_q2_of_stored_events_follows_the_quadrature(sample: Events) -> None:
    """Distribution function of Q^2 at the energy of each event, from dsigma/dQ^2: flat, with the weights of events."""
    sim = cards.simulation(NUCLEONS)
    channel = sim.build.channels[0]
    params = dict(jax.jit(channel.chain.prepare)(as_float64(channel.params)))
    table = sample.topologies["nucleon_zprime_ee"]
    rows = np.flatnonzero(table["channel"] == 0)[:4000]
    energy, q2, weight = (table[name][rows] for name in ("energy", "q2", "weight"))
    low, high = q2_range(jnp.asarray(energy), params["m_n"], params["target"].mass, params["gas"])
    grid = np.linspace(0.0, 1.0, 161)[None, :]
    points = np.asarray(low)[:, None] * (np.asarray(high / low)[:, None]) ** grid
    density = jax.jit(
        lambda e, x: dsigma_dq2(
            e, x, params["m_n"], params["helicity"], params["target"], params["gas"], params["exchange"], 8
        )
    )
    height = np.concatenate(
        [np.asarray(density(jnp.asarray(e)[:, None], jnp.asarray(x))) for e, x in
         zip(np.split(energy, 8), np.split(points, 8), strict=True)]
    ) * points  # fmt: skip
    steps = np.cumsum(0.5 * (height[:, 1:] + height[:, :-1]), axis=1)
    cumulative = np.concatenate([np.zeros((len(rows), 1)), steps], axis=1) / steps[:, -1:]
    place = np.log(q2 / np.asarray(low)) / np.log(np.asarray(high / low))
    flat = np.array([np.interp(x, grid[0], c) for x, c in zip(place, cumulative, strict=True)])
    rng = np.random.default_rng(1)
    kept = rng.random(len(rows)) < weight / weight.max()
    counts = np.histogram(flat[kept], 20, (0, 1))[0]
    assert chi2_probability(counts, np.full(20, 0.05)) > ALPHA
    assert chi2_probability(np.histogram(flat[kept] ** 1.3, 20, (0, 1))[0], np.full(20, 0.05)) < ALPHA


def test_backward_chain_balances_and_stays_on_shell() -> None:
    """Scattering in the soil: directions of neutrino and N come from the triangle of birth, scattering and decay."""
    soil = {**NUCLEONS, "regions": ["soil"], "model.gD": 2e-3, "source.flavours": ["nu_mu"]}
    channel = next(c for c in cards.simulation(soil).build.channels if "/Si28/p-elastic/conserving" in c.name)
    assert channel.can_miss
    u = [jnp.asarray(row) for row in np.random.default_rng(1).random((len(channel.chain.dims), 500))]
    state = {name: np.asarray(c) for name, c in jax.jit(channel.chain)(as_float64(channel.params), u).items()}
    hit = state["weight"] > 0
    assert hit.sum() > 100
    p = {role: vector(state, role)[hit] for role in ("nu", "n4", "struck", "recoil")}
    assert np.max(np.abs(p["nu"] + p["struck"] - p["n4"] - p["recoil"])) < 1e-10
    np.testing.assert_allclose(square(p["n4"]), 0.106**2, rtol=1e-9)
    np.testing.assert_allclose(square(p["recoil"]), MASS_PROTON**2, rtol=1e-10)
    np.testing.assert_allclose(-square(p["nu"] - p["n4"]), state["q2"][hit], rtol=1e-7)
    assert channel.chain.stages[3].density is not None
    again = channel.chain.stages[3].density(
        dict(jax.jit(channel.chain.prepare)(as_float64(channel.params))),
        {name: jnp.asarray(column[hit]) for name, column in state.items()},
    )
    assert (np.asarray(again) > 0).all()


# ------------------------------------------------------------------------------------------------ cross sections
def row(sim: Any, energy: float, regime: str, target: str = "Ar40") -> float:
    """Sum over helicities of the cross section per scatterer for muon neutrinos, cm^2."""
    rows = sim.cross_sections([energy], [target])
    return float(sum(r["xsec_cm2"] for r in rows if r["regime"] == regime and r["process"].startswith("nu_mu ")))


@pytest.mark.parametrize("number", [10, 13, 16])
def test_cross_sections_of_a_card_are_those_of_the_reference(number: int) -> None:
    """Fermi gas with the reference's parameters in the card; closure, pauli and free; per nucleon.

    2e-3: the magnetic moment is 2.792847 here and 2.792 there, and weighs most where the mediator is heavy.
    """
    entry = ENTRIES[number]
    given, totals = entry["inputs"], entry["nuclear_totals"]
    protons = nuclide(given["target"]).Z
    wanted = {
        "fermi-gas": entry["value_cm2_per_nucleon"]["sum"],
        "closure": totals["Z_sigma_free_times_1_minus_F2"] / protons,
        "pauli": entry["sigma_free_times_closed_R_cm2"],
        "free": totals["Z_sigma_free"] / protons,
    }
    mass, mixing = f"{given['m_N']} GeV", (given["d"] / 2.0) ** 2
    made = {"model.m4": mass, "model.umu4_sq": mixing}
    if given["m_Zprime"] > given["m_N"]:  # the cards have a heavy Z' with two states
        made = {"model.m4": "10 MeV", "model.umu4_sq": 0.0, "model.m5": mass, "model.umu5_sq": mixing}
    common = {
        "source.flavours": ["nu_mu"],
        **made,
        "model.mzprime": f"{given['m_Zprime']} GeV",
        "physics.z_exchange": False,
        "physics.nucleon_form_factors": "dipole",
        "physics.regimes": ["p-elastic"],
    }
    gas = {given["target"]: {"proton_momentum": f"{given['pF']} GeV", "removal_energy": f"{given['E_b']} GeV"}}
    for kind, value in wanted.items():
        parameters = {"physics.fermi_gas": gas} if kind in ("fermi-gas", "pauli") else {}
        sim = cards.simulation({**common, **parameters, "physics.incoherent": kind})
        found = row(sim, given["E_nu"], "p-elastic", given["target"])
        assert found == pytest.approx(value, rel=2e-3), kind


def test_neutrons_have_their_magnetic_moment_and_the_charge_of_the_parametrisation() -> None:
    """n-elastic: a fraction of p-elastic for a heavy Z', very little for a light one; G_E^n changes it by per cents."""
    heavy = {"model.m4": "10 MeV", "model.m5": "200 MeV", "model.mzprime": "1.25 GeV", "model.umu4_sq": 0.0}
    heavy |= {"model.umu5_sq": 2e-10, "source.flavours": ["nu_mu"]}
    assert 0.1 < row(cards.simulation(heavy), 1.0, "n-elastic") / row(cards.simulation(heavy), 1.0, "p-elastic") < 0.4
    light = cards.simulation()
    assert 1e-3 < row(light, 1.0, "n-elastic") / row(light, 1.0, "p-elastic") < 0.05
    by_kind = {
        kind: row(cards.simulation({**heavy, "physics.nucleon_form_factors": kind}), 1.0, "n-elastic")
        for kind in ("dipole", "galster", "kelly")
    }
    assert 1.002 < by_kind["galster"] / by_kind["dipole"] < 1.1
    assert by_kind["kelly"] / by_kind["galster"] == pytest.approx(1.0, abs=0.1)
    assert by_kind["kelly"] != by_kind["galster"]


def test_free_neutrons_and_closure_are_sampled_at_their_totals() -> None:
    """The chain with a response (its own program) against quadrature."""
    sim = cards.simulation({**NUCLEONS, "physics.incoherent": "closure", "source.flavours": ["nu_mu"]})
    plan = sim.plan(1)
    rng = np.random.default_rng(1)
    box = 256.35 * 233.0 * 1036.8
    argon = cards.nuclei(1.3954, 1.0, "Ar40", box)
    for channel, found in zip(sim.build.channels, plan.channels, strict=True):
        wanted = cards.expected_events(sim, channel, argon, rng)
        assert abs(found.rate - wanted) < 4.9 * found.rate_error + 3e-4 * wanted, channel.name
    events = sim.run(2000, seed=1)
    table = events.topologies["nucleon_zprime_ee"]
    assert 0 < table["w_response"].min() < table["w_response"].max() <= 1
    np.testing.assert_allclose(table["struck_e"], table["recoil_mass"])


# ------------------------------------------------------------------------------------------------ reweighting
def test_density_of_stored_events_is_the_density_they_were_made_with(sample: Events) -> None:
    """GAS_SCATTERING.density from columns of the file: ratios under other couplings and masses of the mediator."""
    sim = cards.simulation(NUCLEONS)
    assert GAS_SCATTERING.density is not None
    table = sample.topologies["nucleon_zprime_ee"]
    channel = sim.build.channels[0]
    rows = np.flatnonzero(table["channel"] == 0)[:3000]
    stored = {name: jnp.asarray(np.array(table[name][rows])) for name in table}
    raw = as_float64(channel.params)
    prepare = jax.jit(channel.chain.prepare)
    old = dict(prepare(raw))
    before = np.asarray(GAS_SCATTERING.density(old, stored))
    assert (before > 0).all()
    twice = {**raw, "model": {**raw["model"], "epsilon": 2 * raw["model"]["epsilon"]}}
    no_z = {**twice, "z_exchange": jnp.asarray(0.0)}, {**raw, "z_exchange": jnp.asarray(0.0)}
    one, other = (np.asarray(GAS_SCATTERING.density(dict(prepare(p)), stored)) for p in no_z)
    np.testing.assert_allclose(one / other, 4.0, rtol=1e-12)
    # without the Z the propagator of the Z' is a factor
    heavier = {**raw, "z_exchange": jnp.asarray(0.0), "model": {**raw["model"], "mzprime": jnp.asarray(0.05)}}
    after = np.asarray(GAS_SCATTERING.density(dict(prepare(heavier)), stored))
    q2 = np.asarray(stored["q2"])
    np.testing.assert_allclose(after / other, ((0.03**2 + q2) / (0.05**2 + q2)) ** 2, rtol=1e-6)
    # the kinematics found in the columns are those that were sampled
    u = [jnp.asarray(row) for row in np.random.default_rng(2).random((5, 500))]
    zero, axis = jnp.zeros(500), ("nu_dx", "nu_dy", "nu_dz")
    state = {"energy": 0.3 + u[4], **dict(zip(axis, (zero + 0.48, zero - 0.64, zero + 0.6), strict=True))}
    for stage in (GAS_SCATTERING, AIM, GAS_MOMENTA):
        state |= stage.run(old, state, u)[0]
    kinematics = Kinematics(*(state[n] for n in ("energy", "q2", "omega", "nucleon_energy", "nucleon_azimuth")))
    direct = fermi_gas_density(kinematics, *(old[n] for n in ("m_n", "helicity", "target", "gas", "exchange")))
    np.testing.assert_allclose(GAS_SCATTERING.density(old, state), direct, rtol=1e-7)
