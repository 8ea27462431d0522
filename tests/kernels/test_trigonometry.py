import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.kernels.trigonometry import sincos2pi

pair = jax.jit(sincos2pi)


def exact(turns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """NumPy's sine and cosine in extended precision, of the turn reduced exactly to the nearest quarter."""
    wide = turns.astype(np.longdouble)
    quarter = np.round(4 * wide)
    rest = (wide - quarter / 4) * (2 * np.longdouble("3.14159265358979323846264338327950288"))
    s, c = np.sin(rest), np.cos(rest)
    which = (quarter % 4).astype(int)
    sine = np.choose(which, [s, c, -s, -c])
    cosine = np.choose(which, [c, -s, -c, s])
    return sine.astype(float), cosine.astype(float)


@pytest.mark.parametrize(("span", "error"), [(1.0, 4e-16), (1e3, 4e-16), (1e8, 4e-16)])
def test_against_extended_precision(span: float, error: float, rng: np.random.Generator) -> None:
    """The reduction to a quarter turn is exact, so the error does not grow with the number of turns."""
    turns = np.concatenate([rng.uniform(-span, span, 50_000), np.arange(-16, 17) / 8, [1e-300, 0.125 - 2e-17]])
    for found, expected in zip(pair(jnp.asarray(turns)), exact(turns), strict=True):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=error)


def test_against_numpy_within_a_turn(rng: np.random.Generator) -> None:
    turns = rng.random(50_000)
    sine, cosine = pair(jnp.asarray(turns))
    np.testing.assert_allclose(np.asarray(sine), np.sin(2 * np.pi * turns), rtol=0, atol=1.2e-15)
    np.testing.assert_allclose(np.asarray(cosine), np.cos(2 * np.pi * turns), rtol=0, atol=1.2e-15)


def test_quarter_turns_are_exact() -> None:
    sine, cosine = pair(jnp.arange(-8, 9) / 4)
    np.testing.assert_array_equal(np.asarray(sine), np.tile([0.0, 1.0, 0.0, -1.0], 5)[:17])
    np.testing.assert_array_equal(np.asarray(cosine), np.tile([1.0, 0.0, -1.0, 0.0], 5)[:17])


def test_unit_circle(rng: np.random.Generator) -> None:
    sine, cosine = pair(jnp.asarray(rng.uniform(-5, 5, 10_000)))
    np.testing.assert_allclose(np.asarray(sine**2 + cosine**2), 1.0, rtol=0, atol=7e-16)


def test_gradient(rng: np.random.Generator) -> None:
    """The derivative of the sine is 2 pi cosine, at the joints of the quarters too."""
    turns = jnp.asarray(np.concatenate([rng.uniform(-2, 2, 200), np.arange(-8, 9) / 8]))
    sine, cosine = pair(turns)
    ds = jax.jit(jax.vmap(jax.grad(lambda u: sincos2pi(u)[0])))(turns)
    dc = jax.jit(jax.vmap(jax.grad(lambda u: sincos2pi(u)[1])))(turns)
    np.testing.assert_allclose(np.asarray(ds), 2 * np.pi * np.asarray(cosine), rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.asarray(dc), -2 * np.pi * np.asarray(sine), rtol=0, atol=1e-13)


def test_the_type_is_kept() -> None:
    for dtype, error in ((jnp.float32, 3e-7), (jnp.float64, 4e-16)):
        sine, cosine = pair(jnp.asarray(0.3, dtype))
        assert sine.dtype == cosine.dtype == dtype
        assert float(sine) == pytest.approx(np.sin(0.6 * np.pi), abs=error)
