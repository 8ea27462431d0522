"""The spin that the daughter of a heavy neutral lepton takes over from N -> daughter X, with any mediator.

In all these vertices the daughter k has the chirality of P_L, so that at fixed momenta the squared amplitude of a
Dirac N is proportional to Q.(k - m_k s), s the spin four-vector of the daughter. In its rest frame that is
m_k (Q0 + Q.s): the polarisation is Q/Q0. Q is made of X and of K = P + o h m S, with P, S and h (-1 to 1) momentum,
spin axis and polarisation of the parent; o = -1 for a Z', which keeps chirality, +1 for a moment or a scalar, which
flip it.

    Z', on shell or virtual     Q = (K.l-) l+ + (K.l+) l- + m_l^2 K            `spin_by_vector`
    photon                      Q = k_photon: full polarisation, whatever h
    virtual photon, q = l- + l+ Q = 2 (q.V) q - q^2 V, V the Q of the Z'       `spin_by_virtual_photon`
    scalar, on shell or virtual Q = K

Antiparticles: as in `dilepton_decay`, give the polarisation of the CP image. A Majorana daughter decays in a way that
does not depend on its polarisation. Source: traces made for this project; the whole cascades are repeated with explicit
matrices in the tests.
"""

import jax
import jax.numpy as jnp

from darkhorn.kernels.kinematics import FourVector, Vector, boost_from_rest, boost_to_rest, four


def chiral_momentum(
    momentum: FourVector, m: jax.Array, polarisation: jax.Array, axis: Vector, orientation: float
) -> FourVector:
    """K = P + o h m S of a state of mass m (GeV), of polarisation h along `axis` in its rest frame. Shapes (n,)."""
    spin = boost_from_rest(four(jnp.zeros_like(axis.x), axis), momentum, m)
    return momentum.plus(_scaled(spin, orientation * polarisation * m))


def spin_by_vector(chiral: FourVector, negative: FourVector, positive: FourVector, m_lepton: jax.Array) -> FourVector:
    """Q of the module for a pair that a vector made. Four-vectors in any one frame. Shapes (n,); GeV."""
    to_positive, to_negative = chiral.dot(negative), chiral.dot(positive)
    square = m_lepton * m_lepton
    return FourVector(
        *(to_positive * p + to_negative * n + square * k for p, n, k in zip(positive, negative, chiral, strict=True))
    )


def spin_by_virtual_photon(
    chiral: FourVector, negative: FourVector, positive: FourVector, m_lepton: jax.Array
) -> FourVector:
    """Q of the module for a pair that a magnetic moment made; along q for q^2 -> 0. Shapes (n,); GeV."""
    vector, q = spin_by_vector(chiral, negative, positive, m_lepton), negative.plus(positive)
    return _scaled(q, 2 * q.dot(vector)).plus(_scaled(vector, -q.dot(q)))


def polarisation_of(spin: FourVector, daughter: FourVector, m_daughter: jax.Array) -> Vector:
    """Polarisation Q/Q0, |Q/Q0| <= 1 up to rounding, of the daughter in its rest frame. Shapes (n,); GeV."""
    seen = boost_to_rest(spin, daughter, m_daughter)
    return seen.p.scale(1 / seen.e)


def _scaled(p: FourVector, factor: jax.Array) -> FourVector:
    return FourVector(*(factor * component for component in p))
