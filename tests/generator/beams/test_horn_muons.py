"""Muons born in target and horns: their spin, their medium, what becomes of their weight, and what the field does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.fluxes.decay_line import CTAU_CM
from darkhorn.fluxes.hadron_cross_sections import STEP
from darkhorn.generator.beams.horn_muons import Born, flown_rays, gathered, muon_medium, spin_carried, split, started
from darkhorn.generator.beams.in_walls import at_wall
from darkhorn.generator.beams.propagate import Medium, medium, propagate, skin_depth
from darkhorn.generator.beams.rays import Flown, TimedPlace, joined_rays, timed, walls
from darkhorn.generator.beams.simulate import BeamSimulation
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB
from darkhorn.kernels.constants import MASS_MUON, MASS_PION
from darkhorn.kernels.kinematics import Vector, boost_to_rest, four
from darkhorn.kernels.matter import ALUMINIUM, BERYLLIUM, energy_loss

N = 1024
MU = jnp.asarray(MASS_MUON)
Array = NDArray[np.float64]


def numbers(label: str) -> tuple[jax.Array, jax.Array, jax.Array]:
    return jnp.asarray(channel_key(5, label)), jnp.arange(N, dtype=jnp.uint32), jnp.zeros(N, jnp.uint32)


def vectors(rng: np.random.Generator, low: float = 0.3, high: float = 4.0, spread: float = 0.2) -> Vector:
    slope = rng.normal(0, spread, (2, N))
    pz = rng.uniform(low, high, N) / np.sqrt(1 + np.sum(slope**2, axis=0))
    return Vector(*map(jnp.asarray, (slope[0] * pz, slope[1] * pz, pz)))


def muons(rng: np.random.Generator) -> Born:
    """Born along the horn, off the axis."""
    x, y = (jnp.asarray(rng.normal(0, 3, N)) for _ in range(2))
    z = jnp.asarray(rng.uniform(20, 170, N))
    weight = jnp.asarray(rng.uniform(0, 1, N))
    place = TimedPlace(x, y, z, vectors(rng), weight, z / 30)
    before = Vector(*(q * 1.3 + 0.02 for q in place.momentum))
    return Born(place, before, jnp.zeros(N, bool))


def axis(before: Vector, muon: Vector) -> Array:
    """Direction of the pion in the rest frame of the muon."""
    q = boost_to_rest(
        four(jnp.sqrt(before.dot(before) + MASS_PION**2), before), four(jnp.sqrt(muon.dot(muon) + MU * MU), muon), MU
    ).p
    return np.asarray(jnp.stack(q.scale(1 / q.norm())))


def unit(v: Vector) -> Array:
    return np.asarray(jnp.stack(v.scale(1 / v.norm())))


def test_the_spin_turns_with_the_momentum(rng: np.random.Generator) -> None:
    """Its angle to the momentum stays, and its component across the plane of both momenta; also with energy loss. A
    spin that keeps its direction in space would be seen.
    """
    born, now = vectors(rng), vectors(rng, 0.2, 3.0, 0.6)
    before = Vector(*(q * 1.3 + 0.1 for q in born))
    then, after = axis(before, born), axis(spin_carried(before, born, now), now)
    np.testing.assert_allclose(np.sum(then * unit(born), axis=0), np.sum(after * unit(now), axis=0), atol=1e-9)
    across = np.cross(unit(born), unit(now), axis=0)
    np.testing.assert_allclose(np.sum(then * across, axis=0), np.sum(after * across, axis=0), atol=1e-9)
    assert np.median(np.abs(np.sum((then - after) * unit(now), axis=0))) > 0.05
    np.testing.assert_allclose(axis(spin_carried(before, born, born), born), then, atol=1e-9)


@pytest.fixture(scope="module")
def through() -> Medium:
    return muon_medium(medium(BNB, 211, "neutrino"))


def test_the_medium_of_muons(through: Medium) -> None:
    """No interactions; energy loss of Bethe for the mass of the muon, in Be and Al."""
    table = np.asarray(through.table)
    assert not np.any(np.delete(table, (4, 5), axis=1))
    p = np.array([0.2, 0.5, 2.0, 5.0])
    grid = STEP * np.arange(len(table))
    for column, material in ((4, BERYLLIUM), (5, ALUMINIUM)):
        expected = np.asarray(energy_loss(jnp.asarray(p), MASS_MUON, material)) * np.hypot(p, MASS_MUON) / p
        np.testing.assert_allclose(np.interp(p, grid, table[:, column]), expected, rtol=0.01)
    assert (float(through.mass), float(through.gas), float(through.charge)) == (MASS_MUON, 0.0, 1.0)


def carried(born: Born, through: Medium) -> Flown:
    found: Flown = timed(
        propagate(started(born), through, *numbers("muon"), skin_depth(BNB)), started(born), born.place.time, MU
    )
    return found


@pytest.mark.slow
def test_no_muon_is_lost(through: Medium, rng: np.random.Generator) -> None:
    """Weight born = decays in the horn and in the pipe + what walls get + at rest + turned back, for each; the spins of
    all lie as those of pion decay did.
    """
    born, region = muons(rng), walls(BNB.decay_region)
    flown = carried(born, through)
    rays, leaving, there, resting = flown_rays(born, flown, region, *numbers("decay"))
    wall = at_wall(there, MU, jnp.asarray(CTAU_CM[13]), jnp.asarray(np.inf), region)
    parts = [rays.weight, wall.weight, resting.weight]
    total = sum(np.asarray(w).reshape(2, N).sum(axis=0) for w in parts) + np.asarray(flown.turned)
    forward = np.asarray(flown.leaving.momentum.z) > 0
    np.testing.assert_allclose(total[forward], np.asarray(started(born).weight)[forward], rtol=1e-9)
    assert forward.mean() > 0.99
    assert np.asarray(flown.decay.weight).sum() > 0
    assert not np.any(np.asarray(resting.momentum.norm()))
    then = np.sum(axis(born.before, born.place.momentum) * unit(born.place.momentum), axis=0)
    for found in (rays, leaving):
        half = (jax.tree.map(lambda a: a[N:], v) for v in (found.before, found.momentum))
        before, now = half
        np.testing.assert_allclose(np.sum(axis(before, now) * unit(now), axis=0), then, atol=2e-6)


@pytest.mark.slow
def test_the_field_focuses_one_charge(through: Medium, rng: np.random.Generator) -> None:
    """mu+ in neutrino mode leave with smaller angles than they were born with, mu- with larger ones; no current changes
    the mean by the scattering alone. mu- in antineutrino mode do what mu+ do here.
    """
    born = muons(rng)
    off = through._replace(slabs=through.slabs._replace(current=0 * through.slabs.current))
    mirrored = through._replace(slabs=through.slabs._replace(current=-through.slabs.current), charge=-through.charge)

    def angle(at: Medium) -> float:
        q = carried(born, at).leaving.momentum
        return float(jnp.median(jnp.arctan2(jnp.hypot(q.x, q.y), q.z)))

    straight, focused, other = angle(off), angle(through), angle(through._replace(charge=-through.charge))
    assert focused < 0.9 * straight
    assert other > 1.1 * straight
    assert angle(mirrored) == pytest.approx(focused, rel=1e-6)


def test_halves_and_shares(rng: np.random.Generator) -> None:
    """Splitting keeps every weight once; the first of several parts stand for all, in the mean."""
    both: TimedPlace = jax.tree.map(lambda a: jnp.concatenate([a, 2 * a]), muons(rng).place)
    found = joined_rays([both], jnp.zeros(2 * N, bool))
    first, rays, place = split(found, both)
    assert float(first.place.weight.sum() + place.weight.sum()) == pytest.approx(float(both.weight.sum()))
    assert float(rays.weight[:N].sum()) == 0.0
    parts = [muons(rng) for _ in range(3)]
    one = gathered(parts)
    assert one.place.weight.shape == (N,)
    total = sum(float(part.place.weight.sum()) for part in parts)
    # N weights, even in (0, 1), times 3: standard deviation 3 sqrt(N/12)
    assert abs(float(one.place.weight.sum()) - total) < 4.9 * 3 * np.sqrt(N / 12)
    np.testing.assert_array_equal(np.asarray(one.place.z[: N // 3]), np.asarray(parts[0].place.z[: N // 3]))


@pytest.mark.slow
def test_they_come_with_every_origin() -> None:
    """All origins of pions, both charges, once each in a round."""
    labels = [b for b in BeamSimulation(BNB, "neutrino", batch=1024).batches(1, 0) if "/horn/" in b.label]
    seen = {(b.pdg, b.origin) for b in labels if b.origin != 3}
    assert seen == {(pdg, origin) for pdg in (13, -13) for origin in (0, 1, 2, 4)}
    assert len({b.label for b in labels}) == len(labels)
