"""A decay as seen from a point: energy of the massless daughter that flies there, and probability per solid angle.

Source: relativistic aberration; the same formulas as in `calcLocationWeights` of the dk2nu documentation.
"""

import jax
import jax.numpy as jnp

from darkhorn.kernels.kinematics import FourVector, Vector, boost_to_rest


def seen_from(parent: FourVector, mass: jax.Array, energy_star: jax.Array, n: Vector) -> tuple[jax.Array, jax.Array]:
    """Lab energy, and probability per steradian about the unit vector n, of a massless daughter emitted isotropically
    with energy E* in the rest frame:

        D = (E - p.n)/m,   E_lab = E*/D,   dP/dOmega = 1/(4 pi D^2)

    GeV, 1/sr; shapes broadcast. Exact. Relative rounding error 1e-16 (E/m)^2.
    """
    doppler = (parent.e - parent.p.dot(n)) / mass
    return energy_star / doppler, 1 / (4 * jnp.pi * doppler * doppler)


def muon_spin_cosine(muon: FourVector, parent: FourVector, mass: jax.Array, n: Vector) -> jax.Array:
    """Cosine in the muon's rest frame between a massless daughter that flies along n and the muon's parent.

    A muon from a two-body decay of a meson is fully polarised: mu+ along, mu- against the direction in which the parent
    flies in the muon's rest frame. 0 for a parent that moves with the muon. Shapes broadcast.
    """
    daughter = boost_to_rest(FourVector(jnp.ones_like(n.x), n.x, n.y, n.z), muon, mass)
    source = boost_to_rest(parent, muon, mass)
    size = source.p.norm()
    known = size > 1e-6 * mass
    return jnp.where(known, daughter.p.dot(source.p) / (daughter.e * jnp.where(known, size, 1.0)), 0.0)


def muon_decay_factor(x: jax.Array, cosine: jax.Array, electron_flavour: bool) -> jax.Array:
    """Distribution of the neutrino about the spin axis of `muon_spin_cosine`, relative to isotropic, at x = 2 E*/m.

    nu_e: 1 - c;  nu_mu: 1 - c (1 - 2x)/(3 - 2x). The same for mu+ and mu-. Shapes broadcast. Source: T.K. Gaisser,
    Cosmic Rays and Particle Physics; massless electron.
    """
    if electron_flavour:
        return 1 - cosine
    return 1 - cosine * (1 - 2 * x) / (3 - 2 * x)
