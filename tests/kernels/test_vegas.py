import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from darkhorn.kernels.vegas import flat_map, refine, warp

Real = NDArray[np.float64]
apply, better = jax.jit(warp), jax.jit(refine)


def peak(x: jax.Array) -> jax.Array:
    """A product of two Gaussians of width 0.02 in the unit square; its integral is 1 to 1e-15."""
    z = (x - 0.4) / 0.02
    return jnp.prod(jnp.exp(-z * z / 2) / (0.02 * np.sqrt(2 * np.pi)), axis=0)


def random_grid(rng: np.random.Generator, dimensions: int, bins: int) -> jax.Array:
    inner = np.sort(rng.random((dimensions, bins - 1)), axis=1)
    return jnp.asarray(np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))))


def trained(rng: np.random.Generator, rounds: int = 8, n: int = 8192) -> jax.Array:
    grid = flat_map(2, 50)
    for _ in range(rounds):
        u = jnp.asarray(rng.random((2, n)))
        x, jacobian = apply(grid, u)
        grid = better(grid, u, peak(x) * jacobian)
    return grid


def test_the_flat_map_is_the_identity(rng: np.random.Generator) -> None:
    u = jnp.asarray(rng.random((3, 1000)))
    x, jacobian = apply(flat_map(3, 17), u)
    np.testing.assert_allclose(np.asarray(x), np.asarray(u), rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.asarray(jacobian), 1.0, rtol=1e-13)


def test_the_jacobian_is_the_derivative_and_integrates_to_one(rng: np.random.Generator) -> None:
    grid = random_grid(rng, 2, 20)
    centres = (np.arange(20) + 0.5) / 20
    u = np.stack([row.ravel() for row in np.meshgrid(centres, centres)])  # the middle of every cell: an exact sum
    x, jacobian = apply(grid, jnp.asarray(u))
    assert float(jnp.mean(jacobian)) == pytest.approx(1.0, rel=1e-13)
    assert float(jnp.mean(jacobian * jnp.prod(x, axis=0))) == pytest.approx(0.25, rel=1e-13)
    up = apply(grid, jnp.asarray(u + 1e-3))[0]
    down = apply(grid, jnp.asarray(u - 1e-3))[0]
    np.testing.assert_allclose(np.prod(np.asarray(up - down) / 2e-3, axis=0), np.asarray(jacobian), rtol=1e-9)


def test_the_ends_stay_inside(rng: np.random.Generator) -> None:
    u = jnp.asarray([[0.0, np.nextafter(1.0, 0.0)]])
    x, jacobian = apply(random_grid(rng, 1, 7), u)
    assert float(x[0, 0]) == 0.0
    assert 1 - 1e-14 < float(x[0, 1]) <= 1.0
    assert np.all(np.asarray(jacobian) > 0)


def test_training_on_a_peak_divides_the_variance_by_a_hundred(rng: np.random.Generator) -> None:
    """A separable peak of relative variance 196 becomes flat but for the steps of the grid."""
    u = jnp.asarray(rng.random((2, 100_000)))
    before = np.asarray(peak(u))
    x, jacobian = apply(trained(rng), u)
    after = np.asarray(peak(x) * jacobian)
    assert np.mean(after) == pytest.approx(1.0, abs=5 * np.std(after) / np.sqrt(after.size))
    assert np.var(before) == pytest.approx(1 / (4 * np.pi * 0.02**2) - 1, rel=0.1)
    assert np.var(after) < np.var(before) / 100


def test_a_trained_grid_is_monotone_and_keeps_its_ends(rng: np.random.Generator) -> None:
    grid = np.asarray(trained(rng))
    assert np.all(np.diff(grid, axis=1) > 0)
    np.testing.assert_array_equal(grid[:, [0, -1]], [[0.0, 1.0], [0.0, 1.0]])


@given(
    arrays(np.float64, (2, 40), elements=st.floats(0, 1, exclude_max=True)),
    arrays(np.float64, 40, elements=st.floats(-1e6, 1e6)),
)
def test_no_sample_closes_a_cell(u: Real, weight: Real) -> None:
    grid = np.asarray(better(flat_map(2, 10), jnp.asarray(u), jnp.asarray(weight)))
    assert np.all(np.isfinite(grid))
    assert np.all(np.diff(grid, axis=1) > 0)
    assert grid[:, 0] == pytest.approx([0, 0], abs=0)
    assert grid[:, -1] == pytest.approx([1, 1], abs=0)


def test_no_weight_leaves_the_map(rng: np.random.Generator) -> None:
    grid = random_grid(rng, 3, 12)
    same = better(grid, jnp.asarray(rng.random((3, 100))), jnp.zeros(100))
    np.testing.assert_allclose(np.asarray(same), np.asarray(grid), rtol=0, atol=1e-15)


def test_flat_weights_leave_the_map_nearly(rng: np.random.Generator) -> None:
    grid = random_grid(rng, 1, 8)
    centres = jnp.asarray((np.arange(800) + 0.5)[None, :] / 800)
    same = better(grid, centres, jnp.ones(800))
    np.testing.assert_allclose(np.asarray(same), np.asarray(grid), rtol=0, atol=1e-14)


def test_only_the_size_of_the_weights_relative_to_each_other_counts(rng: np.random.Generator) -> None:
    u, weight = jnp.asarray(rng.random((2, 500))), jnp.asarray(rng.random(500))
    one, other = better(flat_map(2, 10), u, weight), better(flat_map(2, 10), u, -1e-60 * weight)
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12)
