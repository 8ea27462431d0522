"""Muons, pions and kaons in the walls: sums of weights, decays against steps of a track, spin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import assert_follows, ks_probability

from darkhorn.fluxes.charged_daughters import daughters_of, three_body
from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import MASSES
from darkhorn.fluxes.wall_passage import passage
from darkhorn.generator.beams.in_walls import (
    STOPPING_KAONS,
    at_wall,
    kaons_at_rest,
    muons_in_walls,
    passages,
    pions_at_rest,
)
from darkhorn.generator.beams.propagate import CTAU
from darkhorn.generator.beams.rays import Flown, Rays, TimedPlace, Walls, daughters, fly, joined_rays, walls
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB
from darkhorn.kernels.constants import MASS_MUON
from darkhorn.kernels.kinematics import Vector, boost_to_rest, four
from darkhorn.kernels.matter import CONCRETE, IRON, energy_loss

N = 4096
MU, LONG = jnp.asarray(MASS_MUON), jnp.asarray(CTAU_CM[13])
FREE = jnp.asarray(np.inf)


def numbers(label: str, n: int = N) -> tuple[jax.Array, jax.Array, jax.Array]:
    return jnp.asarray(channel_key(7, label)), jnp.arange(n, dtype=jnp.uint32), jnp.zeros(n, jnp.uint32)


@pytest.fixture(scope="module")
def region() -> Walls:
    return walls(BNB.decay_region)


def places(rng: np.random.Generator, p: float = 2.0, spread: float = 0.05) -> TimedPlace:
    """Particles that leave the horn in all directions of a cone, with weights."""
    slope = rng.normal(0, spread, (2, N))
    pz = p / np.sqrt(1 + np.sum(slope**2, axis=0))
    x, y = (jnp.asarray(rng.normal(0, 5, N)) for _ in range(2))
    momentum = Vector(*map(jnp.asarray, (slope[0] * pz, slope[1] * pz, pz)))
    return TimedPlace(x, y, jnp.full(N, 185.0), momentum, jnp.asarray(rng.uniform(0, 1, N)), jnp.zeros(N))


def in_walls(there: TimedPlace, before: Vector, region: Walls) -> Rays:
    nothing = jnp.zeros(N, bool)
    made: Rays = muons_in_walls(
        there, before, jnp.asarray(MASSES[211]), MU, nothing, passages(13), region, *numbers("muon")
    )
    return made


def test_no_muon_is_lost(region: Walls, rng: np.random.Generator) -> None:
    """Weight born = decays in the pipe + decays in walls + decays at rest, for every muon."""
    born = places(rng)
    flying = fly(born, jnp.asarray(rng.random(N)), MU, LONG, FREE, region)
    there = at_wall(born, MU, LONG, FREE, region)
    both = in_walls(there, born.momentum, region)
    parts = np.asarray(flying.weight) + np.asarray(both.weight).reshape(2, N).sum(axis=0)
    np.testing.assert_allclose(parts, np.asarray(born.weight), rtol=1e-12)
    assert np.all(np.asarray(there.z) <= BNB.decay_region.end + 1e-9)


def test_no_meson_at_a_wall_is_lost(region: Walls, rng: np.random.Generator) -> None:
    """Kaons: what interacts, stops, turns or reaches a wall comes to rest with STOPPING_KAONS of its weight. Pions come
    to rest with less than what reaches the wall, and all of what stopped.
    """
    leaving = places(rng)
    parts = [jnp.asarray(rng.uniform(0, 1, N)) for _ in range(4)]
    elsewhere = leaving._replace(weight=parts[0])
    outcome = Flown(leaving, elsewhere, elsewhere._replace(weight=parts[1]), parts[2], parts[3])
    nothing = jnp.zeros(N, bool)
    for pdg in (321, 211):
        mass, ctau = jnp.asarray(MASSES[pdg]), jnp.asarray(CTAU[pdg])
        wall = at_wall(leaving, mass, ctau, FREE, region).weight
        decayed = fly(leaving, jnp.full(N, 0.5), mass, ctau, FREE, region).weight
        np.testing.assert_allclose(np.asarray(wall + decayed), np.asarray(leaving.weight), rtol=1e-12)
        if pdg == 321:
            rays = kaons_at_rest(outcome, nothing, mass, ctau, FREE, region, *numbers("kaon"))
            expected = STOPPING_KAONS * (parts[1] + parts[2] + parts[3] + wall)
            np.testing.assert_allclose(
                np.asarray(rays.weight).reshape(2, N).sum(axis=0), np.asarray(expected), rtol=1e-12
            )
        else:
            rays = pions_at_rest(outcome, nothing, mass, ctau, FREE, passages(211), region)
            near, far = np.asarray(rays.weight).reshape(2, N)
            np.testing.assert_array_equal(near, np.asarray(parts[2]))
            share = far.sum() / float(jnp.sum(wall))
            assert 0 < share < 0.1  # 2 GeV/c: a range of four to ten interaction lengths
        assert not np.any(np.asarray(rays.momentum.norm()))


@pytest.mark.parametrize(("name", "material"), [("steel", IRON), ("concrete", CONCRETE)])
def test_passage_against_steps(name: str, material: object) -> None:
    """A muon of 1.5 GeV/c in steps of 0.02 cm (midpoint rule) until 0.1 GeV/c: length, decays, angle, time."""
    table = passage(13, name)
    p, far, ends, variance, time = 1.5, 0.0, 0.0, 0.0, 0.0
    momenta = np.geomspace(0.02, 2.0, 4000)
    losses = np.asarray(energy_loss(jnp.asarray(momenta), MASS_MUON, material)) * np.hypot(momenta, MASS_MUON) / momenta  # type: ignore[arg-type]
    radiation = {"steel": 13.84 / 7.874, "concrete": 26.57 / 2.3}[name]
    step = 0.02
    while p > 0.1:
        half = p - 0.5 * step * float(np.interp(p, momenta, losses))
        ends += step * MASS_MUON / (half * CTAU_CM[13])
        time += step * np.hypot(half, MASS_MUON) / (half * 29.9792458)
        variance += step * (0.0136 * np.hypot(half, MASS_MUON) / half**2) ** 2 / radiation
        p -= step * float(np.interp(half, momenta, losses))
        far += step

    def between(column: np.ndarray) -> float:
        low, high = np.interp(np.log([p, 1.5]), np.log(table.momentum), column)
        return float(high - low)

    assert between(table.distance) == pytest.approx(far, rel=1e-3)
    assert between(table.ends) == pytest.approx(ends, rel=1e-3)
    assert between(table.time) == pytest.approx(time, rel=1e-3)
    assert between(table.variance) == pytest.approx(variance, rel=2e-3)


def test_decays_on_the_way_to_rest(region: Walls, rng: np.random.Generator) -> None:
    """Momenta at decay follow 1 - exp(-decays so far); a spectrum flat in range would fail (power)."""
    at = places(rng, 1.5)
    there = at._replace(z=jnp.full(N, 2000.0))  # the concrete of the pipe
    both = in_walls(there, at.momentum, region)
    p = np.asarray(both.momentum.norm())[:N]
    table = passage(13, "concrete")

    def ends(momentum: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(np.log(momentum), np.log(table.momentum), table.ends))

    whole = ends(np.array([1.5]))[0]
    assert_follows(p, lambda q: 1 - np.expm1(ends(q) - whole) / np.expm1(-whole))
    assert ks_probability(p, lambda q: np.interp(q, table.momentum, table.distance) / 378.0) < 1e-6
    weight = np.asarray(both.weight)
    np.testing.assert_allclose(weight[:N], -np.expm1(-whole) * np.asarray(there.weight), rtol=1e-6)


def test_the_spin_is_kept(region: Walls, rng: np.random.Generator) -> None:
    """The axis of the spin in the muon's rest frame, before and after it slowed down."""
    at = places(rng)
    before = Vector(*(v * 1.4 + 0.1 for v in at.momentum))
    both = in_walls(at._replace(z=jnp.full(N, 2000.0)), before, region)
    pion = jnp.asarray(MASSES[211])

    def axis(parent: Vector, muon: Vector) -> np.ndarray:
        q = boost_to_rest(
            four(jnp.sqrt(parent.dot(parent) + pion**2), parent), four(jnp.sqrt(muon.dot(muon) + MU**2), muon), MU
        ).p
        return np.asarray(jnp.stack(q.scale(1 / q.norm())))

    wanted = axis(before, at.momentum)
    half = slice(N), slice(N, None)
    for part in half:
        parent, muon = (jax.tree.map(lambda a, s=part: a[s], v) for v in (both.before, both.momentum))
        np.testing.assert_allclose(axis(parent, muon), wanted, atol=2e-6)


def test_momenta_of_charged_daughters(rng: np.random.Generator) -> None:
    """Against the PDG's table of K+ and K0_S decays (MeV/c, largest momentum), and three-body phase space against
    events made uniformly in it by rejection.
    """
    pdg = {"muon": 236, "muon-3": 215, "pion": 205, "pion-3+": 125, "pion-3-": 125, "pion-3-neutral": 133}
    for made in daughters_of(321):
        assert 1e3 * made.momentum[-1 if made.momentum[-1] > made.momentum[0] else 0] == pytest.approx(
            pdg[made.name], abs=0.8
        )
    assert 1e3 * daughters_of(310)[0].momentum[0] == pytest.approx(206, abs=0.5)
    m, pi = 0.493677, MASSES[211]
    # uniform in two energies where the third momentum closes
    e = rng.uniform(pi, 0.19, (2, 40_000))
    p = np.sqrt(e**2 - pi**2)
    third = np.sqrt(np.maximum((m - e.sum(axis=0)) ** 2 - pi**2, 0))
    closes = (m - e.sum(axis=0) > pi) & (third < p.sum(axis=0)) & (third > np.abs(p[0] - p[1]))
    quantiles = np.sort(three_body(m, pi, pi, pi))
    assert_follows(p[0][closes], lambda at: np.interp(at, quantiles, np.linspace(0, 1, len(quantiles))))


def test_daughters_carry_the_weight(region: Walls, rng: np.random.Generator) -> None:
    """Number of daughters times weight of the parent; energy and momentum of a two-body decay in its rest frame."""
    parents = joined_rays([places(rng, 3.0)], jnp.zeros(N, bool))
    made = daughters_of(321)[2]
    kaon, pion = jnp.asarray(MASSES[321]), jnp.asarray(MASSES[211])
    found, born = daughters(
        parents,
        *map(jnp.asarray, (made.number, kaon, pion, made.momentum, CTAU[211], np.inf)),
        region,
        *numbers("daughter"),
        jnp.asarray(0.0),
    )
    np.testing.assert_allclose(np.asarray(born.weight), made.number * np.asarray(parents.weight), rtol=1e-14)
    assert np.all(np.asarray(found.weight) <= np.asarray(born.weight))
    parent = four(jnp.sqrt(parents.momentum.dot(parents.momentum) + kaon**2), parents.momentum)
    q = four(jnp.sqrt(born.momentum.dot(born.momentum) + pion**2), born.momentum)
    star = np.asarray(boost_to_rest(q, parent, kaon).p.norm())
    np.testing.assert_allclose(star, made.momentum[0], rtol=1e-9)
    assert not np.any(np.asarray(found.before.norm()))
