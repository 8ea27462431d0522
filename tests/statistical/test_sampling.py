import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, PULL, assert_follows, ks_probability
from numpy.typing import NDArray

from darkhorn.kernels.sampling import linear_cosine, split, squared_cosine, table_lookup

Real = NDArray[np.float64]
N = 200_000
linear = jax.jit(linear_cosine)


def linear_cdf(c: Real, slope: float) -> Real:
    return np.asarray((1 + c) / 2 + slope * (c * c - 1) / 4)


@pytest.mark.parametrize("slope", [-1.0, -0.999999, -0.3, 0.0, 1e-12, 0.8, 1.0])
def test_linear_density(slope: float, rng: np.random.Generator) -> None:
    u = rng.random(N)
    c = np.asarray(linear(jnp.asarray(u), jnp.asarray(slope)))
    assert_follows(c, lambda x: linear_cdf(x, slope))
    np.testing.assert_allclose(linear_cdf(c, slope), u, atol=1e-15 * 10)
    ends = np.asarray(linear(jnp.asarray([0.0, 1.0]), jnp.asarray(slope)))
    np.testing.assert_allclose(ends, [-1.0, 1.0], atol=1e-15)


def test_a_slope_wrong_by_five_hundredths_is_seen(rng: np.random.Generator) -> None:
    c = np.asarray(linear(jnp.asarray(rng.random(N)), jnp.asarray(0.35)))
    assert ks_probability(c, lambda x: linear_cdf(x, 0.3)) < ALPHA


def test_gradient_of_the_linear_cosine() -> None:
    """dc/da at fixed u is (1 - c^2) / (2 (1 + a c))."""
    u, slope = jnp.linspace(0.05, 0.95, 19), jnp.asarray(0.6)
    found = jax.vmap(jax.grad(linear_cosine, argnums=1), in_axes=(0, None))(u, slope)
    c = np.asarray(linear(u, slope))
    np.testing.assert_allclose(np.asarray(found), (1 - c**2) / (2 * (1 + 0.6 * c)), rtol=1e-12)


def test_squared_cosine(rng: np.random.Generator) -> None:
    c = np.asarray(jax.jit(squared_cosine)(jnp.asarray(rng.random(N))))
    assert_follows(c, lambda x: (1 + x**3) / 2)
    assert ks_probability(c, lambda x: (1 + x) / 2) < ALPHA


@pytest.mark.parametrize("probability", [0.0, 1e-3, 0.37, 1.0])
def test_a_split_number_is_a_choice_and_a_uniform_number(probability: float, rng: np.random.Generator) -> None:
    u = jnp.asarray(rng.random(N))
    first, rest = map(np.asarray, jax.jit(split)(u, jnp.asarray(probability)))
    error = np.sqrt(probability * (1 - probability) / N)
    assert abs(np.mean(first) - probability) <= PULL * error
    assert np.all((rest >= 0) & (rest <= 1))
    for side in (first, ~first):
        if np.any(side):
            assert_follows(rest[side])


def test_an_unscaled_remainder_would_be_seen(rng: np.random.Generator) -> None:
    u = rng.random(N)
    assert ks_probability(u[u < 0.97]) < ALPHA


def test_table_lookup_is_linear_interpolation(rng: np.random.Generator) -> None:
    table = rng.random(9)
    position = np.concatenate([rng.uniform(-2, 11, 1000), np.arange(9.0)])
    found = jax.jit(table_lookup)(jnp.asarray(table), jnp.asarray(position))
    np.testing.assert_allclose(np.asarray(found), np.interp(position, np.arange(9.0), table), atol=1e-15)
