"""nu A -> N A by a transition magnetic moment and by a scalar: reference numbers, explicit matrices, limits."""

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scattering import PEER_MAGNETIC_MOMENT, centre_of_mass, entries, models, nucleon, nucleus, values

from darkhorn.kernels.constants import (
    DIPOLE_VECTOR_MASS,
    ELECTRIC_CHARGE,
    HBAR_C_SQUARED,
    MAGNETIC_MOMENT_NEUTRON,
    MAGNETIC_MOMENT_PROTON,
    MASS_NEUTRON,
)
from darkhorn.kernels.form_factors import fourier_bessel
from darkhorn.kernels.matrix_elements.upscattering import CONSERVING, FLIPPING, Target, invariants
from darkhorn.kernels.matrix_elements.upscattering_flip import dsigma_dq2_dipole, dsigma_dq2_scalar
from darkhorn.kernels.quadrature import gauss_legendre

Real = NDArray[np.float64]
CM2 = 1e-38
ARGON = nucleus("Ar40")
PROTON = nucleon(1.0, MAGNETIC_MOMENT_PROTON, MAGNETIC_MOMENT_NEUTRON)
NEUTRON = nucleon(0.0, MAGNETIC_MOMENT_NEUTRON, MAGNETIC_MOMENT_PROTON, MASS_NEUTRON)
SMALL = nucleus("C12")._replace(radius=jnp.asarray(1e-2))  # no zeros, at which only rounding would be compared
REFERENCE = [entry for entry in entries("dark_neutrino_dipole") if entry["kind"] != "event_rate"]
TOTALS = [entry for entry in REFERENCE if entry["kind"] == "sigma_total"]
DIFFERENTIAL = [entry for entry in REFERENCE if entry["kind"] == "dsigma_dQ2"]
dipole, scalar = jax.jit(dsigma_dq2_dipole), jax.jit(dsigma_dq2_scalar)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def stacked(selected: list[dict[str, object]]) -> tuple[jax.Array, jax.Array, jax.Array, Target, jax.Array]:
    """(energy, m, helicity, target, mu e Z) of reference entries, with their explicit moment (T_lep = mu/2)."""
    model = models("dark_neutrino_dipole")
    protons = {"C12": 6, "Ar40": 18}

    def one(entry: dict[str, object]) -> tuple[object, ...]:
        coherent = entry["regime"] == "coherent"
        peer = nucleon(1.0, PEER_MAGNETIC_MOMENT, MAGNETIC_MOMENT_NEUTRON)
        target = nucleus(str(entry["target"]), float(str(entry["m_target_GeV"]))) if coherent else peer
        moment = 2 * float(values([entry], "vertices", "T_lep")[0])
        assert moment == model[str(entry["point"])]["mu_tr_mu4"]
        strength = ELECTRIC_CHARGE * moment * (protons[str(entry["target"])] if coherent else 1)
        helicity = CONSERVING if entry["helicity"] == "conserving" else FLIPPING
        m = model[str(entry["point"])]["m4"]
        return (number(float(str(entry["E_nu_GeV"]))), number(m), number(helicity), target, number(strength))

    every: tuple[jax.Array, jax.Array, jax.Array, Target, jax.Array] = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *map(one, selected)
    )
    return every


# --- reference numbers -------------------------------------------------------


def test_every_total_cross_section_by_the_moment() -> None:
    def total(energy: jax.Array, m: jax.Array, h: jax.Array, t: Target, mu: jax.Array, cut: jax.Array) -> jax.Array:
        cm = invariants(energy, m, t.mass)

        def integrand(log_q2: jax.Array) -> jax.Array:
            q2 = jnp.clip(jnp.exp(log_q2), cm.q2_min, cm.q2_max)
            return q2 * dsigma_dq2_dipole(energy, q2, m, h, t, mu)

        return gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(jnp.minimum(cm.q2_max, cut)), 300)

    assert len(TOTALS) == 60
    cut = jnp.asarray(values(TOTALS, "Q2_cut_GeV2"))
    ours = np.asarray(jax.jit(jax.vmap(total))(*stacked(TOTALS), cut)) * CM2
    np.testing.assert_allclose(ours, values(TOTALS, "independent"), rtol=1e-7)


def test_every_differential_cross_section_by_the_moment() -> None:
    assert len(DIFFERENTIAL) == 16
    q2 = jnp.asarray(values(DIFFERENTIAL, "Q2_GeV2"))
    spectrum = jax.vmap(dsigma_dq2_dipole, in_axes=(None, 0, None, None, None, None))
    every = jax.jit(jax.vmap(lambda e, q, m, h, t, mu: spectrum(e, q, m, h, t, mu)))
    energy, m, helicity, target, strength = stacked(DIFFERENTIAL)
    ours = np.asarray(every(energy, q2, m, helicity, target, strength)) * CM2
    np.testing.assert_allclose(ours, values(DIFFERENTIAL, "independent"), rtol=2e-8)


def test_majorana_entries_are_the_dirac_ones() -> None:
    key = ("target", "regime", "helicity", "E_nu_GeV")
    dirac_ones = {tuple(e[k] for k in key): e["independent"] for e in TOTALS if e["HNLtype"] == "dirac"}
    majorana = [e for e in TOTALS if e["HNLtype"] == "majorana"]
    assert len(majorana) == 20
    for entry in majorana:
        assert entry["independent"] == pytest.approx(dirac_ones[tuple(entry[k] for k in key)], rel=1e-12, abs=0.0)


# --- explicit Dirac matrices -------------------------------------------------


def kinematics(mass: float, rng: np.random.Generator) -> tuple[Real, Real, tuple[Real, Real, Real, Real], Real, Real]:
    """(E, m, momenta, q, Q^2): from threshold to high energy, N light and heavy, all angles."""
    n = 300
    m = np.exp(rng.uniform(np.log(1e-2), np.log(2.0), n))
    m[:20] = 8.0
    above = np.exp(rng.uniform(np.log(1e-2), np.log(20.0), n))
    energy = (m + m**2 / (2 * mass)) * (1 + above)
    momenta = centre_of_mass(energy, m, np.full(n, mass), rng.uniform(-0.999, 0.999, n))
    q = momenta[0] - momenta[2]
    return energy, m, momenta, q, -dirac.dot(q, q)


def lepton_tensor(
    k1: Real, k3: Real, m: Real, helicity: float, antineutrino: bool, vertex: dirac.Complex, bar: dirac.Complex
) -> dirac.Complex:
    """`vertex` stands in Nbar vertex nu, `bar` is its conjugate in nubar bar N."""
    physical = -helicity if antineutrino else helicity
    heavy = dirac.density(k3, m, physical * dirac.helicity_spin(k3, m), antiparticle=antineutrino)
    light = dirac.slash(k1)
    return dirac.tensor(light, bar, heavy) if antineutrino else dirac.tensor(heavy, vertex, light)


@pytest.mark.parametrize("scatterer", ["proton", "neutron", "nucleus"])
@pytest.mark.parametrize("antineutrino", [False, True])
def test_dipole_equals_explicit_matrices(scatterer: str, antineutrino: bool, rng: np.random.Generator) -> None:
    target = {"proton": PROTON, "neutron": NEUTRON, "nucleus": SMALL}[scatterer]
    mass, strength = float(target.mass), 0.3
    energy, m, momenta, q, q2 = kinematics(mass, rng)
    if scatterer == "nucleus":
        f1, f2 = np.asarray(fourier_bessel(jnp.asarray(q2), target.radius, target.coefficients)), np.zeros_like(q2)
    else:
        tau, shape = q2 / (4 * mass**2), (1 + q2 / DIPOLE_VECTOR_MASS**2) ** -2
        charge, moment = float(target.charge), float(target.magnetic_moment)
        f1, f2 = (charge + tau * moment) * shape / (1 + tau), (moment - charge) * shape / (1 + tau)
    hadron = dirac.tensor(
        dirac.density(momenta[3], mass),
        dirac.nucleon_current(q, mass, f1, f2, np.zeros_like(q2)),
        dirac.density(momenta[1], mass),
    )
    lowered = q @ dirac.METRIC
    sigma_q = np.einsum("mvab,nv->nmab", dirac.SIGMA, lowered)
    found, expected = [], []
    for helicity in (CONSERVING, FLIPPING):
        vertex, bar = sigma_q @ dirac.LEFT, sigma_q @ (dirac.ONE - dirac.LEFT)
        lepton = lepton_tensor(momenta[0], momenta[2], m, helicity, antineutrino, vertex, bar)
        matrix = strength**2 * dirac.contract(lepton, hadron) / q2**2
        expected.append(0.5 * matrix / (16 * np.pi * (2 * energy * mass) ** 2) * HBAR_C_SQUARED)
        numbers = (jnp.asarray(energy), jnp.asarray(q2), jnp.asarray(m), number(helicity))
        found.append(dipole(*numbers, target, number(strength)))
    ours, traces = np.array(found), np.array(expected)
    scale = traces.sum(axis=0)
    np.testing.assert_allclose(ours / scale, traces / scale, rtol=1e-9, atol=1e-11)
    assert np.all(ours[0] > 0)


@pytest.mark.parametrize("scatterer", ["proton", "nucleus"])
@pytest.mark.parametrize("antineutrino", [False, True])
def test_scalar_equals_explicit_matrices(scatterer: str, antineutrino: bool, rng: np.random.Generator) -> None:
    target = {"proton": PROTON, "nucleus": SMALL}[scatterer]
    mass, coupling = float(target.mass), 0.3
    energy, m, momenta, _, q2 = kinematics(mass, rng)
    m_scalar = jnp.asarray(rng.uniform(0.01, 3.0, q2.size))
    charge = np.asarray(fourier_bessel(jnp.asarray(q2), target.radius, target.coefficients))
    shape = charge if scatterer == "nucleus" else (1 + q2 / DIPOLE_VECTOR_MASS**2) ** -2
    # a scalar current is a tensor of which only the time component is not zero
    time = np.zeros((4, 1, 1), np.complex128)
    time[0] = 1
    hadron = dirac.tensor(dirac.density(momenta[3], mass), time * dirac.ONE, dirac.density(momenta[1], mass))
    found, expected = [], []
    for helicity in (CONSERVING, FLIPPING):
        vertex, bar = time * dirac.LEFT, time * (dirac.ONE - dirac.LEFT)
        lepton = lepton_tensor(momenta[0], momenta[2], m, helicity, antineutrino, vertex, bar)
        matrix = dirac.contract(lepton, hadron) * (coupling * shape / (np.asarray(m_scalar) ** 2 + q2)) ** 2
        expected.append(0.5 * matrix / (16 * np.pi * (2 * energy * mass) ** 2) * HBAR_C_SQUARED)
        numbers = (jnp.asarray(energy), jnp.asarray(q2), jnp.asarray(m), m_scalar, number(helicity))
        found.append(scalar(*numbers, target, number(coupling)))
    ours, traces = np.array(found), np.array(expected)
    scale = traces.sum(axis=0)
    np.testing.assert_allclose(ours / scale, traces / scale, rtol=1e-9, atol=1e-11)


# --- limits -------------------------------------------------------------------


def test_the_moment_in_a_static_coulomb_field() -> None:
    """M -> infinity, point charge: dsigma/dQ^2 = (mu e)^2/(16 pi E^2 Q^4) 2 [E^2 Q^2 + k1.k3 Q^2 - 2 (k1.q)(k3.q)].

    Three-vectors; the sum over helicities of |ubar_N sigma^{0i} q_i P_L u_nu|^2, done by hand.
    """
    energy, m = 1.0, 0.2
    heavy = SMALL._replace(mass=number(1e7), radius=number(1e-6))
    p3 = np.sqrt(energy**2 - m**2)
    k1_k3 = energy * p3 * np.linspace(-0.9, 0.999, 12)
    q2 = energy**2 + p3**2 - 2 * k1_k3
    trace = 2 * (energy**2 * q2 + k1_k3 * q2 - 2 * (energy**2 - k1_k3) * (k1_k3 - p3**2))
    expected = (0.3 * ELECTRIC_CHARGE) ** 2 * trace / (16 * np.pi * energy**2 * q2**2) * HBAR_C_SQUARED
    numbers = (number(energy), jnp.asarray(q2), number(m))
    strength = number(0.3 * ELECTRIC_CHARGE)
    both = sum(np.asarray(dipole(*numbers, number(h), heavy, strength)) for h in (CONSERVING, FLIPPING))
    np.testing.assert_allclose(both, expected, rtol=1e-5)


@pytest.mark.parametrize("target", [ARGON, PROTON], ids=["Ar40", "proton"])
def test_zero_outside_the_range_and_never_nan(target: Target) -> None:
    cm = invariants(number(1.0), number(0.14), target.mass)
    low, high = float(cm.q2_min), float(cm.q2_max)
    outside = jnp.asarray([0.0, 0.5 * low, low * (1 - 1e-9), high * (1 + 1e-9), 2 * high, 1e6])
    inside = jnp.asarray(np.geomspace(low * (1 + 1e-9), high * (1 - 1e-9), 30))
    for helicity in (CONSERVING, FLIPPING):
        h, one = number(helicity), number(1.0)
        for q2, positive in ((outside, False), (inside, True)):
            found = dipole(one, q2, number(0.14), h, target, one), scalar(one, q2, number(0.14), one, h, target, one)
            for values_of in found:
                assert np.all(np.asarray(values_of) > 0) if positive else np.all(np.asarray(values_of) == 0)
    below = jnp.asarray([0.0, 0.01, 0.1, 0.14])
    np.testing.assert_array_equal(dipole(below, number(0.01), number(0.14), number(1.0), target, number(1.0)), 0.0)


@pytest.mark.parametrize("helicity", [CONSERVING, FLIPPING])
def test_gradients_are_the_differences_and_finite_at_the_limits(helicity: float) -> None:
    point = np.array([1.0, 0.02, 0.14, 0.05, 0.3])  # energy, Q^2, m, m_scalar, coupling

    def both(x: jax.Array) -> jax.Array:
        h = number(helicity)
        first = dsigma_dq2_dipole(x[0], x[1], x[2], h, PROTON, x[4])
        return jnp.stack([first, dsigma_dq2_scalar(x[0], x[1], x[2], x[3], h, PROTON, x[4])])

    jacobian = jax.jit(jax.jacobian(both))
    steps = point * 1e-5
    shifted = jnp.asarray(point + np.concatenate([np.diag(steps), -np.diag(steps)]))
    up, down = np.asarray(jax.jit(jax.vmap(both))(shifted)).reshape(2, 5, 2)
    np.testing.assert_allclose(jacobian(jnp.asarray(point)).T, (up - down) / (2 * steps[:, None]), rtol=2e-6, atol=1e-9)
    for energy, q2 in ((0.05, 0.02), (1.0, 0.0), (1.0, 1e3), (0.15044, 0.02)):
        assert np.all(np.isfinite(jacobian(jnp.asarray([energy, q2, *point[2:]]))))
