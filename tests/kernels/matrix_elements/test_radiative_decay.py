"""N -> nu_j gamma: explicit matrices, side of the photon, distribution, conservation, gradient."""

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, ks_probability
from numpy.typing import NDArray
from scipy import integrate

from darkhorn.kernels.constants import ELECTRIC_CHARGE, MASS_ELECTRON
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matrix_elements.radiative_decay import (
    RadiativeDecay,
    RadiativeUniforms,
    radiative_density,
    sample_radiative,
    width_radiative,
    width_radiative_dilepton,
    width_virtual_photon,
)

Real = NDArray[np.float64]
M, MOMENT = 0.2, 3e-7
RIGHT = dirac.ONE - dirac.LEFT
sample = jax.jit(sample_radiative)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def draw(rng: np.random.Generator, n: int, m_j: float, majorana: float, helicity: float) -> RadiativeDecay:
    u = RadiativeUniforms(*map(jnp.asarray, rng.random((2, n))))
    decay: RadiativeDecay = sample(u, *map(number, (M, m_j, majorana, helicity)), tilted(n))
    return decay


def tilted(n: int) -> Vector:
    return Vector(*(jnp.full(n, x) for x in (0.48, -0.6, 0.64)))


@pytest.mark.parametrize("helicity", [-1.0, 0.4, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize("m_j", [0.0, 0.05, 0.19])
def test_density_by_matrices(m_j: float, majorana: float, helicity: float) -> None:
    """|M|^2 |k|/(32 pi^2 m^2) with mu sigma^{mu nu} k_mu P_R, or P_R - P_L for a Majorana N, spin along z.

    sigma between Majorana fields is antisymmetric: Nbar sigma P_L nu = -nubar sigma P_L N, hence the minus sign.
    """
    cosine = np.linspace(-1, 1, 9)
    k = (M**2 - m_j**2) / (2 * M)
    fly = np.stack([np.sqrt(1 - cosine**2), np.zeros(9), cosine], axis=-1)
    neutrino = np.concatenate([np.full((9, 1), np.hypot(k, m_j)), k * fly], axis=1)
    photon = np.concatenate([np.full((9, 1), k), -k * fly], axis=1)
    parent, spin = np.zeros((9, 4)), np.zeros((9, 4))
    parent[:, 0], spin[:, 3] = M, helicity
    chirality = RIGHT - dirac.LEFT if majorana else RIGHT
    current = MOMENT * np.einsum("mvab,nm,bc->nvac", dirac.SIGMA, photon @ dirac.METRIC, chirality)
    line = dirac.tensor(dirac.density(neutrino, m_j), current, dirac.density(parent, M, spin))
    squared = dirac.contract(line, np.broadcast_to(-dirac.METRIC.astype(complex), line.shape))
    expected = squared * k / (32 * np.pi**2 * M**2)
    arguments = map(number, (M, m_j, MOMENT, majorana, helicity))
    ours = np.asarray(radiative_density(jnp.asarray(cosine), *arguments))
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-13 * expected.max())


@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_width(majorana: float) -> None:
    """mu^2 m^3/(16 pi) for a massless daughter, the integral of the density for a massive one."""
    massless = width_radiative(*map(number, (M, 0.0, MOMENT, majorana)))
    assert float(massless) == pytest.approx((1 + majorana) * MOMENT**2 * M**3 / (16 * np.pi), rel=1e-14, abs=0.0)
    x, w = np.polynomial.legendre.leggauss(4)
    density = radiative_density(jnp.asarray(x), *map(number, (M, 0.12, MOMENT, majorana, -1.0)))
    width = float(width_radiative(*map(number, (M, 0.12, MOMENT, majorana))))
    assert 2 * np.pi * float(np.sum(w * np.asarray(density))) == pytest.approx(width, rel=1e-13, abs=0.0)


def virtual(m_j: float, q2: float, majorana: float) -> tuple[Real, dirac.Complex]:
    """(photon momentum, spin-averaged tensor of N -> nu_j gamma*) with the daughter along -z."""
    k = np.sqrt((M**2 - (m_j + np.sqrt(q2)) ** 2) * (M**2 - (m_j - np.sqrt(q2)) ** 2)) / (2 * M)
    photon = np.array([np.hypot(k, np.sqrt(q2)), 0.0, 0.0, k])
    neutrino = np.array([np.hypot(k, m_j), 0.0, 0.0, -k])
    chirality = RIGHT - dirac.LEFT if majorana else RIGHT
    current = MOMENT * np.einsum("mvab,n,nm,bc->vac", dirac.SIGMA, photon, dirac.METRIC, chirality)
    line = dirac.tensor(dirac.density(neutrino, m_j), current, dirac.density(np.array([M, 0.0, 0.0, 0.0]), M))
    return photon, line / 2


@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize("m_j", [0.0, 0.05, 0.15])
def test_virtual_photon_by_matrices(m_j: float, majorana: float) -> None:
    for q2 in (1e-6, 0.3 * (M - m_j) ** 2, 0.99 * (M - m_j) ** 2):
        photon, line = virtual(m_j, q2, majorana)
        polarisations = -dirac.METRIC + np.outer(photon, photon) / q2
        squared = dirac.contract(line, polarisations.astype(complex))
        expected = squared * photon[3] / (8 * np.pi * M**2)
        ours = float(width_virtual_photon(*map(number, (M, m_j, q2, MOMENT, majorana))))
        assert ours == pytest.approx(expected, rel=1e-10, abs=0.0)


@pytest.mark.parametrize(("m_j", "majorana"), [(0.0, 0.0), (0.1, 1.0)])
@pytest.mark.parametrize("m_lepton", [MASS_ELECTRON, 0.03])
def test_lepton_pair_from_a_virtual_photon_by_matrices(m_j: float, majorana: float, m_lepton: float) -> None:
    """Both lines as matrices, |M|^2 e^2/q^4 over the phase space of three bodies: scipy over ln q^2."""
    nodes, weights = np.polynomial.legendre.leggauss(3)  # |M|^2 is of second degree in the cosine

    def spectrum(log_q2: float) -> float:
        q2 = float(np.exp(log_q2))
        photon, line = virtual(m_j, q2, majorana)
        star = np.sqrt(q2 / 4 - m_lepton**2)
        gamma, boost = photon[0] / np.sqrt(q2), photon[3] / np.sqrt(q2)
        along, energy = star * nodes, np.sqrt(q2) / 2
        across = star * np.sqrt(1 - nodes**2)
        zero = np.zeros(3)
        minus = np.stack([gamma * energy + boost * along, across, zero, gamma * along + boost * energy], axis=-1)
        pair = dirac.tensor(
            dirac.density(minus, m_lepton), dirac.GAMMA, dirac.density(photon - minus, m_lepton, antiparticle=True)
        )
        squared = dirac.contract(np.broadcast_to(line, pair.shape), pair) * ELECTRIC_CHARGE**2 / q2**2
        angles = float(np.sum(weights * squared)) * 2 * np.pi
        phase_space = photon[3] / (4 * np.pi * M) * star / (16 * np.pi**2 * np.sqrt(q2)) / (2 * np.pi)
        return angles * phase_space / (2 * M) * q2

    low, high = np.log(4 * m_lepton**2), np.log((M - m_j) ** 2)
    expected, _ = integrate.quad(spectrum, low, high, epsrel=1e-9, epsabs=0.0, limit=200)
    ours = float(width_radiative_dilepton(*map(number, (M, m_j, m_lepton, MOMENT, majorana))))
    assert ours == pytest.approx(expected, rel=1e-7, abs=0.0)


def test_the_pair_is_a_per_cent_of_the_photon_and_closes() -> None:
    """2 alpha/(3 pi) [ln(m/m_l) - 3/2 + O(m_l^2/m^2)] of the radiative width."""
    for m_lepton in (1e-6, 1e-5):
        pair = float(width_radiative_dilepton(*map(number, (M, 0.0, m_lepton, MOMENT, 0.0))))
        ratio = pair / float(width_radiative(*map(number, (M, 0.0, MOMENT, 0.0))))
        leading = 2 / (3 * 137.035999 * np.pi) * (np.log(M / m_lepton) - 1.5)
        assert ratio == pytest.approx(leading, rel=2e-3, abs=0.0)
    assert float(width_radiative_dilepton(*map(number, (M, 0.0, 0.11, MOMENT, 0.0)))) == 0.0
    slope = jax.grad(width_radiative_dilepton, argnums=(0, 2))(*map(number, (M, 0.0, 0.11, MOMENT, 0.0)))
    assert np.all(np.isfinite(slope))


@pytest.mark.parametrize("m_j", [M, 0.3])
def test_a_closed_decay_has_no_width(m_j: float) -> None:
    assert float(width_radiative(*map(number, (M, m_j, MOMENT, 0.0)))) == 0.0


@pytest.mark.parametrize(("majorana", "slope"), [(0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("helicity", [-1.0, 1.0])
def test_angle_of_the_neutrino(majorana: float, slope: float, helicity: float, rng: np.random.Generator) -> None:
    decay = draw(rng, 50_000, 0.05, majorana, helicity)
    axis = tilted(50_000)
    photon = np.asarray(decay.photon.p.dot(axis) / decay.photon.e)
    neutrino = np.asarray(decay.neutrino.p.dot(axis) / decay.neutrino.p.norm())
    a = slope * helicity
    np.testing.assert_allclose(neutrino, decay.cos_neutrino, atol=1e-12)
    np.testing.assert_allclose(photon, -neutrino, atol=1e-12)
    assert_follows(neutrino, lambda c: (1 + c) / 2 + a * (c * c - 1) / 4)
    if slope:  # the same test sees a photon on the wrong side
        assert ks_probability(neutrino, lambda c: (1 + c) / 2 - a * (c * c - 1) / 4) < ALPHA


def test_azimuth_is_flat(rng: np.random.Generator) -> None:
    decay = draw(rng, 20_000, 0.0, 0.0, 1.0)
    axis = np.array([0.48, -0.6, 0.64])
    first = np.cross(axis, [0.0, 0.0, 1.0]) / np.hypot(axis[0], axis[1])
    second = np.cross(axis, first)
    momentum = np.stack([np.asarray(x) for x in decay.neutrino.p], axis=-1)
    assert_follows(np.arctan2(momentum @ second, momentum @ first) / (2 * np.pi) + 0.5)


@pytest.mark.parametrize("m_j", [0.0, 0.05, 0.1999])
def test_four_momentum_and_mass_shells(m_j: float, rng: np.random.Generator) -> None:
    decay = draw(rng, 1000, m_j, 0.0, -1.0)
    neutrino, photon = (np.stack([np.asarray(x) for x in p], axis=-1) for p in decay[:2])
    np.testing.assert_allclose(neutrino + photon, np.broadcast_to([M, 0, 0, 0], (1000, 4)), atol=1e-14)
    assert np.all(np.abs(dirac.dot(photon, photon)) < 1e-14 * photon[:, 0] ** 2)
    np.testing.assert_allclose(dirac.dot(neutrino, neutrino), m_j**2, atol=1e-14 * M**2)


def test_gradient_of_the_photon_energy(rng: np.random.Generator) -> None:
    u = RadiativeUniforms(*map(jnp.asarray, rng.random((2, 100))))

    def mean(masses: jax.Array) -> jax.Array:
        decay = sample_radiative(u, masses[0], masses[1], number(0.0), number(1.0), tilted(100))
        return jnp.mean(decay.photon.z * decay.photon.e)

    at = jnp.asarray([M, 0.07])
    steps = [1e-6 * jnp.asarray(row) for row in np.eye(2)]
    expected = [float(mean(at + s) - mean(at - s)) / 2e-6 for s in steps]
    np.testing.assert_allclose(jax.grad(mean)(at), expected, rtol=1e-6)


def test_compiled_is_what_runs_eagerly(rng: np.random.Generator) -> None:
    n = 16_385
    u = RadiativeUniforms(*map(jnp.asarray, rng.random((2, n))))
    m, m_j, majorana, helicity = map(number, (M, 0.05, 0.0, -1.0))
    compiled = sample(u, m, m_j, majorana, helicity, tilted(n))
    eager = sample_radiative(u, m, m_j, majorana, helicity, tilted(n))
    for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(eager), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
