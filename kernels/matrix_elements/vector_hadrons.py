"""Decays of a dark vector that couples to electric charge with g = e epsilon: leptons, and hadrons through R(s).

Gamma(V -> hadrons) = g^2 m_V/(12 pi) R(m_V^2): the vector makes the same final states as a photon of that virtuality.
Source: B. Batell, M. Pospelov, A. Ritz, Phys. Rev. D 79 (2009) 115008.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON, MASS_TAU
from darkhorn.kernels.matrix_elements.hadron_ratio import MASS_NEUTRAL_PION, RATIO_CUTS, hadron_ratio
from darkhorn.kernels.matrix_elements.neutral_decays import width_through_vector, width_vector_to_leptons


class VisibleWidths(NamedTuple):
    """Partial widths of a vector, GeV."""

    electrons: jax.Array
    muons: jax.Array
    taus: jax.Array
    hadrons: jax.Array

    @property
    def total(self) -> jax.Array:
        """Their sum."""
        return self.electrons + self.muons + self.taus + self.hadrons


def width_vector_to_hadrons(m_vector: jax.Array, coupling: jax.Array) -> jax.Array:
    """Gamma(V -> hadrons) = g^2 m_V/(12 pi) R(m_V^2) for the coupling g to unit charge.

    Shapes broadcast; GeV. 0 below m_pi0. Accuracy that of `hadron_ratio`, 6 to 20 % from 2 m_pi to 40 GeV.
    """
    return coupling**2 * m_vector / (12 * jnp.pi) * hadron_ratio(m_vector)


def visible_widths(m_vector: jax.Array, coupling: jax.Array) -> VisibleWidths:
    """Partial widths to e+ e-, mu+ mu-, tau+ tau- and hadrons for the coupling g to unit charge.

    Shapes broadcast; GeV. Zero where closed.
    """
    m_vector, coupling = jnp.broadcast_arrays(m_vector, coupling)

    def leptons(mass: float) -> jax.Array:
        return width_vector_to_leptons(m_vector, jnp.asarray(mass, m_vector.dtype), coupling)

    hadrons = width_vector_to_hadrons(m_vector, coupling)
    return VisibleWidths(leptons(MASS_ELECTRON), leptons(MASS_MUON), leptons(MASS_TAU), hadrons)


def width_through_vector_to_hadrons(
    m: jax.Array,
    m_j: jax.Array,
    m_vector: jax.Array,
    width_vector: jax.Array,
    coupling: jax.Array,
    hadron_coupling: jax.Array,
    majorana: jax.Array,
) -> jax.Array:
    """Gamma(N -> nu_j hadrons) through a vector of any mass: `width_through_vector` with R(s) of `hadron_ratio`.

    The integral is cut at thresholds and about every peak of R, down to the widths of the Upsilons (20 keV).
    `coupling` is d of N, `hadron_coupling` g to unit charge. Shapes broadcast; GeV; zero below m_pi0. Accuracy of the
    integral 1e-6; of the result that of R.
    """
    arrays = jnp.broadcast_arrays(m, m_j, m_vector, width_vector, coupling, hadron_coupling, majorana)
    m, m_j, m_vector, width_vector, coupling, hadron_coupling, majorana = arrays

    def hadrons(q: jax.Array) -> jax.Array:
        return width_vector_to_hadrons(q, hadron_coupling[..., None, None])

    lightest, cuts = jnp.full_like(m, MASS_NEUTRAL_PION), jnp.asarray(RATIO_CUTS, m.dtype)
    return width_through_vector(m, m_j, m_vector, width_vector, lightest, coupling, majorana, hadrons, cuts)
