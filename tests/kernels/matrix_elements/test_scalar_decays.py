"""N -> nu_j h', h' -> l l and the other decays of a scalar: explicit matrices, limits, distributions, off shell."""

from collections.abc import Callable

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, ks_probability
from numpy.typing import NDArray
from scipy import integrate

from darkhorn.kernels.constants import ALPHA as FINE_STRUCTURE
from darkhorn.kernels.constants import HIGGS_VEV, MASS_ELECTRON, MASS_MUON, MASS_PION
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    sample_dilepton,
)
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, width_through_vector
from darkhorn.kernels.matrix_elements.scalar_decays import (
    ScalarDilepton,
    _fermion_loop,
    sample_scalar_chain,
    scalar_slope,
    width_scalar_to_leptons,
    width_scalar_to_neutral_pair,
    width_scalar_to_photons,
    width_scalar_to_pions,
    width_to_scalar,
)

Real = NDArray[np.float64]
M, S = 0.2, 0.7
RIGHT = dirac.ONE - dirac.LEFT
sample = jax.jit(sample_dilepton)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def tilted(n: int) -> Vector:
    return Vector(*(jnp.full(n, x) for x in (0.48, -0.6, 0.64)))


def momentum(m: float, a: float, b: float) -> float:
    return float(np.sqrt((m**2 - (a + b) ** 2) * (m**2 - (a - b) ** 2)) / (2 * m))


def single(matrix: dirac.Complex) -> dirac.Complex:
    """A scalar current as a tensor current with only its time component."""
    current = np.zeros((4, 4, 4), np.complex128)
    current[0] = matrix
    return current


@pytest.mark.parametrize("helicity", [-1.0, 0.4, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
@pytest.mark.parametrize(("m_j", "m_scalar"), [(0.0, 0.03), (0.05, 0.1), (0.15, 0.02)])
def test_two_body_density_by_matrices(m_j: float, m_scalar: float, majorana: float, helicity: float) -> None:
    """|M|^2 p/(32 pi^2 m^2) with s P_R, or s (P_R + P_L) for a Majorana N, whose scalar current is symmetric."""
    cosine = np.linspace(-1, 1, 9)
    p = momentum(M, m_j, m_scalar)
    fly = np.stack([np.sqrt(1 - cosine**2), np.zeros(9), cosine], axis=-1)
    neutrino = np.concatenate([np.full((9, 1), np.hypot(p, m_j)), p * fly], axis=1)
    parent, spin = np.zeros((9, 4)), np.zeros((9, 4))
    parent[:, 0], spin[:, 3] = M, helicity
    current = single(S * (dirac.ONE if majorana else RIGHT))
    line = dirac.tensor(dirac.density(neutrino, m_j), current, dirac.density(parent, M, spin))
    expected = line[:, 0, 0].real * p / (32 * np.pi**2 * M**2)
    width = float(width_to_scalar(*map(number, (M, m_j, m_scalar, S, majorana))))
    slope = float(scalar_slope(*map(number, (M, m_j, m_scalar, helicity * (1 - majorana)))))
    np.testing.assert_allclose(width * (1 + slope * cosine) / (4 * np.pi), expected, rtol=1e-12, atol=1e-15)
    if not majorana and helicity == 1.0:  # the law is the opposite of that of the dipole
        assert slope < -0.2


def test_width_to_a_massless_daughter() -> None:
    x = (0.05 / M) ** 2
    expected = S**2 * M / (32 * np.pi) * (1 - x) ** 2
    assert float(width_to_scalar(*map(number, (M, 0.0, 0.05, S, 0.0)))) == pytest.approx(expected, rel=1e-14, abs=0.0)
    assert float(width_to_scalar(*map(number, (M, 0.1, 0.1, S, 0.0)))) == 0.0


@pytest.mark.parametrize("mass", [MASS_ELECTRON, 0.0145, 0.0149999])
def test_scalar_to_leptons_by_matrices_and_threshold(mass: float) -> None:
    """p/(8 pi m^2) Tr[...]: a p-wave, so that the velocity enters with the power 3 (3/2 of 1 - 4y)."""
    m_scalar, p = 0.03, momentum(0.03, mass, mass)
    minus, plus = np.array([0.015, 0, 0, p]), np.array([0.015, 0, 0, -p])
    trace = np.trace(dirac.density(minus, mass) @ dirac.density(plus, mass, antiparticle=True)).real * S**2
    ours = float(width_scalar_to_leptons(*map(number, (m_scalar, mass, S))))
    assert ours == pytest.approx(trace * p / (8 * np.pi * m_scalar**2), rel=1e-10, abs=0.0)


def test_a_closed_decay_of_the_scalar_has_no_width() -> None:
    assert float(width_scalar_to_leptons(*map(number, (1e-3, MASS_ELECTRON, 1.0)))) == 0.0
    assert float(width_scalar_to_pions(*map(number, (0.27, 1.0)))) == 0.0
    assert float(width_scalar_to_neutral_pair(*map(number, (0.27, 0.1, 0.2, 1.0, 0.0)))) == 0.0


@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_scalar_to_a_neutral_pair_by_matrices(majorana: float) -> None:
    m_scalar, m_1, m_2 = 0.5, 0.2, 0.1
    p = momentum(m_scalar, m_1, m_2)
    one, two = np.array([np.hypot(p, m_1), 0, 0, p]), np.array([np.hypot(p, m_2), 0, 0, -p])
    vertex = dirac.ONE if majorana else dirac.LEFT
    line = dirac.tensor(dirac.density(one, m_1), single(S * vertex), dirac.density(two, m_2, antiparticle=True))
    expected = (1 if majorana else 2) * line[0, 0].real * p / (8 * np.pi * m_scalar**2)
    ours = float(width_scalar_to_neutral_pair(*map(number, (m_scalar, m_1, m_2, S, majorana))))
    assert ours == pytest.approx(expected, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("tau", [1e-6, 0.0099, 0.0101, 0.3, 0.9])
def test_fermion_loop_is_its_feynman_integral(tau: float) -> None:
    """A = 4 int dx dy (1 - 4xy)/(1 - 4 tau x y) over x + y < 1."""
    value, _ = integrate.dblquad(
        lambda y, x: 4 * (1 - 4 * x * y) / (1 - 4 * tau * x * y), 0, 1, 0, lambda x: 1 - x, epsabs=1e-11
    )
    real, imaginary = _fermion_loop(number(tau))
    assert float(real) == pytest.approx(value, rel=1e-8, abs=0.0)
    assert float(imaginary) == 0.0


@pytest.mark.parametrize("tau", [1.0001, 3.0, 1e4])
def test_fermion_loop_above_its_threshold_is_the_continuation(tau: float) -> None:
    f = np.arcsin(np.sqrt(tau + 0j)) ** 2
    expected = 2 * (tau + (tau - 1) * f) / tau**2
    real, imaginary = _fermion_loop(number(tau))
    assert float(real) == pytest.approx(expected.real, rel=1e-10, abs=0.0)
    assert abs(float(imaginary)) == pytest.approx(abs(expected.imag), rel=1e-10, abs=0.0)


def test_photons_and_pions_of_a_light_scalar() -> None:
    """Far below every loop's mass but the electron's: |-7 + 4/3 (1 + 1 + 4/3 + 1/3 + 4/3)|^2 = |-1/3|^2."""
    m_scalar = 1.1e-3
    loop = sum(np.abs(_fermion_loop(number((m_scalar / (2 * MASS_ELECTRON)) ** 2))) ** 2)
    assert float(loop) > 1
    tau = (m_scalar / (2 * MASS_ELECTRON)) ** 2
    electron = complex(*map(float, _fermion_loop(number(tau))))
    total = abs(electron + 4 / 3 * (1 + 1 + 4 / 3 + 1 / 3 + 4 / 3) - 7) ** 2
    expected = (FINE_STRUCTURE * 1e-3 / HIGGS_VEV) ** 2 * m_scalar**3 / (256 * np.pi**3) * total
    assert float(width_scalar_to_photons(number(m_scalar), number(1e-3))) == pytest.approx(expected, rel=1e-4, abs=0.0)
    # |2 s/9 + 11 m^2/9|^2 at s = 4 m^2 is (19/9 m^2)^2
    beta = 1e-3
    just = 2 * MASS_PION / np.sqrt(1 - beta**2)
    wanted = 3 * (19 / 9 * MASS_PION**2 / HIGGS_VEV) ** 2 / (32 * np.pi * just) * beta
    assert float(width_scalar_to_pions(number(just), number(1.0))) == pytest.approx(wanted, rel=1e-5, abs=0.0)


# --- samplers ----------------------------------------------------------------


@pytest.mark.parametrize(("majorana", "helicity"), [(0.0, 1.0), (0.0, -1.0), (1.0, 1.0)])
def test_angles_masses_and_conservation(majorana: float, helicity: float, rng: np.random.Generator) -> None:
    n, m_j, m_scalar = 50_000, 0.05, 0.06
    u = ChainAngles(*map(jnp.asarray, rng.random((4, n))))
    m, j, scalar, lepton, h, nature = map(number, (M, m_j, m_scalar, MASS_ELECTRON, helicity, majorana))
    decay = sample_scalar_chain(u, m, j, scalar, lepton, h, nature, tilted(n))
    nu, minus, plus = (np.stack([np.asarray(x) for x in p], axis=-1) for p in decay[:3])
    np.testing.assert_allclose(nu + minus + plus, np.broadcast_to([M, 0, 0, 0], (n, 4)), atol=1e-14)
    pair = minus + plus
    for p, mass in ((nu, m_j), (minus, MASS_ELECTRON), (plus, MASS_ELECTRON), (pair, m_scalar)):
        np.testing.assert_allclose(dirac.dot(p, p), mass**2, atol=1e-14)
    axis = np.array([0.48, -0.6, 0.64])
    cosine = nu[:, 1:] @ axis / np.linalg.norm(nu[:, 1:], axis=1)
    a = -helicity * (1 - majorana) * momentum(M, m_j, m_scalar) / nu[0, 0]
    assert_follows(cosine, lambda c: (1 + c) / 2 + a * (c * c - 1) / 4)
    if not majorana:  # the same test sees the wrong sign
        assert ks_probability(cosine, lambda c: (1 + c) / 2 - a * (c * c - 1) / 4) < ALPHA
    # isotropic leptons: their energy in the frame of N is flat
    gamma, beta = pair[0, 0] / m_scalar, np.sqrt(1 - (m_scalar / pair[0, 0]) ** 2)
    star = momentum(m_scalar, MASS_ELECTRON, MASS_ELECTRON)
    assert_follows((minus[:, 0] / gamma - m_scalar / 2) / (2 * beta * star) + 0.5)


def off_shell(m_scalar: float, width: float, majorana: float = 0.0) -> ScalarDilepton:
    return ScalarDilepton(*map(number, (M, 0.05, m_scalar, width, MASS_ELECTRON, S, 1e-3, majorana)))


@pytest.mark.parametrize("helicity", [-1.0, 1.0])
@pytest.mark.parametrize("majorana", [0.0, 1.0])
def test_three_body_density_by_matrices(majorana: float, helicity: float, rng: np.random.Generator) -> None:
    """Every event of a sample: |M|^2 of the whole tree against the density, with the phase space of three bodies."""
    n, model = 200, off_shell(1.0, 0.3, majorana)
    u = DileptonUniforms(*map(jnp.asarray, rng.random((5, n))))
    decay, _ = sample(u, model, number(helicity), tilted(n))
    nu, minus, plus = (np.stack([np.asarray(x) for x in p], axis=-1) for p in decay[:3])
    parent, spin = np.zeros((n, 4)), np.zeros((n, 4))
    parent[:, 0], spin[:, 1:] = M, helicity * np.array([0.48, -0.6, 0.64])
    vertex = S * (dirac.ONE if majorana else RIGHT)
    line = dirac.tensor(dirac.density(nu, 0.05), single(vertex), dirac.density(parent, M, spin))[:, 0, 0].real
    lepton = dirac.density(minus, MASS_ELECTRON) @ dirac.density(plus, MASS_ELECTRON, antiparticle=True)
    q2 = dirac.dot(minus + plus, minus + plus)
    squared = line * np.trace(lepton, axis1=-2, axis2=-1).real * 1e-6 / ((q2 - 1.0) ** 2 + 0.3**2)
    q = np.sqrt(q2)
    p = np.linalg.norm(nu[:, 1:], axis=1)
    star = np.sqrt(q2 / 4 - MASS_ELECTRON**2)
    # dPS = dq^2/2pi x p dOmega/(16 pi^2 m) x p* dOmega*/(16 pi^2 q), over the flux 2m
    expected = squared / (2 * M) * p / (16 * np.pi**2 * M) * star / (16 * np.pi**2 * q) / (2 * np.pi)
    kinematics = dilepton_kinematics(decay.neutrino, decay.negative, decay.positive, tilted(n))
    ours = np.asarray(dilepton_density(kinematics, model, number(helicity)))
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12 * expected.max())


def through_scalar(m_scalar: float, width: float, leptons: Callable[[jax.Array], jax.Array]) -> jax.Array:
    m, m_j, mass, total, least, s, dirac_n = map(number, (M, 0.05, m_scalar, width, 2 * MASS_ELECTRON, S, 0.0))
    return width_through_vector(m, m_j, mass, total, least, s, dirac_n, leptons, width_to_boson=width_to_scalar)


@pytest.mark.parametrize(("m_scalar", "width"), [(1.0, 1e-6), (0.1, 1e-9), (0.1499, 1e-3)])
def test_off_shell_sample_has_the_width_as_its_mean(m_scalar: float, width: float, rng: np.random.Generator) -> None:
    """On, across and above the pole; weights nearly equal."""
    n, model = 20_000, off_shell(m_scalar, width)
    u = DileptonUniforms(*map(jnp.asarray, rng.random((5, n))))
    _, weight = sample(u, model, number(1.0), tilted(n))

    def leptons(q: jax.Array) -> jax.Array:
        return width_scalar_to_leptons(q, number(MASS_ELECTRON), number(1e-3))

    total = through_scalar(m_scalar, width, leptons)
    weight = np.asarray(weight)
    assert abs(weight.mean() / float(total) - 1) < 4.9 * weight.std() / weight.mean() / np.sqrt(n) + 2e-5
    assert weight.mean() ** 2 / np.mean(weight**2) > 0.99


def test_far_below_the_threshold_the_width_is_that_of_the_chain() -> None:
    """Narrow scalar on shell: Gamma(N -> nu h') times the branching ratio to leptons."""
    narrow = 1e-10

    def leptons(q: jax.Array) -> jax.Array:
        return width_scalar_to_leptons(q, number(MASS_ELECTRON), number(1e-5))

    total = float(through_scalar(0.06, narrow, leptons))
    first = float(width_to_scalar(*map(number, (M, 0.05, 0.06, S, 0.0))))
    assert total == pytest.approx(first * float(leptons(number(0.06))) / narrow, rel=1e-5, abs=0.0)


def test_gradients_are_finite_where_channels_close() -> None:
    for m_scalar in (2 * MASS_ELECTRON, 2 * MASS_MUON, 2 * MASS_PION, 0.2, 1e-3, 0.5):
        for width in (
            lambda m: width_scalar_to_leptons(m, number(MASS_ELECTRON), number(1.0)),
            lambda m: width_scalar_to_pions(m, number(1.0)),
            lambda m: width_scalar_to_photons(m, number(1.0)),
            lambda m: width_to_scalar(number(0.2), number(0.0), m, number(1.0), number(0.0)),
        ):
            assert np.isfinite(float(jax.grad(width)(number(m_scalar))))
