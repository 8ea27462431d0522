"""Where particles start: mesons and leading nucleons of protons on target, and of interactions of their products."""

import math
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.fluxes.beam_hadrons import HadronModel, hadron_model
from darkhorn.fluxes.hadron_cross_sections import MASSES
from darkhorn.fluxes.hadron_production import NeutralKaon, NeutralPion, Production
from darkhorn.fluxes.secondary_production import (
    NUCLEON_PT,
    OTHER_CHARGE,
    PION_PT,
    PION_SWITCH,
    SAME_CHARGE,
    PionSpectrum,
    nucleon_quantiles,
)
from darkhorn.generator.beams.propagate import Medium, Place, Start, medium, propagate, skin_depth
from darkhorn.generator.beams.rays import TimedPlace, seconds_per_length
from darkhorn.generator.streams import uniforms
from darkhorn.geometry.beamlines import Beamline
from darkhorn.kernels.constants import MASS_PROTON
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import along
from darkhorn.kernels.production.bmpt import Bmpt, bmpt, neutral_kaon, per_momentum_and_angle
from darkhorn.kernels.production.cells import Cells, equal_cells, sample_cells
from darkhorn.kernels.production.feynman_scaling import FeynmanScaling, feynman_scaling
from darkhorn.kernels.production.sanford_wang import sanford_wang
from darkhorn.kernels.sampling import table_lookup
from darkhorn.kernels.trigonometry import sincos2pi

WIDEST = 1.2  # rad: wider mesons never reach a detector
SLOWEST_NUCLEON = 2.0  # GeV/c: the parametrisations of meson production end above
_DIMENSIONS = 6


class Protons(NamedTuple):
    """The protons of a beam on its target: see `geometry.beamlines.Target`; cross_section: of the interactions that
    make mesons, mb.
    """

    momentum: jax.Array
    start: jax.Array
    spot_x: jax.Array
    spot_y: jax.Array
    divergence_x: jax.Array
    divergence_y: jax.Array
    waist: jax.Array
    cross_section: jax.Array


def hadrons_of(beam: Beamline) -> HadronModel:
    """What hadrons do in a beam."""
    return hadron_model(beam.target.material, beam.target.momentum, beam.target.density)


def protons(beam: Beamline) -> Protons:
    """The protons of a beam on its target."""
    t = beam.target
    numbers = (t.momentum, t.start, *t.spot, *t.divergence, t.waist, hadrons_of(beam).cross_section)
    return Protons(*map(jnp.asarray, numbers))


def differential(made: Production, p: jax.Array, theta: jax.Array, beam: jax.Array) -> jax.Array:
    """d2sigma/dp dOmega in mb/(GeV/c)/sr of a species, on the nucleus of its coefficients. Shapes broadcast."""
    c = made.density
    if isinstance(c, NeutralPion):
        positive, negative = (differential(replace(made, density=one), p, theta, beam) for one in c)
        return (positive + negative) / 2
    if isinstance(c, FeynmanScaling):
        return feynman_scaling(p, theta, beam, c, made.mass, made.recoil)
    if isinstance(c, Bmpt):
        return per_momentum_and_angle(bmpt(p, theta, beam, made.mass_number, c), p, made.mass)
    if isinstance(c, NeutralKaon):
        positive, negative = (bmpt(p, theta, beam, made.mass_number, one) for one in c)
        return per_momentum_and_angle(neutral_kaon(positive, negative), p, made.mass)
    return sanford_wang(p, theta, beam, c)


def production_cells(
    made: Production,
    momentum: float,
    columns: int = 64,
    rows: int = 32,
    crowding: float = 1.0,
    forward: float = 0.0,
    widest: float = WIDEST,
) -> Cells:
    """Cells in x = p/(p_B - 1 GeV/c) and theta for protons of a momentum, with more fast mesons than are made.

    crowding: power of the even steps in which both are tabulated; more than 1 for mesons that are slow and forward.
    forward: how many times more of those within their decay angle, m/p, which reach a detector on the axis unfocused.
    widest: largest angle, rad.
    """
    x, theta = np.linspace(0, 1, 201) ** crowding, widest * np.linspace(0, 1, 241) ** crowding
    area = np.outer(np.diff(x), np.diff(theta))
    at, angle = np.meshgrid(0.5 * (x[1:] + x[:-1]), 0.5 * (theta[1:] + theta[:-1]), indexing="ij")
    p = at * (momentum - 1)
    density = differential(made, jnp.asarray(p), jnp.asarray(angle), jnp.asarray(momentum))
    needed = 0.3 + p * (1 + forward / (1 + (angle * p / made.mass) ** 2))
    return equal_cells(x, theta, np.asarray(density) * np.sin(angle) * needed * area, columns, rows)


@jax.jit
def protons_on_target(beam: Protons, key: jax.Array, low: jax.Array, high: jax.Array) -> Start:
    """Protons of weight 1 on the plane where the target begins. key, low, high as for `streams.uniforms`."""
    u = uniforms(key, low, high, 2)
    far = jnp.sqrt(-2 * jnp.log1p(-u[0]))
    sine, cosine = sincos2pi(u[1])
    gx, gy = far * cosine, far * sine
    flown = beam.start - beam.waist
    x = gx * (beam.spot_x - beam.divergence_x * flown)
    y = gy * (beam.spot_y - beam.divergence_y * flown)
    slope_x, slope_y = -gx * beam.divergence_x, -gy * beam.divergence_y
    pz = beam.momentum / jnp.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    same = jnp.ones_like(x)
    return Start(beam.start * same, Track(x, y, slope_x * pz, slope_y * pz, beam.momentum * same), same)


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


class Drawn(NamedTuple):
    """Mesons about the direction of the nucleon that made them: momentum (GeV/c), angle (rad), number per interaction,
    and whether they are outside the range of the data. (n,)
    """

    momentum: jax.Array
    theta: jax.Array
    number: jax.Array
    extrapolated: jax.Array


def drawn(
    nucleon: jax.Array,
    cells: Cells,
    made: Hashable,
    sigma: jax.Array,
    beam: jax.Array,
    u: jax.Array,
    widest: float = WIDEST,
) -> Drawn:
    """Mesons of nucleons of momentum `nucleon`; sigma: cross-section to which densities are normalised, mb. u: (2, n).

    Angles of the cells are for protons of momentum `beam`; those of slower nucleons are wider in proportion.
    """
    production = made.production
    x, angle, density = sample_cells(cells, u[0], u[1])
    wider = jnp.maximum(beam / jnp.maximum(nucleon, 1e-3), 1.0)
    theta = jnp.minimum(angle * wider, widest)
    top = jnp.maximum(nucleon - 1, 0.0)
    p = jnp.maximum(x * top, 1e-3)
    made_here = 2 * jnp.pi * jnp.sin(theta) * differential(production, p, theta, jnp.maximum(nucleon, 1.2)) * top
    fast = nucleon > SLOWEST_NUCLEON
    allowed = fast & (angle * wider <= widest * (1 + 1e-9))
    weight = jnp.where(allowed, made_here * wider / (density * sigma), 0.0)
    if production.fitted is None:
        extrapolated = jnp.ones_like(fast)
    else:
        (p0, p1), (t0, t1) = production.fitted
        extrapolated = ~((p > p0) & (p < p1) & (theta > t0) & (theta < t1))
    return Drawn(p, theta, weight, extrapolated)


@partial(jax.jit, static_argnames=("made",))
def _mesons(
    place: Place, cells: Cells, made: Hashable, sigma: jax.Array, beam: jax.Array, u: jax.Array
) -> tuple[Start, jax.Array]:
    """Mesons of the nucleons at `place`, as `drawn`. u: (3, n)."""
    found = drawn(place.momentum.norm(), cells, made, sigma, beam, u)
    return _leave(place, found.momentum, found.theta, u[2], found.number), found.extrapolated


def proton_interactions(
    beam: Protons, through: Medium, skin: float | None, key: jax.Array, low: jax.Array, high: jax.Array
) -> Place:
    """Where protons of a beam interact, with the probability to do so: in target, horns or air, after energy loss, and
    after elastic and quasi-elastic scattering. through: what protons meet.
    """
    other = key ^ jnp.uint32(0x70726F74)  # a stream of its own: what they make is carried with the numbers of key
    start = protons_on_target(beam, other, low, high)
    place: Place = propagate(start, through, other, low, high, skin).interaction
    return place


def interacting_share(beam: Beamline, points: int = 1 << 13) -> float:
    """Interactions of beam protons per proton on target, without horn current: the mean over `points`, to 0.3 %."""
    numbers = jnp.zeros(2, jnp.uint32), jnp.arange(points, dtype=jnp.uint32), jnp.zeros(points, jnp.uint32)
    found = proton_interactions(protons(beam), medium(beam, 2212, "off"), skin_depth(beam), *numbers)
    return float(jnp.mean(found.weight))


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
def one_of(places: tuple[TimedPlace, ...], key: jax.Array, low: jax.Array, high: jax.Array) -> TimedPlace:
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


@partial(jax.jit, static_argnames=("same", "spectrum"))
def pions_of_pions(
    place: Place, key: jax.Array, low: jax.Array, high: jax.Array, same: bool, spectrum: PionSpectrum | None = None
) -> Start:
    """Pions from inelastic interactions of pions at `place`; see `fluxes.secondary_production`. spectrum: None for the
    flat one.
    """
    u = uniforms(key, low, high, _DIMENSIONS)
    p0 = place.momentum.norm()
    if spectrum is None:
        p = jnp.maximum(u[0], 1e-3) * p0
        numbers = SAME_CHARGE if same else OTHER_CHARGE
        number = jnp.where(p0 > PION_SWITCH, numbers[0], numbers[1])
    else:
        x = spectrum.lowest ** (1 - u[0])
        p = x * p0
        number = -math.log(spectrum.lowest) * (spectrum.soft * (1 - x) ** 4 + spectrum.flat)
    scale = PION_PT if spectrum is None else spectrum.pt
    pt = -scale * (jnp.log1p(-u[1]) + jnp.log1p(-u[2]))
    theta = jnp.arcsin(jnp.minimum(pt / p, 1.0))
    start = _leave(place, p, theta, u[3], number)
    return start._replace(weight=jnp.where((pt < p) & (p > 0.06), start.weight, 0.0))


def proton_time(protons: Protons, z: jax.Array) -> jax.Array:
    """Time (ns) at which a beam proton that crossed z = 0 at 0 is at z (cm). Shapes: that of z."""
    return z * seconds_per_length(protons.momentum, MASS_PROTON)


class Sources:
    """Everything that starts a particle in one beam, with tables made once. mode: of the beam, see `medium`."""

    def __init__(self, beam: Beamline, mode: str = "neutrino") -> None:
        self.protons = protons(beam)
        self._through: Medium = medium(beam, 2212, mode)
        self._skin = skin_depth(beam)
        hadrons = hadrons_of(beam)
        momentum, crowding = beam.target.momentum, hadrons.crowding
        self._made = {pdg: Hashable(made) for pdg, made in hadrons.production.items()}
        self._cells = {
            pdg: production_cells(made, momentum, crowding=crowding, forward=hadrons.forward)
            for pdg, made in hadrons.production.items()
        }
        self._quantiles = {}
        for pdg in (2212, 2112):
            number, table = nucleon_quantiles(pdg)
            self._quantiles[pdg] = number, jnp.asarray(table)

    def interactions(self, key: jax.Array, low: jax.Array, high: jax.Array) -> TimedPlace:
        """Where and when protons of the beam interact; see `proton_interactions`."""
        place = proton_interactions(self.protons, self._through, self._skin, key, low, high)
        return TimedPlace(*place, proton_time(self.protons, place.z))

    def mesons(self, pdg: int, key: jax.Array, low: jax.Array, high: jax.Array) -> tuple[Start, jax.Array]:
        """Mesons from beam protons, weights per proton on target; and whether each is outside the fitted range."""
        return self.mesons_of(pdg, 2212, self.interactions(key, low, high).place, key, low, high)

    def nucleons_of(self, pdg: int, place: Place, key: jax.Array, low: jax.Array, high: jax.Array) -> Start:
        """Leading protons or neutrons of nucleons that interacted at `place`."""
        u = uniforms(key, low, high, _DIMENSIONS)
        number, table = self._quantiles[pdg]
        start: Start = _nucleons(place, table, jnp.asarray(number), pdg, u)
        return start

    def mesons_of(
        self, pdg: int, nucleon: int, place: Place, key: jax.Array, low: jax.Array, high: jax.Array
    ) -> tuple[Start, jax.Array]:
        """Mesons from nucleons that interacted at `place`; neutrons make pi- where protons make pi+."""
        u = uniforms(key, low, high, _DIMENSIONS)
        source = -pdg if nucleon == 2112 and abs(pdg) == 211 else pdg
        made: tuple[Start, jax.Array] = _mesons(
            place, self._cells[source], self._made[source], self.protons.cross_section, self.protons.momentum, u[3:]
        )
        return made
