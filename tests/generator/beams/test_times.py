"""Times of decays: straight flights exactly, bent ones against the length of the track, lives at rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import assert_follows, ks_probability
from numpy.typing import NDArray

from darkhorn.fluxes.hadron_cross_sections import MASSES
from darkhorn.generator.beams.in_walls import at_wall, muons_in_walls, passages
from darkhorn.generator.beams.propagate import CTAU, Outcome, Place, Start, skin_depth
from darkhorn.generator.beams.rays import (
    Rays,
    TimedPlace,
    after_rest,
    daughters,
    fly,
    joined_rays,
    pions_of_short_kaons,
    stopped_kaons,
    timed,
    walls,
)
from darkhorn.generator.beams.simulate import BeamSimulation
from darkhorn.generator.beams.transport import planes, slabs, trace
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import Vector

C = 29.9792458
N = 2000
PION = MASSES[211]


def numbers(label: str, n: int = N) -> tuple[jax.Array, jax.Array, jax.Array]:
    return jnp.asarray(channel_key(7, label)), jnp.arange(n, dtype=jnp.uint32), jnp.zeros(n, jnp.uint32)


def beta(p: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    found: NDArray[np.float64] = p / np.hypot(p, mass)
    return found


def on_axis(p: NDArray[np.float64], z: float = 0.0, time: float = 0.0) -> TimedPlace:
    zero = jnp.zeros(len(p))
    return TimedPlace(zero, zero, zero + z, Vector(zero, zero, jnp.asarray(p)), zero + 1, zero + time)


def test_a_straight_flight_takes_z_over_beta_c(rng: np.random.Generator) -> None:
    """From the target by way of the horn to the decay in the pipe: t = t0 + z/(beta c), in either leg."""
    p = rng.uniform(0.1, 5, N)
    zero = jnp.zeros(N)
    start = Start(zero + 20.0, Track(zero, zero, zero, zero, jnp.asarray(p)), zero + 1)
    end = Place(zero, zero, zero + 300.0, Vector(zero, zero, jnp.asarray(p)), zero + 1)
    found = timed(Outcome(end, end, end, zero, zero), start, zero + 0.7, jnp.asarray(PION))
    expected = 0.7 + 280 / (beta(p, PION) * C)
    for place in (found.leaving, found.decay, found.interaction):
        np.testing.assert_allclose(np.asarray(place.time), expected, rtol=1e-14)
    region = walls(BNB.decay_region)
    mass, ctau = jnp.asarray(PION), jnp.asarray(CTAU[211])
    decay = fly(found.leaving, jnp.asarray(rng.random(N)), mass, ctau, jnp.asarray(np.inf), region)
    z = np.asarray(decay.z)
    assert z.std() > 300
    np.testing.assert_allclose(np.asarray(decay.time), 0.7 + (z - 20) / (beta(p, PION) * C), rtol=1e-13)
    wall = at_wall(found.leaving, mass, ctau, jnp.asarray(np.inf), region)
    np.testing.assert_allclose(np.asarray(wall.time), 0.7 + (5031 - 20) / (beta(p, PION) * C), rtol=1e-13)


def test_a_muon_starts_when_its_pion_decays(rng: np.random.Generator) -> None:
    p = rng.uniform(0.5, 5, N)
    pions = joined_rays([on_axis(p, 500.0, 21.0)], jnp.zeros(N, bool))
    mass, muon = jnp.asarray(PION), jnp.asarray(0.1056583755)
    momenta = jnp.full(257, 0.0297920)
    made, born = daughters(
        pions, jnp.asarray(1.0), mass, muon, momenta, jnp.asarray(65863.84), jnp.asarray(np.inf),
        walls(BNB.decay_region), *numbers("muon"), jnp.asarray(1.0),
    )  # fmt: skip
    away = np.sqrt(sum(np.asarray(getattr(made, a) - getattr(pions, a)) ** 2 for a in "xyz"))
    q = np.asarray(made.momentum.norm())
    np.testing.assert_array_equal(np.asarray(born.time), 21.0)
    np.testing.assert_allclose(np.asarray(made.time), 21 + away / (beta(q, 0.1056583755) * C), rtol=1e-12)


SOFT = pytest.param(0.15, 0.3, 0.16, marks=pytest.mark.slow)


@pytest.mark.parametrize(("low", "high", "allowed"), [(0.3, 4.0, 0.06), SOFT])
def test_bent_tracks_against_their_length(low: float, high: float, allowed: float, rng: np.random.Generator) -> None:
    """Pions through the horn of the BNB in steps of 1 cm whose lengths add up: 99 % within `allowed` ns of the straight
    line between the ends. That line is shorter for all of them.
    """
    n = 400
    p, theta, phi = rng.uniform(low, high, n), rng.uniform(0.03, 0.3, n), rng.uniform(0, 2 * np.pi, n)
    zero = jnp.zeros(n)
    p_t = p * np.sin(theta)
    track = Track(zero, zero, jnp.asarray(p_t * np.cos(phi)), jnp.asarray(p_t * np.sin(phi)), jnp.asarray(p))
    start = Start(zero + 20.0, track, zero + 1)
    z = planes(BNB.horns, 20.0, 190.0, 1.0)
    grid, length = slabs(BNB.horns, z), np.zeros(n)
    for i in range(len(z) - 1):
        one = jax.tree.map(lambda a, i=i: a[i : i + 1], grid)
        new = trace(track, zero + z[i], zero + 1, one, skin_depth(BNB))
        length += np.sqrt(np.asarray((new.x - track.x) ** 2 + (new.y - track.y) ** 2) + (z[i + 1] - z[i]) ** 2)
        track = new
    end = Place(track.x, track.y, zero + 190.0, Vector(track.px, track.py, track.pz()), zero + 1)
    found = timed(Outcome(end, end, end, zero, zero), start, zero, jnp.asarray(PION)).leaving.time
    short = length / (beta(p, PION) * C) - np.asarray(found)
    assert short.min() > -1e-9
    assert np.quantile(short, 0.99) < allowed
    assert short.max() > 1e-4  # they are bent


def test_lives_at_rest(rng: np.random.Generator) -> None:
    """Exponential with tau: 26.03 ns of a pion; 3 % more is seen."""
    n = 20_000
    rays = joined_rays([on_axis(np.zeros(n), 300.0, 10.0)], jnp.zeros(n, bool))
    lived: Rays = after_rest(rays, jnp.asarray(CTAU[211]), *numbers("life", n))
    time = np.asarray(lived.time) - 10
    assert_follows(time, lambda t: -np.expm1(-t / 26.033))
    assert ks_probability(time, lambda t: -np.expm1(-t / (26.033 * 1.05))) < 1e-6
    np.testing.assert_allclose(np.asarray(stopped_kaons(0.1, 72238.0, 4).time), 72238 / C)


@pytest.mark.slow
def test_muons_in_walls_slow_down_in_time(rng: np.random.Generator) -> None:
    """Between the flight at the first and at the last speed; at rest after all of it."""
    p = np.full(N, 1.5)
    there = on_axis(p, 2000.0, 100.0)
    mass = jnp.asarray(0.1056583755)
    both = muons_in_walls(
        there, there.momentum, jnp.asarray(PION), mass, jnp.zeros(N, bool), passages(13), walls(BNB.decay_region),
        *numbers("wall"),
    )  # fmt: skip
    time, away = np.asarray(both.time)[:N] - 100, np.asarray(both.z)[:N] - 2000
    slowest = beta(np.asarray(both.momentum.norm())[:N], 0.1056583755)
    assert np.all(time > away / (beta(p, 0.1056583755) * C) * (1 - 1e-4))  # interpolated
    assert np.all(time < away / (slowest * C))
    assert np.asarray(both.time)[N:].min() > time.max() + 100


def test_pions_of_short_kaons_wait_for_them(rng: np.random.Generator) -> None:
    p = rng.uniform(0.5, 4, N)
    zero = jnp.zeros(N)
    kaons = Start(zero + 20, Track(zero, zero, zero, zero, jnp.asarray(p)), zero + 1)
    pions, delay = pions_of_short_kaons(kaons, jnp.full(257, 0.206), jnp.asarray(0.69), *numbers("k0s"))
    expected = np.asarray(pions.z - 20) / (beta(p, 0.497611) * C)
    np.testing.assert_allclose(np.asarray(delay), expected, rtol=1e-12)


@pytest.mark.slow
def test_times_of_a_whole_beam() -> None:
    """No decay is earlier than light from z = 0 of the beam; those in flight are mostly little later, muons at rest by
    microseconds.
    """
    late: dict[str, list[float]] = {}
    for batch in BeamSimulation(BNB, "neutrino", secondaries=False, batch=1024).batches(1, 0):
        r, kept = batch.rays, np.asarray(batch.rays.weight) > 0
        away = np.sqrt(np.asarray(r.x**2 + r.y**2 + r.z**2))
        delay = (np.asarray(r.time) - away / C)[kept]
        assert delay.min() > -1e-3
        kind = "at rest" if batch.origin == 3 and batch.pdg == -13 else "muon" if abs(batch.pdg) == 13 else "meson"
        if kind != "meson" or batch.origin != 3:
            late.setdefault(kind, []).extend(delay)
    assert np.median(late["meson"]) < 2
    assert np.quantile(late["muon"], 0.9) < 100
    assert 1000 < np.median(late["at rest"]) < 2200
