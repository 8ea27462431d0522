"""N -> nu_j l l through a virtual photon, by a magnetic moment: density by matrices, sampler against it."""

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL, chi2_probability
from numpy.typing import NDArray

from darkhorn.kernels.constants import ELECTRIC_CHARGE, MASS_ELECTRON
from darkhorn.kernels.kinematics import FourVector, Vector
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    sample_dilepton,
)
from darkhorn.kernels.matrix_elements.radiative_decay import (
    MomentDilepton,
    moment_dilepton,
    width_radiative_dilepton,
)

Real = NDArray[np.float64]
M, MOMENT = 0.22, 3e-7
RIGHT = dirac.ONE - dirac.LEFT
density, kinematics_of, sample = jax.jit(dilepton_density), jax.jit(dilepton_kinematics), jax.jit(sample_dilepton)
ANGLES = jax.jit(MomentDilepton.angular_density)
PRODUCTS = [(0.0, MASS_ELECTRON), (0.07, MASS_ELECTRON), (0.07, 0.05)]


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def directions(rng: np.random.Generator, n: int) -> Real:
    v = rng.normal(size=(n, 3))
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))


def boosted(p: Real, frame: Real, mass: Real) -> Real:
    """From the rest frame of `frame` to the frame in which it is given."""
    u, g = frame[:, 1:] / mass[:, None], frame[:, 0] / mass
    along = np.sum(u * p[:, 1:], axis=1)
    return np.concatenate([(g * p[:, 0] + along)[:, None], p[:, 1:] + u * (along / (1 + g) + p[:, 0])[:, None]], axis=1)


def as_four(p: Real) -> FourVector:
    return FourVector(*(jnp.asarray(p[:, i]) for i in range(4)))


@pytest.mark.parametrize("helicity", [-1.0, 0.3, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize(("m_j", "m_lepton"), PRODUCTS)
def test_density_by_matrices(
    m_j: float, m_lepton: float, majorana: float, helicity: float, rng: np.random.Generator
) -> None:
    """|M|^2/(2m) times the phase space of three bodies; P_R - P_L for a Majorana N (see test_radiative_decay)."""
    n = 60
    q2 = np.exp(rng.uniform(np.log(4 * m_lepton**2), np.log((M - m_j) ** 2), n))
    q = np.sqrt(q2)
    k = np.sqrt((M**2 - (m_j + q) ** 2) * (M**2 - (m_j - q) ** 2)) / (2 * M)
    star = np.sqrt(q2 / 4 - m_lepton**2)
    fly, axis, e = directions(rng, n), directions(rng, n), directions(rng, n)
    neutrino = np.concatenate([np.hypot(k, m_j)[:, None], k[:, None] * fly], axis=1)
    pair = np.concatenate([np.hypot(k, q)[:, None], -k[:, None] * fly], axis=1)
    minus = boosted(np.concatenate([(q / 2)[:, None], star[:, None] * e], axis=1), pair, q)
    plus = pair - minus
    parent, spin = np.zeros((n, 4)), np.zeros((n, 4))
    parent[:, 0], spin[:, 1:] = M, helicity * axis
    chirality = RIGHT - dirac.LEFT if majorana else RIGHT
    current = MOMENT * np.einsum("mvab,nv,bc->nmac", dirac.SIGMA, pair @ dirac.METRIC, chirality)
    line = dirac.tensor(dirac.density(neutrino, m_j), current, dirac.density(parent, M, spin))
    leptons = dirac.tensor(
        dirac.density(minus, m_lepton), dirac.GAMMA, dirac.density(plus, m_lepton, antiparticle=True)
    )
    squared = dirac.contract(line, leptons) * ELECTRIC_CHARGE**2 / q2**2
    expected = squared / (2 * M) * k / (16 * np.pi**2 * M) * star / (16 * np.pi**2 * q) / (2 * np.pi)
    model = moment_dilepton(*map(number, (M, m_j, m_lepton, MOMENT, majorana)))
    found = kinematics_of(as_four(neutrino), as_four(minus), as_four(plus), Vector(*map(jnp.asarray, axis.T)))
    found = found._replace(q2=jnp.asarray(q2))
    ours = np.asarray(density(found, model, number(helicity)))
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-11 * expected.max())


@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize(("m_j", "m_lepton"), PRODUCTS[1:])
def test_the_sampler_draws_from_the_density(
    m_j: float, m_lepton: float, majorana: float, rng: np.random.Generator
) -> None:
    """Mean weight: the width, by another integral. Angles: flat after the density of the leptons is divided out, in
    cells of the pair (cosine of nu_j, cosine of l- to it).
    """
    n, helicity = 20_000, 1.0
    model = moment_dilepton(*map(number, (M, m_j, m_lepton, MOMENT, majorana)))
    axis = Vector(*(jnp.full(n, x) for x in (0.48, -0.6, 0.64)))
    decay, weight = sample(DileptonUniforms(*map(jnp.asarray, rng.random((5, n)))), model, number(helicity), axis)
    weight = np.asarray(weight)
    width = float(width_radiative_dilepton(*map(number, (M, m_j, m_lepton, MOMENT, majorana))))
    error = weight.std() / weight.mean() / np.sqrt(n)
    assert abs(weight.mean() / width - 1) < PULL * error + 1e-4
    assert weight.mean() ** 2 / np.mean(weight**2) > 0.99
    x = kinematics_of(decay.neutrino, decay.negative, decay.positive, axis)
    cells = [[-1, 1]] * 2
    counts = np.histogram2d(np.asarray(x.cos_neutrino), np.asarray(x.lepton.z), 4, cells)[0].ravel()
    # the share of each cell from the density itself, with flat angles at the drawn q^2; 1 % of it is its own error
    q = jnp.tile(jnp.sqrt(x.q2), 10)
    flat, turn = rng.uniform(-1, 1, (2, q.size)), 2 * np.pi * rng.random(q.size)
    across = np.sqrt(1 - flat[1] ** 2)
    lepton = Vector(*map(jnp.asarray, (across * np.cos(turn), across * np.sin(turn), flat[1])))

    def probability(sign: float) -> float:
        angles = np.asarray(ANGLES(model, q, number(sign * helicity), jnp.asarray(flat[0]), lepton))
        shares = np.histogram2d(flat[0], flat[1], 4, cells, weights=angles)[0].ravel()
        return chi2_probability(counts, shares / shares.sum(), error=0.01 / 16)

    assert probability(1.0) > ALPHA
    if majorana == 0:
        assert probability(-1.0) < ALPHA
