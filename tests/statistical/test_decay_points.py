import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, ks_probability
from numpy.typing import NDArray

from darkhorn.kernels.flight import decay_distance, decay_probability

Real = NDArray[np.float64]
N, NEAR, FAR = 200_000, 100.0, 105.0
distance = jax.jit(decay_distance)


def cdf(x: Real, length: float) -> Real:
    """1 - exp(-(x - near)/L) over its value at far; written with differences of exponentials in extended precision."""
    wide = np.asarray(x, np.longdouble)
    shifted = (wide - NEAR) / np.longdouble(length)
    total = np.longdouble(FAR - NEAR) / np.longdouble(length)
    return np.asarray(np.expm1(-shifted) / np.expm1(-total), float)


def sample(rng: np.random.Generator, length: float) -> Real:
    u = jnp.asarray(rng.random(N))
    return np.asarray(distance(u, *(jnp.asarray(x, jnp.float64) for x in (NEAR, FAR, length))))


@pytest.mark.parametrize("length", [0.1, 3.0, 1e6])
def test_decay_points_are_exponential_in_the_window(length: float, rng: np.random.Generator) -> None:
    """Decay lengths much shorter than the 5 cm window, like it, and much longer."""
    assert_follows(sample(rng, length), lambda x: cdf(x, length))


def test_that_test_has_power(rng: np.random.Generator) -> None:
    """It rejects a decay length that is wrong by 4 %: the distribution functions differ by 1.5 %, KS sees 0.6 %."""
    assert ks_probability(sample(rng, 1.04), lambda x: cdf(x, 1.0)) < ALPHA


def test_the_window_catches_its_probability(rng: np.random.Generator) -> None:
    """Of unrestricted exponential decays the stated share falls into the window."""
    length, near, far = 4.0, 2.0, 7.0
    share = np.mean((lambda x: (x > near) & (x < far))(rng.exponential(length, N)))
    expected = float(decay_probability(*(jnp.asarray(x, jnp.float64) for x in (near, far, length))))
    assert abs(share - expected) < 4.9 * np.sqrt(expected * (1 - expected) / N)
