"""Analytic volumes: Box, Cylinder, Tube, Cone, Sphere. Sampling, containment and ray intervals as pure kernels.

Each shape is a pytree: its numbers are traced, its kind (and a cylinder's axis) is static, so that a run compiles only
the formulas of its own shapes. All have the same methods. Lengths in cm, coordinates in the frame in which the shape
is given.
Positions and directions are separate component arrays that broadcast against each other; results have that shape and
the dtype of the inputs.

A ray interval is a pair (near, far) of distances along a unit direction: the ray is inside for near < t < far. A miss
is near > far. Behind the origin t is negative: an origin inside the volume has near < 0 < far, a volume behind has far
< 0.
No NaN for rays parallel to a face or through an edge; gradients are finite except where the ray grazes a curved
surface.
"""

from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp

from darkhorn.kernels.trigonometry import sincos2pi

Axis = Literal["x", "y", "z"]

# Stands for infinity in ray intervals: finite, so that no gradient becomes 0 * inf; its square stays in float32.
FAR_AWAY = 1e18
# A direction component smaller than this moves a ray by less than 1e-4 cm over a kilometre: it counts as parallel.
_PARALLEL = 1e-9


def _slab(position: jax.Array, direction: jax.Array, centre: jax.Array, half: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Interval of a ray between the planes centre - half and centre + half of one coordinate."""
    offset = position - centre
    parallel = jnp.abs(direction) < _PARALLEL
    inverse = 1 / jnp.where(parallel, 1.0, direction)
    middle, reach = -offset * inverse, half * jnp.abs(inverse)
    # A parallel ray is between the planes always (reach FAR_AWAY) or never (reach -FAR_AWAY).
    unlimited = jnp.where(jnp.abs(offset) <= half, FAR_AWAY, -FAR_AWAY).astype(middle.dtype)
    return jnp.where(parallel, -unlimited, middle - reach), jnp.where(parallel, unlimited, middle + reach)


def _barrel(
    along: jax.Array, speed_squared: jax.Array, discriminant: jax.Array, parallel_inside: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Interval (-along -+ sqrt(discriminant)) / speed_squared of a ray inside an infinite cylinder."""
    parallel = speed_squared < _PARALLEL**2
    hit = discriminant > 0
    root = jnp.sqrt(jnp.where(hit, discriminant, 1.0))
    inverse = 1 / jnp.where(parallel, 1.0, speed_squared)
    near, far = (-along - root) * inverse, (-along + root) * inverse
    unlimited = jnp.where(parallel & parallel_inside, FAR_AWAY, -FAR_AWAY).astype(near.dtype)
    regular = hit & ~parallel
    return jnp.where(regular, near, -unlimited), jnp.where(regular, far, unlimited)


def _length(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    """sqrt(a^2 + b^2 + c^2) with a zero gradient, not NaN, at 0."""
    square = a * a + b * b + c * c
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def _cyclic(axis: Axis, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(first transverse, second transverse, along the axis), in cyclic order."""
    return {"x": (y, z, x), "y": (z, x, y), "z": (x, y, z)}[axis]


def _cartesian(axis: Axis, p: jax.Array, q: jax.Array, along: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(x, y, z) of cyclic components."""
    return {"x": (along, p, q), "y": (q, along, p), "z": (p, q, along)}[axis]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Box:
    """Box with faces normal to the axes. `centre` (3,) and `half_size` (3,), cm."""

    centre: jax.Array
    half_size: jax.Array

    def volume(self) -> jax.Array:
        """8 h_x h_y h_z, cm3, shape ()."""
        h = self.half_size
        return 8 * h[0] * h[1] * h[2]

    def sample_uniform(self, u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Point (x, y, z) uniform in the volume, c + h (2u - 1) per axis, from u in [0, 1)."""
        c, h = self.centre, self.half_size
        return c[0] + h[0] * (2 * u1 - 1), c[1] + h[1] * (2 * u2 - 1), c[2] + h[2] * (2 * u3 - 1)

    def contains(self, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        """True inside and on the surface."""
        c, h = self.centre, self.half_size
        return (jnp.abs(x - c[0]) <= h[0]) & (jnp.abs(y - c[1]) <= h[1]) & (jnp.abs(z - c[2]) <= h[2])

    def distance_range(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(nearest, farthest) distance in cm from a point to the points of the volume; nearest is 0 inside."""
        c, h = self.centre, self.half_size
        offsets = (jnp.abs(x - c[0]), jnp.abs(y - c[1]), jnp.abs(z - c[2]))
        outside = [jnp.maximum(offset - h[i], 0.0) for i, offset in enumerate(offsets)]
        beyond = [offset + h[i] for i, offset in enumerate(offsets)]
        return _length(*outside), _length(*beyond)

    def ray_interval(
        self, x: jax.Array, y: jax.Array, z: jax.Array, dx: jax.Array, dy: jax.Array, dz: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(near, far) in cm along the unit direction d; see the module. Method of slabs: no square root."""
        c, h = self.centre, self.half_size
        near_x, far_x = _slab(x, dx, c[0], h[0])
        near_y, far_y = _slab(y, dy, c[1], h[1])
        near_z, far_z = _slab(z, dz, c[2], h[2])
        return (
            jnp.maximum(jnp.maximum(near_x, near_y), near_z),
            jnp.minimum(jnp.minimum(far_x, far_y), far_z),
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cylinder:
    """Circular cylinder around a coordinate axis. `centre` (3,), `radius` (), `half_length` (), cm; `axis` is
    static.
    """

    centre: jax.Array
    radius: jax.Array
    half_length: jax.Array
    axis: Axis = field(metadata={"static": True})

    def _offsets(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])

    def volume(self) -> jax.Array:
        """2 pi R^2 h, cm3, shape ()."""
        return (2 * jnp.pi) * self.radius**2 * self.half_length

    def sample_uniform(self, u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Point (x, y, z) uniform in the volume: R sqrt(u1) at the angle 2 pi u2, height from u3; u in [0, 1)."""
        r = self.radius * jnp.sqrt(u1)
        sine, cosine = sincos2pi(u2)
        x, y, z = _cartesian(self.axis, r * cosine, r * sine, self.half_length * (2 * u3 - 1))
        return self.centre[0] + x, self.centre[1] + y, self.centre[2] + z

    def contains(self, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        """True inside and on the surface."""
        p, q, along = self._offsets(x, y, z)
        return (p * p + q * q <= self.radius**2) & (jnp.abs(along) <= self.half_length)

    def distance_range(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(nearest, farthest) distance in cm from a point to the points of the volume; nearest is 0 inside."""
        p, q, along = self._offsets(x, y, z)
        radial, axial = _length(p, q, jnp.zeros_like(p)), jnp.abs(along)
        zero = jnp.zeros_like(p)
        nearest = _length(jnp.maximum(radial - self.radius, 0.0), jnp.maximum(axial - self.half_length, 0.0), zero)
        return nearest, _length(radial + self.radius, axial + self.half_length, zero)

    def ray_interval(
        self, x: jax.Array, y: jax.Array, z: jax.Array, dx: jax.Array, dy: jax.Array, dz: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(near, far) in cm along the unit direction d; see the module.

        The discriminant is written with the cross product, R^2 d_t^2 - (p x d_t)^2, which keeps its digits for an
        origin far from the cylinder, where R^2 d_t^2 + (p.d_t)^2 - p^2 d_t^2 cancels.
        """
        p, q, along = self._offsets(x, y, z)
        dp, dq, d_along = _cyclic(self.axis, dx, dy, dz)
        speed_squared, cross = dp * dp + dq * dq, p * dq - q * dp
        near, far = _barrel(
            p * dp + q * dq,
            speed_squared,
            self.radius**2 * speed_squared - cross * cross,
            p * p + q * q <= self.radius**2,
        )
        near_end, far_end = _slab(along, d_along, jnp.zeros_like(self.half_length), self.half_length)
        return jnp.maximum(near, near_end), jnp.minimum(far, far_end)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tube:
    """What is left of a cylinder without its bore, around a coordinate axis: the wall of a hall.

    `centre` (3,), `inner_radius` and `radius` (), `half_length` (), cm; `axis` is static. It is not convex: a ray may
    cross it twice, so that it has no `ray_interval`.
    """

    centre: jax.Array
    inner_radius: jax.Array
    radius: jax.Array
    half_length: jax.Array
    axis: Axis = field(metadata={"static": True})

    def volume(self) -> jax.Array:
        """2 pi (R - r)(R + r) h, cm3, shape ()."""
        ring = (self.radius - self.inner_radius) * (self.radius + self.inner_radius)
        return (2 * jnp.pi) * ring * self.half_length

    def sample_uniform(self, u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Point (x, y, z) uniform in the volume: radius squared flat from r^2 to R^2, angle 2 pi u2, height from u3."""
        square = self.inner_radius**2 + (self.radius - self.inner_radius) * (self.radius + self.inner_radius) * u1
        sine, cosine = sincos2pi(u2)
        distance = jnp.sqrt(square)
        offset = _cartesian(self.axis, distance * cosine, distance * sine, self.half_length * (2 * u3 - 1))
        return self.centre[0] + offset[0], self.centre[1] + offset[1], self.centre[2] + offset[2]

    def contains(self, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        """True inside and on the surface."""
        p, q, along = _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])
        square = p * p + q * q
        return (square >= self.inner_radius**2) & (square <= self.radius**2) & (jnp.abs(along) <= self.half_length)

    def distance_range(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(nearest, farthest) distance in cm from a point to the points of the volume; nearest is 0 inside."""
        p, q, along = _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])
        zero = jnp.zeros_like(p)
        radial, axial = _length(p, q, zero), jnp.abs(along)
        across = jnp.maximum(jnp.maximum(radial - self.radius, self.inner_radius - radial), 0.0)
        nearest = _length(across, jnp.maximum(axial - self.half_length, 0.0), zero)
        return nearest, _length(radial + self.radius, axial + self.half_length, zero)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cone:
    """Truncated circular cone around a coordinate axis. `centre` (3,) is the middle of its axis; `start_radius` at the
    end of small and `end_radius` at that of large coordinate, `half_length` (), cm; `axis` is static.
    """

    centre: jax.Array
    start_radius: jax.Array
    end_radius: jax.Array
    half_length: jax.Array
    axis: Axis = field(metadata={"static": True})

    def _middle_and_slope(self) -> tuple[jax.Array, jax.Array]:
        """Radius in the middle, and its growth along the axis."""
        return 0.5 * (self.start_radius + self.end_radius), (self.end_radius - self.start_radius) / (
            2 * self.half_length
        )

    def volume(self) -> jax.Array:
        """2/3 pi h (a^2 + a b + b^2), cm3, shape ()."""
        a, b = self.start_radius, self.end_radius
        return (2 / 3 * jnp.pi) * self.half_length * (a * a + a * b + b * b)

    def sample_uniform(self, u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Point (x, y, z) uniform in the volume: r^3 flat from a^3 to b^3 gives the height, then a disc."""
        a, b = self.start_radius, self.end_radius
        r = jnp.cbrt(a**3 + (b**3 - a**3) * u3)
        # (r - a)/(b - a) without the difference, which is 0/0 for a cylinder
        height = u3 * (a * a + a * b + b * b) / (r * r + r * a + a * a)
        sine, cosine = sincos2pi(u2)
        disc = (a + (b - a) * height) * jnp.sqrt(u1)
        offset = _cartesian(self.axis, disc * cosine, disc * sine, self.half_length * (2 * height - 1))
        return self.centre[0] + offset[0], self.centre[1] + offset[1], self.centre[2] + offset[2]

    def contains(self, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        """True inside and on the surface."""
        p, q, along = _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])
        middle, slope = self._middle_and_slope()
        radius = middle + slope * along
        return (p * p + q * q <= radius * radius) & (jnp.abs(along) <= self.half_length)

    def distance_range(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(nearest, farthest) distance in cm from a point to the points of the volume; nearest is 0 inside.

        The farthest point is on one of the rims; the nearest on a lid or on the slanted side, whose distances are those
        to straight lines in the half plane of (distance from the axis, height).
        """
        p, q, along = _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])
        zero = jnp.zeros_like(p)
        radial, h = _length(p, q, zero), self.half_length
        a, b = self.start_radius, self.end_radius
        far = jnp.maximum(_length(radial + a, along + h, zero), _length(radial + b, along - h, zero))
        start = _length(jnp.maximum(radial - a, 0.0), along + h, zero)
        end = _length(jnp.maximum(radial - b, 0.0), along - h, zero)
        side = (b - a) ** 2 + 4 * h * h
        at = jnp.clip(((radial - a) * (b - a) + (along + h) * 2 * h) / side, 0.0, 1.0)
        slanted = _length(radial - a - (b - a) * at, along + h - 2 * h * at, zero)
        near = jnp.minimum(jnp.minimum(start, end), slanted)
        return jnp.where(self.contains(x, y, z), 0.0, near), far

    def ray_interval(
        self, x: jax.Array, y: jax.Array, z: jax.Array, dx: jax.Array, dy: jax.Array, dz: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(near, far) in cm along the unit direction d; see the module.

        The ray is inside the double cone where A t^2 + 2 B t + C <= 0, with A = d_t^2 - k^2 d_z^2, k the slope: between
        the roots if A > 0, else beyond that root at which the radius grows along the ray. Roots as q/A and C/q, q =
        -B -+ sqrt(B^2 - A C), which hold their digits for a small A.
        """
        p, q, along = _cyclic(self.axis, x - self.centre[0], y - self.centre[1], z - self.centre[2])
        dp, dq, d_along = _cyclic(self.axis, dx, dy, dz)
        middle, slope = self._middle_and_slope()
        radius = middle + slope * along
        square = dp * dp + dq * dq - (slope * d_along) ** 2
        along_the_side = jnp.abs(square) < _PARALLEL**2  # a root far away stands for the one that is not there
        square = jnp.where(along_the_side, _PARALLEL**2, square)
        half = p * dp + q * dq - slope * d_along * radius
        rest = p * p + q * q - radius * radius
        # B^2 - A C = (k d_z p_t - R d_t)^2 - (p x d)^2: one difference less than in the three products
        first, second, cross = slope * d_along * p - radius * dp, slope * d_along * q - radius * dq, p * dq - q * dp
        discriminant = first * first + second * second - cross * cross
        discriminant = jnp.where(along_the_side, half * half - square * rest, discriminant)
        hit = discriminant > 0
        root = jnp.sqrt(jnp.where(hit, discriminant, 1.0))
        pivot = -half - jnp.where(half < 0, -root, root)
        one = pivot / square
        other = rest / jnp.where(pivot == 0, 1.0, pivot)
        low, high = jnp.minimum(one, other), jnp.maximum(one, other)
        grows = slope * d_along > 0
        opened = square < 0
        near = jnp.where(opened, jnp.where(grows, high, -FAR_AWAY), low)
        far = jnp.where(opened, jnp.where(grows, FAR_AWAY, low), high)
        near, far = jnp.where(hit, near, FAR_AWAY), jnp.where(hit, far, -FAR_AWAY)
        near_end, far_end = _slab(along, d_along, jnp.zeros_like(self.half_length), self.half_length)
        return jnp.maximum(near, near_end), jnp.minimum(far, far_end)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sphere:
    """Sphere. `centre` (3,), `radius` (), cm."""

    centre: jax.Array
    radius: jax.Array

    def volume(self) -> jax.Array:
        """4/3 pi R^3, cm3, shape ()."""
        return (4 / 3 * jnp.pi) * self.radius**3

    def sample_uniform(self, u1: jax.Array, u2: jax.Array, u3: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Point (x, y, z) uniform in the volume: r = R u1^(1/3), cos(theta) = 1 - 2 u2, phi = 2 pi u3; u in [0, 1)."""
        r = self.radius * jnp.cbrt(u1)
        transverse = r * 2 * jnp.sqrt(u2 * (1 - u2))
        sine, cosine = sincos2pi(u3)
        c = self.centre
        return c[0] + transverse * cosine, c[1] + transverse * sine, c[2] + r * (1 - 2 * u2)

    def contains(self, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        """True inside and on the surface."""
        ox, oy, oz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        return ox * ox + oy * oy + oz * oz <= self.radius**2

    def distance_range(self, x: jax.Array, y: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(nearest, farthest) distance in cm from a point to the points of the volume; nearest is 0 inside."""
        distance = _length(x - self.centre[0], y - self.centre[1], z - self.centre[2])
        return jnp.maximum(distance - self.radius, 0.0), distance + self.radius

    def ray_interval(
        self, x: jax.Array, y: jax.Array, z: jax.Array, dx: jax.Array, dy: jax.Array, dz: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(near, far) in cm along the unit direction d; see the module. Discriminant R^2 - |o x d|^2."""
        ox, oy, oz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        cx, cy, cz = oy * dz - oz * dy, oz * dx - ox * dz, ox * dy - oy * dx
        along = ox * dx + oy * dy + oz * dz
        discriminant = self.radius**2 - (cx * cx + cy * cy + cz * cz)
        hit = discriminant > 0
        root = jnp.sqrt(jnp.where(hit, discriminant, 1.0))
        return jnp.where(hit, -along - root, FAR_AWAY), jnp.where(hit, -along + root, -FAR_AWAY)


Convex = Box | Cylinder | Cone | Sphere
Volume = Convex | Tube


def length_inside(near: jax.Array, far: jax.Array) -> jax.Array:
    """Length (cm) of the part of an interval that lies ahead of the origin, max(far - max(near, 0), 0); 0 for a
    miss.
    """
    return jnp.maximum(far - jnp.maximum(near, 0.0), 0.0)
