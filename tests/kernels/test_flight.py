import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.constants as codata
from particle import Particle

from darkhorn.kernels.constants import SPEED_OF_LIGHT
from darkhorn.kernels.flight import (
    ctau,
    decay_distance,
    decay_distance_cdf,
    decay_length,
    decay_probability,
    flight_time,
)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def test_proper_length_of_known_particles() -> None:
    """hbar c / Gamma of the width the PDG quotes is c tau of the lifetime it quotes."""
    for pdg in (13, 211, 321):
        particle = Particle.from_pdgid(pdg)
        assert particle.width is not None
        assert particle.ctau is not None
        assert float(ctau(number(particle.width * 1e-3))) == pytest.approx(particle.ctau / 10, rel=1e-4)  # mm to cm


def test_proper_length_by_codata() -> None:
    hbar_c = codata.hbar * codata.c / codata.e * 1e-9 * 100  # GeV cm
    assert float(ctau(number(1e-10))) == pytest.approx(hbar_c / 1e-10, rel=1e-9)


def test_lab_length_is_beta_gamma_times_the_proper_one() -> None:
    assert float(decay_length(number(3.0), number(4.0), number(2.0))) == 1.5


@pytest.mark.parametrize("length", [1e-3, 0.1, 3.0, 1e6, 1e15])
def test_probability_in_every_regime(length: float) -> None:
    """Against extended precision: exp(-near/L) - exp(-far/L)."""
    near, far = np.longdouble(10), np.longdouble(15)
    exact = float(np.exp(-near / length) * -np.expm1(-(far - near) / length))
    assert float(decay_probability(number(10.0), number(15.0), number(length))) == pytest.approx(exact, rel=2e-12)


def test_probabilities_of_adjacent_intervals_add_up() -> None:
    edges = np.linspace(0.0, 60.0, 13)
    parts = decay_probability(jnp.asarray(edges[:-1]), jnp.asarray(edges[1:]), jnp.full(12, 7.0))
    assert float(jnp.sum(parts)) == pytest.approx(-np.expm1(-60 / 7.0), rel=1e-14)


@pytest.mark.parametrize("length", [0.1, 3.0, 1e6, 1e13])
def test_distance_inverts_its_distribution_function(length: float) -> None:
    u = jnp.linspace(0.0, 0.999, 100)
    x = decay_distance(u, jnp.full(100, 100.0), jnp.full(100, 105.0), jnp.full(100, length))
    assert float(x[0]) == 100.0
    assert np.all((np.asarray(x) >= 100) & (np.asarray(x) <= 105))
    back = decay_distance_cdf(x, jnp.full(100, 100.0), jnp.full(100, 105.0), jnp.full(100, length))
    np.testing.assert_allclose(np.asarray(back), np.asarray(u), atol=1e-13 * (1 + 10 / length))


def test_the_gradient_of_the_probability() -> None:
    near, far, length = 10.0, 15.0, 4.0
    found = float(jax.grad(decay_probability, argnums=2)(number(near), number(far), number(length)))
    expected = (near * np.exp(-near / length) - far * np.exp(-far / length)) / length**2
    assert found == pytest.approx(expected, rel=1e-13)


def test_time_of_flight() -> None:
    assert float(flight_time(number(SPEED_OF_LIGHT), number(1.0), number(1.0))) == pytest.approx(1.0, rel=1e-15)
    assert float(flight_time(number(47000.0), number(5.0), number(3.0))) == pytest.approx(
        47000 / SPEED_OF_LIGHT * 5 / 3, rel=1e-15
    )
