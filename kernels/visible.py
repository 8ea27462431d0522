"""What a detector sees of a pair e+ e-: its energy, direction, sharing of the energy, opening, mass."""

from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp

from darkhorn.kernels.kinematics import FourVector


class PairObservables(NamedTuple):
    """Observables of a pair, each of the shape of its momenta; `pair_observables` defines them.

    energy       E = E- + E+, GeV
    backward     1 - cos(theta), theta the angle between the momentum of the pair and the z axis
    asymmetry    |E- - E+| / E
    opening      angle between the two leptons, rad
    mass         invariant mass, GeV
    cos_decay    |cos| of the angle between a lepton, in the rest frame of the pair, and the flight of the pair
    """

    energy: Any
    backward: Any
    asymmetry: Any
    opening: Any
    mass: Any
    cos_decay: Any


def pair_observables(em: FourVector, ep: FourVector, lepton_mass: Any, xp: ModuleType = jnp) -> PairObservables:
    """Observables of leptons with the four-momenta em and ep (GeV) and the common mass `lepton_mass` (GeV).

        m^2 = 2 m_l^2 + 2 (E- E+ - p-.p+),   asymmetry = beta_pair sqrt(1 - 4 m_l^2/m^2) |cos_decay|

    so that (E, asymmetry, opening) and (E, mass, cos_decay) say the same: with a mediator on shell, the mass is one
    number, and the first three lie on a surface, which the second show.

    Shapes broadcast. `xp` is `jax.numpy` or `numpy`. Accuracy: 1e-15 E^2/m^2 relative in the mass; 1 - cos(theta) and
    the opening angle keep their digits also forwards. A pair at rest has `backward` 1 and `cos_decay` 0.
    Source: PDG Review, "Kinematics".
    """
    energy = em.e + ep.e
    x, y, z = em.x + ep.x, em.y + ep.y, em.z + ep.z
    across = x * x + y * y
    square = across + z * z
    moving = square > 0
    p = xp.sqrt(xp.where(moving, square, 1.0))
    # 1 - cos = (p_T/p)^2 / (1 + cos) holds digits forwards, 1 - p_z/p backwards
    cosine = z / p
    forward = cosine > 0
    sharp = across / (p * p) / xp.where(forward, 1 + cosine, 1.0)
    backward = xp.where(moving, xp.where(forward, sharp, 1 - cosine), 1.0)
    product = em.x * ep.x + em.y * ep.y + em.z * ep.z
    crossed = xp.sqrt(
        (em.y * ep.z - em.z * ep.y) ** 2 + (em.z * ep.x - em.x * ep.z) ** 2 + (em.x * ep.y - em.y * ep.x) ** 2
    )
    least = 4 * lepton_mass * lepton_mass
    mass_square = xp.maximum(0.5 * least + 2 * (em.e * ep.e - product), least)
    asymmetry = xp.abs(em.e - ep.e) / energy
    speed = xp.where(moving, p, 0.0) / energy * xp.sqrt(1 - least / mass_square)
    flies = speed > 0
    cos_decay = xp.where(flies, xp.minimum(asymmetry / xp.where(flies, speed, 1.0), 1.0), 0.0)
    return PairObservables(energy, backward, asymmetry, xp.arctan2(crossed, product), xp.sqrt(mass_square), cos_decay)
