"""A decay as seen from a point: energy of the daughter that flies there, and probability per solid angle.

Source: relativistic aberration; for massless daughters the same formulas as in `calcLocationWeights` of the dk2nu
documentation (NuMI-NOTE-BEAM-0109).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.kinematics import FourVector, Vector, boost_to_rest


def seen_from(parent: FourVector, mass: jax.Array, energy_star: jax.Array, n: Vector) -> tuple[jax.Array, jax.Array]:
    """Lab energy, and probability per steradian about the unit vector n, of a massless daughter emitted isotropically
    with energy E* in the rest frame:

        D = (E - p.n)/m,   E_lab = E*/D,   dP/dOmega = 1/(4 pi D^2)

    GeV, 1/sr; shapes broadcast. Exact. Relative rounding error 1e-16 E/m, because forward D is taken as
    (m^2 + |p x n|^2)/[m (E + p.n)], without the cancellation.
    """
    along = parent.p.dot(n)
    forward = along > 0
    turned = mass * mass + _cross(parent, n)
    doppler = jnp.where(forward, turned / (parent.e + jnp.where(forward, along, 0.0)), parent.e - along) / mass
    return energy_star / doppler, 1 / (4 * jnp.pi * doppler * doppler)


def _cross(parent: FourVector, n: Vector) -> jax.Array:
    """|p x n|^2."""
    x, y, z = parent.y * n.z - parent.z * n.y, parent.z * n.x - parent.x * n.z, parent.x * n.y - parent.y * n.x
    return x * x + y * y + z * z


class Seen(NamedTuple):
    """One solution for a massive daughter: momentum (GeV) and probability per steradian (1/sr); both 0 if there is
    none.
    """

    momentum: jax.Array
    per_solid_angle: jax.Array


def massive_seen_from(
    parent: FourVector, mass: jax.Array, star: jax.Array, daughter_mass: jax.Array, n: Vector
) -> tuple[Seen, Seen]:
    """The daughters of mass m, emitted isotropically with momentum p* in the rest frame of a parent (M, E, P), that fly
    along the unit vector n: those that flew forward in that frame, and those that flew backward.

        p+- = [M E* P cos theta +- E R] / (M^2 + P^2 sin^2 theta),   R^2 = (M p*)^2 - (m P sin theta)^2
        dP/dOmega = p^2 M / (4 pi p* R),   E* = sqrt(p*^2 + m^2)

    The second exists where the parent is faster than the daughter in its rest frame and theta is below the largest
    angle, sin theta = M p*/(m P), at which the density has an integrable pole. GeV, 1/sr; shapes broadcast; p* > 0.
    For m = 0 the first is `seen_from` and there is no second. Source: energy in the rest frame, E P_E - p.P = M E*,
    solved for p; R is |E_P p - P E cos theta|.
    """
    energy_star = jnp.sqrt(star * star + daughter_mass * daughter_mass)
    along = parent.p.dot(n)
    across_squared = _cross(parent, n)
    square = (mass * star) ** 2 - daughter_mass * daughter_mass * across_squared
    allowed = square > 0
    root = jnp.sqrt(jnp.where(allowed, square, 1.0))
    denominator = mass * mass + across_squared

    def solution(sign: float) -> Seen:
        p = (mass * energy_star * along + sign * parent.e * root) / denominator
        # at m = 0 the second solution is p = 0 but for rounding
        there = allowed & (p > 1e-12 * energy_star)
        p = jnp.where(there, p, 0.0)
        return Seen(p, jnp.where(there, p * p * mass / (4 * jnp.pi * star * root), 0.0))

    return solution(1.0), solution(-1.0)


def spin_axis(parent: FourVector, muon: FourVector, mass: jax.Array) -> Vector:
    """Unit vector, in the rest frame of a muon, towards which its parent flies there; 0 if it moves with the muon.

    A muon of a two-body decay of a meson is fully polarised: mu+ along, mu- against this axis. `muon` is taken where
    it was made. Shapes broadcast; GeV.
    """
    source = boost_to_rest(parent, muon, mass).p
    size = source.norm()
    known = size > 1e-6 * mass
    return source.scale(jnp.where(known, 1.0, 0.0) / jnp.where(known, size, 1.0))


def cosine_to_axis(axis: Vector, muon: FourVector, mass: jax.Array, n: Vector) -> jax.Array:
    """Cosine in the muon's rest frame between an axis given there and a massless daughter that flies along n in the
    lab. Shapes broadcast. An axis of length 0 (a muon without polarisation) gives 0.
    """
    daughter = boost_to_rest(FourVector(jnp.ones_like(n.x), n.x, n.y, n.z), muon, mass)
    return daughter.p.dot(axis) / daughter.e


def muon_spin_cosine(muon: FourVector, parent: FourVector, mass: jax.Array, n: Vector) -> jax.Array:
    """`cosine_to_axis` for a muon that has kept the momentum with which its parent made it."""
    return cosine_to_axis(spin_axis(parent, muon, mass), muon, mass, n)


def muon_decay_factor(x: jax.Array, cosine: jax.Array, electron_flavour: jax.Array | bool) -> jax.Array:
    """Distribution of the neutrino about the `spin_axis`, relative to isotropic, at x = 2 E*/m.

    nu_e: 1 - c;  nu_mu: 1 - c (1 - 2x)/(3 - 2x). The same for mu+ and mu-. Shapes broadcast. Source: T.K. Gaisser,
    Cosmic Rays and Particle Physics; massless electron.
    """
    return 1 - cosine * jnp.where(electron_flavour, 1.0, (1 - 2 * x) / (3 - 2 * x))


class RaySeen(NamedTuple):
    """A neutrino of a ray at a point: unit vector of its flight, distance (cm), energy (GeV), and flux there of one
    decay, 1/cm^2.
    """

    direction: Vector
    distance: jax.Array
    energy: jax.Array
    per_area: jax.Array


def neutrino_at(
    point: Vector,
    place: Vector,
    parent: FourVector,
    mass: jax.Array,
    energy_star: jax.Array,
    axis: Vector,
    electron_flavour: jax.Array,
) -> RaySeen:
    """The neutrino of energy E* in the rest frame of a parent that decays at `place`, as it arrives at `point`:
    `seen_from` over the square of the distance, times `muon_decay_factor` for a muon with a spin axis (`spin_axis`; of
    length 0 for everything else, which makes that factor 1). cm, GeV; shapes broadcast. Exact.
    """
    d = point.minus(place)
    distance = d.norm()
    n = d.scale(1 / distance)
    energy, per_solid_angle = seen_from(parent, mass, energy_star, n)
    cosine = cosine_to_axis(axis, parent, mass, n)
    factor = muon_decay_factor(2 * energy_star / mass, cosine, electron_flavour)
    return RaySeen(n, distance, energy, per_solid_angle * factor / (distance * distance))
