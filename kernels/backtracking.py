"""From where a neutral decays back to where its neutrino scattered, with the angle of the scattering chosen before."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.kinematics import Vector, transverse_axes


class Displacement(NamedTuple):
    """From the scattering to the decay: its length (cm), sine and cosine of its angle to the neutrino, cosine and sine
    of the azimuth in which it leans. Each (n,).
    """

    length: jax.Array
    sine: jax.Array
    cosine: jax.Array
    cos_azimuth: jax.Array
    sin_azimuth: jax.Array


class Scattering(NamedTuple):
    """Where a neutrino scattered, and how it came there.

    place     of the scattering, cm
    neutrino  its direction
    side      unit vector across it, towards which the displacement leans: neutrino cos theta + side sin theta is along
              the displacement
    baseline  distance from the birth, cm
    spread    flux at the place, over L0^2/D0^2 of `scattering_of`
    possible  there is such a triangle: elsewhere the numbers are finite and mean nothing
    """

    place: Vector
    neutrino: Vector
    side: Vector
    baseline: jax.Array
    spread: jax.Array
    possible: jax.Array


def scattering_of(decay: Vector, birth: Vector, shift: Displacement, beam: Vector, parallel: jax.Array) -> Scattering:
    """The scattering S of a neutrino born at s, whose product decays at D, displaced from S by l at the angle theta.

    s, S and D are a triangle with sides r = |S - s|, l and D0 = |D - s|, and the outer angle theta at S:
    r = -l cos theta + sqrt(D0^2 - l^2 sin^2 theta), and alpha at s: sin alpha = l sin theta / D0. At fixed (theta,
    azimuth, l), d^3S flux(S) = d^3D flux L0^2/[D0 (r + l cos theta)], with L0 the distance at which the flux is
    known: nothing is approximated, and the spread of the beam cancels. Neutrinos that are `parallel` to `beam` fix the
    direction of the displacement at once: S = D - l n and d^3S flux(S) = d^3D flux L0^2/r^2.

    Shapes (n,); cm; parallel () of bool. `spread` is D0/(r + l cos theta), or D0^2/r^2; r is not taken below 1 cm.
    Accuracy: rounding times D0. Source: law of cosines; unit Jacobian of the rigid rotation. Checked against forward
    sampling in tests/statistical/test_soil.py and test_displaced.py.
    """
    line = decay.minus(birth)
    whole = line.norm()
    axis = Vector(*(jnp.where(parallel, b, v / whole) for b, v in zip(beam, line, strict=True)))
    flown, sine, cosine = shift.length, shift.sine, shift.cosine
    radicand = whole * whole - (flown * sine) ** 2
    possible = radicand > 0
    root = jnp.sqrt(jnp.where(possible, radicand, 1.0))
    r = root - flown * cosine
    possible = possible & (r > 0)
    bent = possible & ~parallel
    sin_alpha = jnp.where(bent, flown * sine / whole, 0.0)
    cos_alpha = jnp.where(bent, root / whole, 1.0)
    one, other = transverse_axes(axis)
    across = one.scale(shift.cos_azimuth).plus(other.scale(shift.sin_azimuth))
    neutrino = axis.scale(cos_alpha).minus(across.scale(sin_alpha))
    side = across.scale(cos_alpha).plus(axis.scale(sin_alpha))
    place = decay.minus(neutrino.scale(flown * cosine)).minus(side.scale(flown * sine))
    from_birth = place.minus(birth)
    straight = jnp.maximum(from_birth.dot(from_birth), 1.0)
    return Scattering(
        place,
        neutrino,
        side,
        jnp.where(parallel, jnp.sqrt(straight), jnp.where(possible, r, whole)),
        jnp.where(parallel, whole * whole / straight, whole / jnp.where(possible, root, 1.0)),
        possible | parallel,
    )
