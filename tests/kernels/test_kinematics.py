import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from darkhorn.kernels.kinematics import (
    FourVector,
    Vector,
    along,
    boost_from_rest,
    boost_to_rest,
    direction,
    four,
    is_open,
    transverse_axes,
    two_body_momentum,
)

Real = NDArray[np.float64]
EPS = float(np.finfo(float).eps)
masses = st.floats(1e-6, 1e3)
components = st.floats(-1e3, 1e3)
from_rest, to_rest = jax.jit(boost_from_rest), jax.jit(boost_to_rest)
momentum_of = jax.jit(two_body_momentum)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def vector(*values: float) -> Vector:
    return Vector(*map(number, values))


def on_shell(mass: float, px: float, py: float, pz: float) -> FourVector:
    return four(number(math.sqrt(mass**2 + px**2 + py**2 + pz**2)), vector(px, py, pz))


def largest(*vectors: FourVector) -> float:
    return max(float(jnp.max(jnp.abs(jnp.stack(v)))) for v in vectors)


@given(masses, masses, components, components, components, components, components, components)
def test_boosts_keep_products_and_come_back(
    mass: float, m: float, px: float, py: float, pz: float, kx: float, ky: float, kz: float
) -> None:
    # the rounding of a boost and back grows with gamma^2: what is lost is EPS gamma^2 of the largest component
    parent, k = on_shell(mass, *(c * mass / 100 for c in (px, py, pz))), on_shell(m, kx, ky, kz)
    gamma = float(parent.e) / mass
    there = from_rest(k, parent, number(mass))
    back = to_rest(there, parent, number(mass))
    assert largest(FourVector(*(a - b for a, b in zip(back, k, strict=True)))) < 60 * EPS * gamma**2 * largest(k)
    # invariant product with the parent: k.P = m_k E* in the rest frame
    product = float(there.dot(parent))
    assert product == pytest.approx(mass * float(k.e), abs=60 * EPS * largest(there) * largest(parent))


def test_a_parent_at_rest_changes_no_bit() -> None:
    k = on_shell(0.1, 0.3, -0.2, 5.0)
    assert boost_from_rest(k, on_shell(2.0, 0.0, 0.0, 0.0), number(2.0)) == k
    assert boost_to_rest(k, on_shell(2.0, 0.0, 0.0, 0.0), number(2.0)) == k


def test_a_boost_by_hand() -> None:
    """gamma = 5/3, beta = 4/5 along x: (1, 0, 0, 1) becomes (5/3, 4/3, 0, 1)."""
    k = FourVector(*map(number, (1.0, 0.0, 0.0, 1.0)))
    parent = FourVector(*map(number, (5.0, 4.0, 0.0, 0.0)))
    np.testing.assert_allclose(np.array(from_rest(k, parent, number(3.0))), [5 / 3, 4 / 3, 0, 1], rtol=1e-15)
    np.testing.assert_allclose(np.array(to_rest(k, parent, number(3.0))), [5 / 3, -4 / 3, 0, 1], rtol=1e-15)


def test_the_parent_is_at_rest_in_its_frame_at_large_gamma() -> None:
    """gamma = 1e5: 1 - beta^2 would have lost ten digits."""
    parent = on_shell(1e-3, 60.0, 0.0, 80.0)
    lab = from_rest(on_shell(1e-3, 0.0, 0.0, 0.0), parent, number(1e-3))
    np.testing.assert_allclose(np.array(lab), np.array(parent), rtol=1e-15)


@given(components, components, components)
def test_axes_are_orthonormal_and_right_handed(x: float, y: float, z: float) -> None:
    norm = math.sqrt(x * x + y * y + z * z)
    unit = (x / norm, y / norm, z / norm) if norm > 1e-100 else (0.0, 0.0, -1.0)
    d = vector(*unit)
    a, b = transverse_axes(d)
    rows = np.array([[float(c) for c in v] for v in (a, b, d)])
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=8 * EPS)
    np.testing.assert_allclose(np.cross(rows[0], rows[1]), rows[2], atol=8 * EPS)
    np.testing.assert_allclose(
        [float(c) for c in along(d, *map(number, (0.3, -0.5, 0.7)))], np.array([0.3, -0.5, 0.7]) @ rows, atol=8 * EPS
    )


@pytest.mark.parametrize("z", [1.0, -1.0, 1e-300, -1e-300, 0.0])
def test_axes_at_the_poles_and_at_the_change_of_sign(z: float) -> None:
    d = vector(math.sqrt(max(1 - z * z, 0.0)), 0.0, z)
    a, b = transverse_axes(d)
    rows = np.array([[float(c) for c in v] for v in (a, b, d)])
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=4 * EPS)
    assert np.linalg.det(rows) == pytest.approx(1.0)


@given(st.floats(-1, 1), st.floats(0, 2 * math.pi))
def test_direction_is_a_unit_vector(cosine: float, phi: float) -> None:
    d = direction(number(cosine), number(math.sin(phi)), number(math.cos(phi)))
    assert float(d.dot(d)) == pytest.approx(1.0, abs=8 * EPS)
    assert float(d.z) == cosine
    assert math.atan2(float(d.y), float(d.x)) % (2 * math.pi) == pytest.approx(phi % (2 * math.pi), abs=1e-6) or (
        abs(cosine) == 1 or min(phi, 2 * math.pi - phi) < 1e-6
    )


@given(masses, masses, masses)
def test_two_body_momentum_balances_the_energies(m1: float, m2: float, extra: float) -> None:
    m = m1 + m2 + extra
    p = float(momentum_of(number(m), number(m1), number(m2)))
    assert bool(is_open(number(m), number(m1), number(m2)))
    assert math.hypot(p, m1) + math.hypot(p, m2) == pytest.approx(m, rel=1e-13)
    assert p == float(momentum_of(number(m), number(m2), number(m1))) or p == pytest.approx(
        float(momentum_of(number(m), number(m2), number(m1))), rel=1e-14
    )


def test_two_body_momentum_keeps_its_digits_near_threshold() -> None:
    """Q = M - m1 - m2 exactly representable: p = sqrt(2 mu Q) to first order, with every digit of the factors."""
    q = 2.0**-40
    p = float(momentum_of(number(1.0 + q), number(0.5), number(0.5)))
    assert p == pytest.approx(math.sqrt((2 + q) * q) / 2, rel=1e-15)


def test_below_threshold_the_momentum_is_zero_with_zero_gradient() -> None:
    gradient = jax.grad(two_body_momentum, argnums=(0, 1, 2))
    for m in (0.5, 0.999, 1.0):
        assert float(two_body_momentum(number(m), number(0.7), number(0.3))) == 0.0
        assert [float(g) for g in gradient(number(m), number(0.7), number(0.3))] == [0.0, 0.0, 0.0]
    assert not bool(is_open(number(1.0), number(0.75), number(0.25)))


@given(masses, masses, st.integers(-2, 2))
def test_the_momentum_is_positive_exactly_where_the_decay_is_open(m1: float, m2: float, steps: int) -> None:
    m = m1 + m2
    for _ in range(abs(steps)):
        m = math.nextafter(m, math.copysign(math.inf, steps))
    arguments = number(m), number(m1), number(m2)
    assert bool(is_open(*arguments)) == (steps > 0) == (float(momentum_of(*arguments)) > 0)


def test_gradient_of_the_two_body_momentum() -> None:
    """dp/dM = E1 E2 / (M p)."""
    m, m1, m2 = 0.5, 0.2, 0.1
    p = float(momentum_of(number(m), number(m1), number(m2)))
    expected = math.hypot(p, m1) * math.hypot(p, m2) / (m * p)
    assert float(jax.grad(two_body_momentum)(number(m), number(m1), number(m2))) == pytest.approx(expected, rel=1e-13)


def test_vector_arithmetic() -> None:
    a, b = vector(1.0, 2.0, 3.0), vector(-4.0, 5.0, 6.0)
    assert float(a.dot(b)) == 24.0
    assert [float(x) for x in a.plus(b)] == [-3.0, 7.0, 9.0]
    assert [float(x) for x in a.minus(b)] == [5.0, -3.0, -3.0]
    assert [float(x) for x in a.scale(number(2.0))] == [2.0, 4.0, 6.0]
    assert float(vector(2.0, 3.0, 6.0).norm()) == 7.0
    p = four(number(8.0), a)
    assert p.p == a
    assert float(p.dot(four(number(2.0), b))) == 16.0 - 24.0
    assert [float(x) for x in p.plus(p)] == [16.0, 2.0, 4.0, 6.0]
