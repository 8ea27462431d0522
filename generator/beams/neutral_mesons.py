"""pi0 and eta of a beam, for what decays of them make: they decay where they are made (25 nm and less times p/m).

They make no neutrinos, and are produced only when asked for.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.fluxes.hadron_production import Production
from darkhorn.generator.beams.rays import Rays, TimedPlace
from darkhorn.generator.beams.sources import (
    Hashable,
    differential,
    drawn,
    hadrons_of,
    interacting_share,
    production_cells,
    protons,
)
from darkhorn.geometry.beamlines import Beamline
from darkhorn.kernels.kinematics import Vector, along
from darkhorn.kernels.production.cells import Cells
from darkhorn.kernels.trigonometry import sincos2pi

# rad: to the end of the domain of Sanford-Wang. What decays of slow mesons make may go forward when they do not
WIDEST_NEUTRAL = np.pi / 2
BATCHES = 2  # of each, per round


@dataclass(frozen=True)
class NeutralMesons:
    """Which neutral mesons to make, and how many.

    species      PDG codes: 111 (pi0), 221 (eta)
    pi0_per_pot  pi0 per proton on target that beam protons make; those of secondary nucleons come on top, in
                 proportion. None: the number of the parametrisation
    eta_per_pi0  both made by beam protons; None: `HadronModel.eta_per_pi0`
    """

    species: tuple[int, ...] = ()
    pi0_per_pot: float | None = None
    eta_per_pi0: float | None = None


NO_NEUTRALS = NeutralMesons()


def total_cross_section(made: Production, momentum: float, widest: float = WIDEST_NEUTRAL, nodes: int = 16) -> float:
    """Integral of the density over 0 < p < p_B - 1 GeV/c and 0 < theta < widest, mb: 40 panels of Gauss-Legendre in
    each variable, crowded where mesons are slow and forward. Accuracy 1e-6.
    """
    node, weight = np.polynomial.legendre.leggauss(nodes)

    def axis(top: float) -> tuple[jax.Array, jax.Array]:
        edges = top * np.linspace(0, 1, 41) ** 2
        half = np.diff(edges)[:, None] / 2
        return jnp.asarray((edges[:-1, None] + half + half * node).ravel()), jnp.asarray((half * weight).ravel())

    (p, of_p), (theta, of_theta) = axis(momentum - 1), axis(widest)
    density = _density(Hashable(made), p[:, None], theta[None, :], jnp.asarray(momentum))
    return float(of_p @ density @ (2 * jnp.pi * jnp.sin(theta) * of_theta))


@partial(jax.jit, static_argnames=("made",))
def _density(made: Hashable, p: jax.Array, theta: jax.Array, beam: jax.Array) -> jax.Array:
    return differential(made.production, p, theta, beam)


class NeutralSource:
    """pi0 and eta of one beam, with cells and normalisation made once.

    scale: {pdg: factor on the density}: 1 for the pi0 of the parametrisation.
    """

    def __init__(self, beam: Beamline, wanted: NeutralMesons) -> None:
        hadrons, momentum = hadrons_of(beam), beam.target.momentum
        self.wanted, self._protons = wanted, protons(beam)
        self._made = {pdg: Hashable(hadrons.neutral[pdg]) for pdg in wanted.species}
        self._cells = {
            pdg: production_cells(
                hadrons.neutral[pdg],
                momentum,
                crowding=hadrons.crowding,
                forward=hadrons.forward,
                widest=WIDEST_NEUTRAL,
            )
            for pdg in wanted.species
        }
        self.scale = {}
        if wanted.species:
            pion = total_cross_section(hadrons.neutral[111], momentum)
            per_pot = pion / hadrons.cross_section * interacting_share(beam)
            self.scale[111] = 1.0 if wanted.pi0_per_pot is None else wanted.pi0_per_pot / per_pot
            ratio = hadrons.eta_per_pi0 if wanted.eta_per_pi0 is None else wanted.eta_per_pi0
            self.scale[221] = self.scale[111] * ratio * pion / total_cross_section(hadrons.neutral[221], momentum)

    def differential(self, pdg: int, p: jax.Array, theta: jax.Array, beam: jax.Array) -> jax.Array:
        """d2sigma/dp dOmega of what is made, mb/(GeV/c)/sr, of protons of a momentum (GeV/c). Shapes broadcast."""
        return self.scale[pdg] * differential(self._made[pdg].production, p, theta, beam)

    def rays(self, pdg: int, place: TimedPlace, u: jax.Array) -> Rays:
        """Mesons of the nucleons at `place` as they decay there. u: (3, n), uniform."""
        beam = self._protons
        sigma = beam.cross_section / self.scale[pdg]
        found: Rays = _rays(place, self._cells[pdg], self._made[pdg], sigma, beam.momentum, u)
        return found


@partial(jax.jit, static_argnames=("made",))
def _rays(place: TimedPlace, cells: Cells, made: Hashable, sigma: jax.Array, beam: jax.Array, u: jax.Array) -> Rays:
    nucleon = place.momentum.norm()
    found = drawn(nucleon, cells, made, sigma, beam, u, WIDEST_NEUTRAL)
    sine, cosine = sincos2pi(u[2])
    p, across = found.momentum, found.momentum * jnp.sin(found.theta)
    q = along(place.momentum.scale(1 / nucleon), across * cosine, across * sine, p * jnp.cos(found.theta))
    zero = jnp.zeros_like(p)
    weight = place.weight * found.number
    return Rays(place.x, place.y, place.z, q, weight, Vector(zero, zero, zero), found.extrapolated, place.time)
