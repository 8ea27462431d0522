"""Four-vectors, boosts, directions. A four-vector is four arrays (E, px, py, pz) of equal shape, not one array with
an axis of
length four: XLA then keeps every component in registers.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Vector(NamedTuple):
    """Three-vector of component arrays."""

    x: jax.Array
    y: jax.Array
    z: jax.Array

    def dot(self, other: "Vector") -> jax.Array:
        """Scalar product."""
        return self.x * other.x + self.y * other.y + self.z * other.z

    def scale(self, factor: jax.Array) -> "Vector":
        """The vector times a number."""
        return Vector(self.x * factor, self.y * factor, self.z * factor)

    def plus(self, other: "Vector") -> "Vector":
        """Sum of two vectors."""
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def minus(self, other: "Vector") -> "Vector":
        """Difference of two vectors."""
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def norm(self) -> jax.Array:
        """Length."""
        return jnp.sqrt(self.dot(self))


class FourVector(NamedTuple):
    """(E, px, py, pz) of component arrays, GeV."""

    e: jax.Array
    x: jax.Array
    y: jax.Array
    z: jax.Array

    @property
    def p(self) -> Vector:
        """Spatial part."""
        return Vector(self.x, self.y, self.z)

    def plus(self, other: "FourVector") -> "FourVector":
        """Sum of two four-vectors."""
        return FourVector(self.e + other.e, self.x + other.x, self.y + other.y, self.z + other.z)

    def dot(self, other: "FourVector") -> jax.Array:
        """Minkowski product, metric (+,-,-,-)."""
        return self.e * other.e - self.x * other.x - self.y * other.y - self.z * other.z


def four(e: jax.Array, p: Vector) -> FourVector:
    """Four-vector of an energy and a momentum."""
    return FourVector(e, p.x, p.y, p.z)


def two_body_momentum(m: jax.Array, m1: jax.Array, m2: jax.Array) -> jax.Array:
    """Momentum of either daughter of M -> 1 + 2 in the rest frame of M.

    p* = sqrt[(M+m1+m2) (M-m1-m2) (M+m1-m2) (M-m1+m2)] / (2M)

    Shapes broadcast; GeV. Domain: m > 0, m1, m2 >= 0. Below threshold the result is 0 with a zero gradient: callers ask
    `is_open` before they use it. Accuracy: a few ulp, also near threshold, since the Källén polynomial stays factored.
    Source: PDG Review, "Kinematics".
    """
    # m - (m1 + m2), and not (m - m1) - m2, so that p* > 0 exactly where `is_open` is true
    product = (m + (m1 + m2)) * (m - (m1 + m2)) * (m + (m1 - m2)) * (m - (m1 - m2))
    opened = product > 0
    return jnp.where(opened, jnp.sqrt(jnp.where(opened, product, 1.0)) / (2 * m), 0.0)


def is_open(m: jax.Array, m1: jax.Array, m2: jax.Array) -> jax.Array:
    """True where M -> 1 + 2 is allowed. Shapes broadcast; GeV."""
    return m > m1 + m2


def boost_from_rest(k: FourVector, parent: FourVector, parent_mass: jax.Array) -> FourVector:
    """Take `k` from the rest frame of `parent` to the frame in which `parent` is given.

    With u = P/M, g = E_P/M:   E' = g E + u.k,   k' = k + u [u.k / (1 + g) + E]

    Shapes: components broadcast. GeV. Exact for a parent at rest; holds no 1/beta^2 (undefined at rest) and no
    1 - beta^2 (without digits at large g). Source: Jackson, Classical Electrodynamics, eq. (11.19), rewritten.
    """
    u = parent.p.scale(1 / parent_mass)
    g = parent.e / parent_mass
    uk = u.dot(k.p)
    return four(g * k.e + uk, k.p.plus(u.scale(uk / (1 + g) + k.e)))


def boost_to_rest(k: FourVector, parent: FourVector, parent_mass: jax.Array) -> FourVector:
    """Take `k` from the frame in which `parent` is given to the rest frame of `parent`: inverse of
    `boost_from_rest`.
    """
    u = parent.p.scale(1 / parent_mass)
    g = parent.e / parent_mass
    uk = u.dot(k.p)
    return four(g * k.e - uk, k.p.plus(u.scale(uk / (1 + g) - k.e)))


def transverse_axes(d: Vector) -> tuple[Vector, Vector]:
    """Two unit vectors a, b with a x b = d, for a unit vector d; continuous except at d_z = 0 crossings of sign.

    Source: T. Duff et al., "Building an orthonormal basis, revisited", JCGT 6 (2017) 1. Accuracy: a few ulp everywhere.
    """
    sign = jnp.where(d.z >= 0, 1.0, -1.0).astype(d.z.dtype)
    f = -1 / (sign + d.z)
    g = d.x * d.y * f
    return Vector(1 + sign * d.x * d.x * f, sign * g, -sign * d.x), Vector(g, sign + d.y * d.y * f, -d.y)


def along(d: Vector, px: jax.Array, py: jax.Array, pz: jax.Array) -> Vector:
    """The vector with components (px, py, pz) in the frame whose z axis is the unit vector d."""
    a, b = transverse_axes(d)
    return a.scale(px).plus(b.scale(py)).plus(d.scale(pz))


def direction(cosine: jax.Array, sin_phi: jax.Array, cos_phi: jax.Array) -> Vector:
    """Unit vector with polar cosine about z and the given sine and cosine of the azimuth."""
    sine = jnp.sqrt(jnp.maximum((1 - cosine) * (1 + cosine), 0.0))
    return Vector(sine * cos_phi, sine * sin_phi, cosine)
