"""Where particles start: mesons and leading nucleons of protons on target, and of interactions of their products."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.fluxes.hadron_cross_sections import MASSES, cross_sections, interaction_lengths
from darkhorn.fluxes.hadron_production import Production
from darkhorn.fluxes.secondary_production import (
    NUCLEON_PT,
    OTHER_CHARGE,
    PION_PT,
    PION_SWITCH,
    SAME_CHARGE,
    nucleon_quantiles,
)
from darkhorn.generator.beams.propagate import Place, Start
from darkhorn.generator.streams import uniforms
from darkhorn.geometry.beamlines import Beamline
from darkhorn.kernels.constants import MASS_PROTON
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import Vector, along
from darkhorn.kernels.production.bmpt import Bmpt, bmpt, per_momentum_and_angle
from darkhorn.kernels.production.cells import Cells, equal_cells, sample_cells
from darkhorn.kernels.production.feynman_scaling import FeynmanScaling, feynman_scaling, negative_kaon_share
from darkhorn.kernels.production.sanford_wang import sanford_wang
from darkhorn.kernels.sampling import table_lookup
from darkhorn.kernels.trigonometry import sincos2pi

WIDEST = 1.2  # rad: wider mesons never reach a detector
SLOWEST_NUCLEON = 2.0  # GeV/c: the parametrisations of meson production end above
QUASI_ELASTIC = 34.6  # mb: p + Be at 8.89 GeV/c, fit of G4BNB
_DIMENSIONS = 6


class Protons(NamedTuple):
    """The protons of a beam on its target: see `geometry.beamlines.Target`; length: mean free path (cm)."""

    momentum: jax.Array
    start: jax.Array
    end: jax.Array
    radius: jax.Array
    spot_x: jax.Array
    spot_y: jax.Array
    divergence_x: jax.Array
    divergence_y: jax.Array
    waist: jax.Array
    length: jax.Array
    cross_section: jax.Array


def protons(beam: Beamline) -> Protons:
    """The protons of a beam on beryllium; cross_section: inelastic, mb."""
    t = beam.target
    at = np.array([t.momentum])
    length = 1 / interaction_lengths(2212, "Be", at)[0][0]
    sigma = cross_sections(2212, "Be", at)[0][0]
    numbers = (t.momentum, t.start, t.end, t.radius, *t.spot, *t.divergence, t.waist, length, sigma)
    return Protons(*map(jnp.asarray, numbers))


def differential(made: Production, p: jax.Array, theta: jax.Array, beam: jax.Array) -> jax.Array:
    """d2sigma/dp dOmega in mb/(GeV/c)/sr of a species, on the nucleus of its coefficients. Shapes broadcast."""
    c = made.density
    if isinstance(c, FeynmanScaling):
        density = feynman_scaling(p, theta, beam, c, made.mass, made.recoil)
        if made.negative:
            density = density * negative_kaon_share(p, theta, beam, made.mass, made.negative)
        return density
    if isinstance(c, Bmpt):
        return per_momentum_and_angle(bmpt(p, theta, beam, 9.012, c), p, made.mass)
    return sanford_wang(p, theta, beam, c)


def production_cells(made: Production, momentum: float, columns: int = 64, rows: int = 32) -> Cells:
    """Cells in x = p/(p_B - 1 GeV/c) and theta for protons of a momentum, with more fast mesons than are made."""
    x, theta = np.linspace(0, 1, 201), np.linspace(0, WIDEST, 241)
    at, angle = np.meshgrid(0.5 * (x[1:] + x[:-1]), 0.5 * (theta[1:] + theta[:-1]), indexing="ij")
    p = at * (momentum - 1)
    density = differential(made, jnp.asarray(p), jnp.asarray(angle), jnp.asarray(momentum))
    return equal_cells(x, theta, np.asarray(density) * np.sin(angle) * (0.3 + p), columns, rows)


def _at_interaction(beam: Protons, u: jax.Array) -> Place:
    """Protons where they interact inelastically, with the probability to do so as weight. u: (3, n)."""
    ex = -jnp.expm1(-(beam.end - beam.start) / beam.length)
    z = beam.start - beam.length * jnp.log1p(-u[0] * ex)
    far = jnp.sqrt(-2 * jnp.log1p(-u[1]))
    sine, cosine = sincos2pi(u[2])
    gx, gy = far * cosine, far * sine
    flown = z - beam.waist
    x = gx * (beam.spot_x - beam.divergence_x * flown)
    y = gy * (beam.spot_y - beam.divergence_y * flown)
    hit = x * x + y * y < beam.radius * beam.radius
    slope_x, slope_y = -gx * beam.divergence_x, -gy * beam.divergence_y
    pz = beam.momentum / jnp.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    return Place(x, y, z, Vector(slope_x * pz, slope_y * pz, pz), jnp.where(hit, ex, 0.0))


def _leave(place: Place, p: jax.Array, theta: jax.Array, turn: jax.Array, weight: jax.Array) -> Start:
    """A particle of momentum p at polar angle theta about the momentum of what interacted."""
    parent = place.momentum
    sine, cosine = sincos2pi(turn)
    across = p * jnp.sin(theta)
    q = along(parent.scale(1 / parent.norm()), across * cosine, across * sine, p * jnp.cos(theta))
    forward = q.z > 0.06 * p
    return Start(place.z, Track(place.x, place.y, q.x, q.y, p), jnp.where(forward, place.weight * weight, 0.0))


class Hashable:
    """A `Production` as a static argument: compared by identity."""

    def __init__(self, production: Production) -> None:
        self.production = production


@partial(jax.jit, static_argnames=("made",))
def _mesons(place: Place, cells: Cells, made: Hashable, sigma: jax.Array, u: jax.Array) -> tuple[Start, jax.Array]:
    """Mesons of the nucleons at `place`; sigma: inelastic cross-section there, mb. u: (3, n)."""
    production = made.production
    nucleon = place.momentum.norm()
    x, theta, density = sample_cells(cells, u[0], u[1])
    top = jnp.maximum(nucleon - 1, 0.0)
    p = jnp.maximum(x * top, 1e-3)
    made_here = 2 * jnp.pi * jnp.sin(theta) * differential(production, p, theta, jnp.maximum(nucleon, 1.2)) * top
    fast = nucleon > SLOWEST_NUCLEON
    weight = jnp.where(fast, made_here / (density * sigma), 0.0)
    start = _leave(place, p, theta, u[2], weight)
    if production.fitted is None:
        extrapolated = jnp.ones_like(fast)
    else:
        (p0, p1), (t0, t1) = production.fitted
        extrapolated = ~((p > p0) & (p < p1) & (theta > t0) & (theta < t1))
    return start, extrapolated


@jax.jit
def _proton_places(beam: Protons, key: jax.Array, low: jax.Array, high: jax.Array) -> tuple[Place, jax.Array]:
    u = uniforms(key, low, high, _DIMENSIONS)
    return _at_interaction(beam, u[:3]), u[3:]


@partial(jax.jit, static_argnames=("pdg",))
def _nucleons(place: Place, quantiles: jax.Array, number: jax.Array, pdg: int, u: jax.Array) -> Start:
    """Leading nucleons: x_F = p_L*/p*, boosted from the centre of mass of the interacting nucleon and one at rest."""
    mass = MASSES[pdg]
    beam = place.momentum.norm()
    x = table_lookup(quantiles, u[0] * (quantiles.shape[0] - 1))
    pt = -NUCLEON_PT * (jnp.log1p(-u[1]) + jnp.log1p(-u[2]))
    energy = jnp.sqrt(beam * beam + MASS_PROTON**2)
    root = jnp.sqrt(2 * MASS_PROTON * (MASS_PROTON + energy))
    long = x * jnp.sqrt(jnp.maximum(root * root / 4 - MASS_PROTON**2, 0.0))
    star = jnp.sqrt(long * long + pt * pt + mass * mass)
    pz = ((energy + MASS_PROTON) * long + beam * star) / root
    lab = jnp.sqrt(pz * pz + pt * pt + mass * mass)
    allowed = (lab < energy) & (pz > 0)
    p = jnp.sqrt(pz * pz + pt * pt)
    start = _leave(place, p, jnp.arctan2(pt, pz), u[3], number)
    return start._replace(weight=jnp.where(allowed & (p > SLOWEST_NUCLEON), start.weight, 0.0))


@jax.jit
def one_of(places: tuple[Place, ...], key: jax.Array, low: jax.Array, high: jax.Array) -> Place:
    """One of several places per particle, chosen with probability proportional to its weight, with their sum as weight:
    the expectation of anything that follows is that of keeping all. Shapes (n,).
    """
    u = uniforms(key, low, high, 1)[0]
    chosen, total = places[0], places[0].weight
    for other in places[1:]:
        total = total + other.weight
        share = other.weight / jnp.where(total > 0, total, 1.0)
        yes = u < share
        u = jnp.where(yes, u / jnp.where(yes, share, 1.0), (u - share) / jnp.where(yes | (share >= 1), 1.0, 1 - share))
        chosen = jax.tree.map(partial(jnp.where, yes), other, chosen)
    return chosen._replace(weight=total)


@partial(jax.jit, static_argnames=("same",))
def pions_of_pions(place: Place, key: jax.Array, low: jax.Array, high: jax.Array, same: bool) -> Start:
    """Pions from inelastic interactions of pions at `place`; see `fluxes.secondary_production`."""
    u = uniforms(key, low, high, _DIMENSIONS)
    p0 = place.momentum.norm()
    p = jnp.maximum(u[0], 1e-3) * p0
    pt = -PION_PT * (jnp.log1p(-u[1]) + jnp.log1p(-u[2]))
    numbers = SAME_CHARGE if same else OTHER_CHARGE
    number = jnp.where(p0 > PION_SWITCH, numbers[0], numbers[1])
    theta = jnp.arcsin(jnp.minimum(pt / p, 1.0))
    start = _leave(place, p, theta, u[3], number)
    return start._replace(weight=jnp.where((pt < p) & (p > 0.06), start.weight, 0.0))


class Sources:
    """Everything that starts a particle in one beam, with tables made once.

    production   the species and their densities
    """

    def __init__(self, beam: Beamline, production: dict[int, Production]) -> None:
        self.protons = protons(beam)
        self._made = {pdg: Hashable(made) for pdg, made in production.items()}
        self._cells = {pdg: production_cells(made, beam.target.momentum) for pdg, made in production.items()}
        inelastic = float(self.protons.cross_section)
        # quasi-elastic interactions make no mesons and no leading nucleons: 34.6 mb of 212.3 mb (G4BNB)
        self._productive = (inelastic - QUASI_ELASTIC) / inelastic
        self._quantiles = {}
        for pdg in (2212, 2112):
            number, table = nucleon_quantiles(pdg)
            self._quantiles[pdg] = number, jnp.asarray(table)

    def mesons(self, pdg: int, key: jax.Array, low: jax.Array, high: jax.Array) -> tuple[Start, jax.Array]:
        """Mesons from beam protons, weights per proton on target; and whether each is outside the fitted range."""
        place, u = _proton_places(self.protons, key, low, high)
        made: tuple[Start, jax.Array] = _mesons(place, self._cells[pdg], self._made[pdg], self.protons.cross_section, u)
        return made

    def nucleons(self, pdg: int, key: jax.Array, low: jax.Array, high: jax.Array) -> Start:
        """Leading protons or neutrons of beam protons, weights per proton on target."""
        place, u = _proton_places(self.protons, key, low, high)
        number, table = self._quantiles[pdg]
        start: Start = _nucleons(place, table, jnp.asarray(number * self._productive), pdg, u)
        return start

    def nucleons_of(self, pdg: int, place: Place, key: jax.Array, low: jax.Array, high: jax.Array) -> Start:
        """Leading protons or neutrons of nucleons that interacted at `place`."""
        u = uniforms(key, low, high, _DIMENSIONS)
        number, table = self._quantiles[pdg]
        start: Start = _nucleons(place, table, jnp.asarray(number * self._productive), pdg, u[3:])
        return start

    def mesons_of(
        self, pdg: int, nucleon: int, place: Place, key: jax.Array, low: jax.Array, high: jax.Array
    ) -> tuple[Start, jax.Array]:
        """Mesons from nucleons that interacted at `place`; neutrons make pi- where protons make pi+."""
        u = uniforms(key, low, high, _DIMENSIONS)
        source = -pdg if nucleon == 2112 and abs(pdg) == 211 else pdg
        made: tuple[Start, jax.Array] = _mesons(
            place, self._cells[source], self._made[source], self.protons.cross_section, u[3:]
        )
        return made
