"""A broad density of e+ e- pairs: what a sample is drawn from that shall be reweighted to any other."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.kinematics import FourVector, Vector, along, boost_from_rest, four
from darkhorn.kernels.trigonometry import sincos2pi


class PairProposal(NamedTuple):
    """Numbers of the density, GeV.

    least_mass, most_mass   range of the mass m of the pair, least_mass > 2 m_l
    most_energy             largest energy E of the pair, above most_mass
    energy_scale            T0: E - m falls as (E - m + T0)^-3
    transverse_scale        q: the angle falls beyond about sqrt(q^2 + m^2)/E
    wide_share              share f of pairs with directions uniform on the sphere
    """

    least_mass: Any
    most_mass: Any
    most_energy: Any
    energy_scale: Any
    transverse_scale: Any
    wide_share: Any


class PairUniforms(NamedTuple):
    """Uniform numbers of a pair, (n,) each."""

    mass: jax.Array
    energy: jax.Array
    polar: jax.Array
    azimuth: jax.Array
    lepton: jax.Array
    lepton_azimuth: jax.Array


def _forward_scale(energy: Any, mass: Any, p: PairProposal) -> Any:
    """y0 = (q^2 + m^2) / 2 E^2: 1 - cos of the typical angle."""
    return 0.5 * (p.transverse_scale**2 + mass * mass) / (energy * energy)


def _cut(most: Any, p: PairProposal) -> Any:
    """1 - T0^2/(T0 + Tm)^2: share of (T0 + T)^-3 below the largest T = Tm."""
    return most * (2 * p.energy_scale + most) / (p.energy_scale + most) ** 2


def sample_pair(u: PairUniforms, p: PairProposal, lepton_mass: Any) -> tuple[FourVector, FourVector]:
    """Momenta (GeV) of e- and e+ in a frame whose z axis is the beam, distributed as `pair_density` exactly.

    Each variable by the inverse of its distribution function; the azimuths of the pair, and of the leptons about its
    flight, are uniform. Shapes (n,).
    """
    mass = p.least_mass * (p.most_mass / p.least_mass) ** u.mass
    kinetic = p.energy_scale * (1 / jnp.sqrt(1 - u.energy * _cut(p.most_energy - mass, p)) - 1)
    energy = mass + kinetic
    wide = u.polar < p.wide_share
    v = jnp.where(wide, u.polar / p.wide_share, (u.polar - p.wide_share) / (1 - p.wide_share))
    y0 = _forward_scale(energy, mass, p)
    y = jnp.where(wide, 2 * v, 2 * v * y0 / (y0 + 2 * (1 - v)))  # 1 - cos
    sine = jnp.sqrt(jnp.maximum(y * (2 - y), 0.0))
    sin_phi, cos_phi = sincos2pi(u.azimuth)
    flight = Vector(sine * cos_phi, sine * sin_phi, 1 - y)
    pair = four(energy, flight.scale(jnp.sqrt(kinetic * (energy + mass))))
    momentum = 0.5 * jnp.sqrt((mass - 2 * lepton_mass) * (mass + 2 * lepton_mass))
    cosine = 2 * u.lepton - 1
    across = momentum * jnp.sqrt((1 - cosine) * (1 + cosine))
    sin_lepton, cos_lepton = sincos2pi(u.lepton_azimuth)
    k = along(flight, across * cos_lepton, across * sin_lepton, momentum * cosine)
    em = boost_from_rest(four(0.5 * mass, k), pair, mass)
    ep = boost_from_rest(four(0.5 * mass, k.scale(jnp.asarray(-1.0, mass.dtype))), pair, mass)
    return em, ep


def pair_density(energy: Any, backward: Any, log_mass: Any, p: PairProposal, xp: Any = jnp) -> Any:
    """Density of pairs in (E, 1 - cos theta, ln m, |cos_decay|), per GeV; its integral over the four is 1.

        1/ln(m2/m1) * 2 T0^2 / [c (T0 + T)^3] * { f/2 + (1 - f) y0 (2 + y0) / [2 (y + y0)^2] } * 1

    with T = E - m, c = 1 - T0^2/(T0 + Tm)^2, Tm = most_energy - m, y = 1 - cos theta, y0 = (q^2 + m^2)/2E^2
    (`PairProposal`): flat in the logarithm of the mass and in |cos_decay|, 0 outside of the ranges. Shapes broadcast.
    Made for this project; exact.
    """
    mass = xp.exp(log_mass)
    t, most, t0 = energy - mass, p.most_energy - mass, p.energy_scale
    inside = (mass >= p.least_mass) & (mass <= p.most_mass) & (t >= 0) & (t <= most)
    safe = xp.where(inside, most, 1.0)
    along_energy = 2 * t0 * t0 / (_cut(safe, p) * (t0 + xp.where(inside, t, 1.0)) ** 3)
    y0 = _forward_scale(xp.where(inside, energy, 1.0), mass, p)
    around = 0.5 * p.wide_share + 0.5 * (1 - p.wide_share) * y0 * (2 + y0) / (backward + y0) ** 2
    return xp.where(inside, along_energy * around / xp.log(p.most_mass / p.least_mass), 0.0)
