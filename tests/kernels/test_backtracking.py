"""The triangle of birth, scattering and decay, against vectors put together by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.kernels.backtracking import Displacement, Scattering, scattering_of
from darkhorn.kernels.kinematics import Vector

N = 200


def vectors(rng: np.random.Generator, scale: float, offset: float = 0.0) -> Vector:
    x, y, z = rng.normal(scale=scale, size=(3, N))
    return Vector(jnp.asarray(x), jnp.asarray(y), jnp.asarray(z + offset))


def array(v: Vector) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([np.asarray(c) for c in v], axis=1)


@pytest.mark.parametrize("parallel", [False, True], ids=["from a point", "parallel"])
def test_the_sides_and_the_angle_are_those_asked_for(parallel: bool, rng: np.random.Generator) -> None:
    decay, birth = vectors(rng, 200.0, 47000.0), vectors(rng, 50.0)
    length, theta, phi = rng.uniform(1.0, 4e4, N), rng.uniform(0.0, 1.5, N), rng.uniform(0.0, 2 * np.pi, N)
    shift = Displacement(*(jnp.asarray(v) for v in (length, np.sin(theta), np.cos(theta), np.cos(phi), np.sin(phi))))
    tilted = np.array([0.1, -0.2, 1.0]) / np.linalg.norm([0.1, -0.2, 1.0])
    beam = Vector(*(jnp.asarray(c) for c in tilted))

    @jax.jit
    def found_at(stretch: jax.Array) -> Scattering:
        """Of a decay point that lies that much farther on the line from the birth."""
        line = decay.minus(birth)
        return scattering_of(birth.plus(line.scale(stretch)), birth, shift, beam, jnp.asarray(parallel))

    one = jnp.ones(N)
    found, moved = jax.jvp(found_at, (one,), (1 / decay.minus(birth).norm(),))  # per cm
    use = np.asarray(found.possible)
    assert use.sum() > N / 2
    place, neutrino, side = array(found.place), array(found.neutrino), array(found.side)
    np.testing.assert_allclose(np.sum(neutrino * side, axis=1)[use], 0.0, atol=1e-14)
    for unit in (neutrino, side):
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1)[use], 1.0, rtol=1e-13)
    way = array(decay) - place
    wanted = length[:, None] * (np.cos(theta)[:, None] * neutrino + np.sin(theta)[:, None] * side)
    np.testing.assert_allclose(way[use], wanted[use], atol=1e-8)
    from_birth = place - array(birth)
    straight = np.linalg.norm(from_birth, axis=1)
    np.testing.assert_allclose(np.asarray(found.baseline)[use], straight[use], rtol=1e-10)
    whole = np.linalg.norm(array(decay.minus(birth)), axis=1)
    if parallel:
        np.testing.assert_allclose(neutrino, np.broadcast_to(tilted, neutrino.shape), atol=1e-15)
        np.testing.assert_allclose(found.spread, (whole / straight) ** 2, rtol=1e-10)
    else:
        np.testing.assert_allclose(neutrino[use], (from_birth / straight[:, None])[use], atol=1e-9)
        # rotations keep solid angles, so that d^3S/r^2 : d^3D/D0^2 is dr : dD0
        np.testing.assert_allclose(np.asarray(found.spread)[use], np.asarray(moved.baseline)[use], rtol=1e-9)


def test_where_there_is_no_triangle_it_says_so() -> None:
    """A displacement across the line that is longer than the line."""
    one = jnp.ones(2)
    shift = Displacement(jnp.asarray([50.0, 150.0]), one, 0 * one, one, 0 * one)
    zero = 0 * one
    beam = Vector(jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(1.0))
    found = scattering_of(Vector(zero, zero, 100 * one), Vector(zero, zero, zero), shift, beam, jnp.asarray(False))
    assert found.possible.tolist() == [True, False]
    assert all(np.isfinite(v).all() for v in jax.tree.leaves(found))
    assert float(found.baseline[0]) == pytest.approx(np.sqrt(100.0**2 - 50.0**2))
