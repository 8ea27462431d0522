"""Muons of pions that decay in target and horns: they feel the field and the metal from their birth on.

They are 7 % of the muons that make nu_e at MiniBooNE if they fly straight, and 12 % as they do here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import STEP
from darkhorn.generator.beams.propagate import Medium, Start
from darkhorn.generator.beams.rays import Flown, Rays, TimedPlace, Walls, joined_rays, rays_of
from darkhorn.kernels.constants import MASS_MUON, MASS_PION
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import FourVector, Vector, boost_from_rest, boost_to_rest, four


class Born(NamedTuple):
    """Muons where they are made: place, momentum (GeV) of the pion, whether that was extrapolated. Arrays (n,)."""

    place: TimedPlace
    before: Vector
    extrapolated: jax.Array


def muon_medium(pions: Medium) -> Medium:
    """What muons of a charge meet, from what pions of that charge do: no interactions, and the energy loss of a pion of
    the same beta gamma (dE/dx depends on the mass only by the largest energy transfer).
    """
    table = np.asarray(pions.table)
    p = STEP * np.arange(len(table))
    losses = [np.interp(p * MASS_PION / MASS_MUON, p, table[:, column]) for column in (4, 5)]
    own = np.zeros_like(table)
    own[:, 4], own[:, 5] = losses
    mass, ctau = jnp.asarray(MASS_MUON), jnp.asarray(CTAU_CM[13])
    return pions._replace(table=jnp.asarray(own), mass=mass, ctau=ctau, gas=jnp.zeros(()))


def split(found: Rays, born: TimedPlace) -> tuple[Born, Rays, TimedPlace]:
    """Muons of a batch (2n,), of which the first half was born in target and horns: that half, and the rays and places
    of all with its weight at 0 (shapes stay as they are).
    """
    n = born.weight.shape[0] // 2
    first = Born(*jax.tree.map(lambda a: a[:n], (born, found.before, found.extrapolated)))
    behind = jnp.arange(2 * n) >= n
    return (
        first,
        found._replace(weight=jnp.where(behind, found.weight, 0.0)),
        born._replace(weight=jnp.where(behind, born.weight, 0.0)),
    )


def gathered(parts: list[Born]) -> Born:
    """As many muons as one part has, from all parts: the first n/len(parts) of each, with weights so much larger.
    Particles of a batch are independent and in no order. Shapes (n,).
    """
    n = parts[0].place.weight.shape[0]
    each = n // len(parts)
    short: list[Born] = [jax.tree.map(lambda a: a[:each], part) for part in parts]
    short = [b._replace(place=b.place._replace(weight=b.place.weight * (n / each))) for b in short]
    rest: Born = jax.tree.map(lambda a: a[: n - each * len(parts)], parts[0])
    short.append(rest._replace(place=rest.place._replace(weight=0 * rest.place.weight)))
    whole: Born = jax.tree.map(lambda *a: jnp.concatenate(a), *short)
    return whole


def started(born: Born) -> Start:
    """The start of their flight; those that fly backward, or nearly so, are lost."""
    b, q = born.place, born.place.momentum
    size = q.norm()
    weight = jnp.where(q.z > 0.06 * size, b.weight, 0.0)
    return Start(b.z, Track(b.x, b.y, q.x, q.y, size), weight)


@jax.jit
def spin_carried(before: Vector, born: Vector, now: Vector) -> Vector:
    """The momentum of a pion that gives a muon of momentum `now` the spin of one of momentum `born` from a pion of
    momentum `before`, with the spin turned as the momentum was. Shapes (n,); GeV.

    In a magnetic field the spin keeps its angle to the momentum, but for g - 2: the muon's rest-frame axis turns about
    the common normal of both directions. Source: V. Bargmann, L. Michel, V. Telegdi, Phys. Rev. Lett. 2 (1959) 435.
    """
    mass = jnp.asarray(MASS_MUON)

    def whole(p: Vector, m: float) -> FourVector:
        return four(jnp.sqrt(p.dot(p) + m * m), p)

    axis = boost_to_rest(whole(before, MASS_PION), whole(born, MASS_MUON), mass)
    turned = four(axis.e, _turned(axis.p, born.scale(1 / born.norm()), now.scale(1 / now.norm())))
    found: Vector = boost_from_rest(turned, whole(now, MASS_MUON), mass).p
    return found


def _turned(v: Vector, a: Vector, b: Vector) -> Vector:
    """v turned by the smallest rotation that takes the unit vector a to b: Rodrigues' formula."""
    cosine = a.dot(b)
    k = _cross(a, b)
    along = k.dot(v) / jnp.maximum(1 + cosine, 1e-12)
    return v.scale(cosine).plus(_cross(k, v)).plus(k.scale(along))


def _cross(a: Vector, b: Vector) -> Vector:
    return Vector(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)


def flown_rays(
    born: Born, flown: Flown, w: Walls, key: jax.Array, low: jax.Array, high: jax.Array
) -> tuple[Rays, Rays, TimedPlace, Rays]:
    """(decays in target, horns and pipe; muons as they leave the horns, and where, for what walls make of them; muons
    at rest in target and horns). Shapes: (n,) in, (2n,) out; the second half is empty but for the first.
    """
    mass, ctau = jnp.asarray(MASS_MUON), jnp.asarray(CTAU_CM[13])
    rays = rays_of(flown, born.extrapolated, mass, ctau, w._replace(gas=jnp.asarray(np.inf)), key, low, high)
    spins = [spin_carried(born.before, born.place.momentum, p.momentum) for p in (flown.decay, flown.leaving)]
    leaving = flown.leaving
    twice: TimedPlace = jax.tree.map(lambda a: jnp.concatenate([a, a]), leaving)
    none = jnp.zeros_like(leaving.weight)
    there = twice._replace(weight=jnp.concatenate([leaving.weight, none]))
    in_horn, after = (jax.tree.map(lambda a, b: jnp.concatenate([a, b]), one, spins[1]) for one in spins)
    stopped = leaving._replace(momentum=Vector(none, none, none), weight=flown.stopped)
    resting = joined_rays([stopped, stopped._replace(weight=none)], born.extrapolated)
    return rays._replace(before=in_horn), rays._replace(before=after), there, resting
