import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, ks_probability

from darkhorn.fluxes.hadron_cross_sections import MASSES, STEP, interaction_lengths
from darkhorn.generator.beams.propagate import CTAU, SLAB, Medium, Outcome, Start, medium, propagate, skin_depth
from darkhorn.generator.beams.rays import TimedPlace, Walls, fly, path_to_wall, walls
from darkhorn.generator.beams.sources import Sources, one_of
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB
from darkhorn.kernels.horn import Track
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matter import scattering_variance

N = 20_000
SKIN = skin_depth(BNB)


def numbers(label: str) -> tuple[jax.Array, jax.Array, jax.Array]:
    return jnp.asarray(channel_key(5, label)), jnp.arange(N, dtype=jnp.uint32), jnp.zeros(N, jnp.uint32)


def beam_of(p: float, theta: float, z: float = 4.0, x: float = 0.0) -> Start:
    """N equal particles in the plane y = 0."""
    track = Track(*(jnp.full(N, v) for v in (x, 0.0, p * np.sin(theta), 0.0, p)))
    return Start(jnp.full(N, z), track, jnp.ones(N))


@pytest.fixture(scope="module")
def pions() -> Medium:
    return medium(BNB, 211, "neutrino")


def run(start: Start, through: Medium, scatter: bool = True) -> Outcome:
    outcome: Outcome = propagate(start, through, *numbers("test"), SKIN, scatter)
    return outcome


def total(outcome: Outcome) -> np.ndarray:
    parts = (outcome.leaving.weight, outcome.decay.weight, outcome.interaction.weight, outcome.stopped, outcome.turned)
    return np.asarray(sum(parts[1:], parts[0]))


def test_nothing_is_lost(pions: Medium, rng: np.random.Generator) -> None:
    """Weight in = leaving + decayed + absorbed + stopped + turned back, for every particle, soft and steep ones too."""
    p, theta, phi = rng.uniform(0.1, 6, N), rng.uniform(0, 1.2, N), rng.uniform(0, 2 * np.pi, N)
    pt = p * np.sin(theta)
    track = Track(
        *map(jnp.asarray, (rng.normal(0, 0.1, N), rng.normal(0, 0.1, N), pt * np.cos(phi), pt * np.sin(phi), p))
    )
    weight = jnp.asarray(rng.uniform(0, 2, N))
    for charge in (1.0, -1.0):
        outcome = run(
            Start(jnp.asarray(rng.uniform(3.5, 74, N)), track, weight), pions._replace(charge=jnp.asarray(charge))
        )
        np.testing.assert_allclose(total(outcome), np.asarray(weight), rtol=1e-12)
        assert float(jnp.sum(outcome.interaction.weight)) > 0
    assert float(jnp.sum(outcome.stopped + outcome.turned)) > 0


def test_absorption_along_the_target(pions: Medium) -> None:
    """On the axis, all the way through the beryllium: exp(-n sigma L), and decays of the rest; places follow both."""
    p, start = 4.0, 4.0
    neutral = pions._replace(charge=jnp.asarray(0.0))
    table = np.asarray(pions.table).copy()
    table[:, 4:] = 0  # no energy loss: the exponential is exact
    outcome = run(beam_of(p, 0.0, start), neutral._replace(table=jnp.asarray(table)), scatter=False)
    absorb = float(interaction_lengths(211, "Be", np.array([p]))[0][0])
    decay = MASSES[211] / (p * CTAU[211])
    length = BNB.target.end - start
    rate = absorb + decay
    inside = -np.expm1(-rate * length)
    leaving = (1 - inside) * np.exp(-decay * (BNB.exit - BNB.target.end))
    assert float(outcome.leaving.weight[0]) == pytest.approx(leaving, rel=1e-6)  # single precision
    assert float(outcome.interaction.weight[0]) == pytest.approx(inside * absorb / rate, rel=1e-6)
    z = np.asarray(outcome.interaction.z)
    # within a block of 10 cm the place is uniform: the truth to (10/38)^2/12
    assert_follows(z, lambda at: np.clip(np.expm1(-rate * (at - start)) / np.expm1(-rate * length), 0, 1))
    assert ks_probability(z, lambda at: np.clip((at - start) / length, 0, 1)) < ALPHA
    assert np.all(np.abs(np.asarray(outcome.interaction.x)) < 0.476)


def test_decays_in_vacuum(pions: Medium) -> None:
    """No field, no matter crossed: exp(-L m/(p c tau)), and the place of the decay along the line."""
    empty = pions._replace(in_target=0 * pions.in_target, charge=jnp.asarray(0.0), ctau=jnp.asarray(200.0))
    outcome = run(beam_of(1.0, 0.0), empty, scatter=False)
    length = 200.0 / MASSES[211]
    flight = BNB.exit - 4.0
    assert float(outcome.leaving.weight[0]) == pytest.approx(np.exp(-flight / length), rel=1e-6)  # single precision
    assert float(outcome.interaction.weight[0]) == 0.0
    assert_follows(outcome.decay.z, lambda z: np.expm1(-(z - 4.0) / length) / np.expm1(-flight / length))


def test_energy_loss_and_scattering_in_the_target(pions: Medium) -> None:
    """A pion on the axis: lost momentum and rms angle behind 70.6 cm of beryllium against one step of the formulas."""
    neutral = pions._replace(in_target=pions.in_target, ctau=jnp.asarray(np.inf))
    table = np.asarray(pions.table).copy()
    table[:, [0, 1, 2, 3, 6, 7]] = 0  # only energy loss and multiple scattering
    outcome = run(beam_of(6.0, 0.0), neutral._replace(table=jnp.asarray(table)))
    at = outcome.leaving.momentum
    lost = 6.0 - np.asarray(at.norm())
    expected = np.asarray(pions.table)[round(6.0 / STEP), 4] * (BNB.target.end - 4.0)
    assert np.median(lost) == pytest.approx(expected, rel=0.02)
    length = jnp.asarray((BNB.target.end - 4.0) * 1.848 / 65.19)
    rms = float(jnp.sqrt(scattering_variance(length, jnp.asarray(6.0 - expected / 2), jnp.asarray(0.9997))))
    assert np.std(np.asarray(at.x / at.z)) == pytest.approx(rms, rel=0.05)
    assert np.std(np.asarray(at.y / at.z)) == pytest.approx(rms, rel=0.05)


def test_interactions_are_in_metal(pions: Medium) -> None:
    """Pions at 0.2 rad interact in the target or in a conductor, to the size of a step, and in both."""
    outcome = run(beam_of(1.5, 0.2, 30.0), pions)
    r = np.hypot(np.asarray(outcome.interaction.x), np.asarray(outcome.interaction.y))
    z = np.asarray(outcome.interaction.z)
    w = np.asarray(outcome.interaction.weight)
    horn = BNB.horns[0].horn
    bore, inner, _, _ = horn.surfaces(z)
    in_target = (r < BNB.target.radius + 0.6) & (z < BNB.target.end + 2.5)
    in_conductor = (r > bore - 0.6) & (r < inner + 0.6)
    # the place within a slab is even, which blurs surfaces by 2.5 cm times the slope: large after elastic collisions
    assert np.average(in_target | in_conductor, weights=w) > 0.85
    assert 0.1 < np.mean(in_conductor) < 0.9


# ---- behind the horn


@pytest.fixture(scope="module")
def region() -> Walls:
    return walls(BNB.decay_region)


def test_path_to_the_wall_against_marching(region: Walls, rng: np.random.Generator) -> None:
    n = 300
    x, y = rng.uniform(-25, 25, (2, n))
    slope = rng.normal(0, 0.03, (2, n))
    z = np.where(rng.random(n) < 0.5, 185.0, rng.uniform(600, 4000, n))
    momentum = Vector(*map(jnp.asarray, (slope[0], slope[1], np.ones(n))))
    found = np.asarray(path_to_wall(jnp.asarray(x), jnp.asarray(y), jnp.asarray(z), momentum, region))
    rings = np.array(BNB.decay_region.rings).T
    step = 0.25
    for i in range(n):
        at = np.arange(z[i], 5031.0, step)
        r = np.hypot(x[i] + slope[0, i] * (at - z[i]), y[i] + slope[1, i] * (at - z[i]))
        wall = np.where((at >= 307) & (at <= 5026), np.interp(at, rings[0], rings[1]), np.inf)
        hit = np.flatnonzero(r > wall)
        expected = (at[hit[0]] if hit.size else 5031.0) - z[i]
        assert abs(found[i] / np.sqrt(1 + slope[0, i] ** 2 + slope[1, i] ** 2) - expected) < 2 * step, i


def test_backward_particles_and_starts_in_the_wall_stop(region: Walls) -> None:
    momentum = Vector(*(jnp.asarray(v) for v in ([0.0, 0.0], [0.0, 0.0], [-1.0, 1.0])))
    at = jnp.asarray([0.0, 95.0]), jnp.asarray([0.0, 0.0]), jnp.asarray([1000.0, 1000.0])
    np.testing.assert_array_equal(np.asarray(path_to_wall(*at, momentum, region)), [0.0, 0.0])


def test_forced_decays(region: Walls, rng: np.random.Generator) -> None:
    n = 50_000
    zero = jnp.zeros(n)
    place = TimedPlace(zero, zero, zero + 185.0, Vector(zero, zero, zero + 3.0), zero + 2.0, zero)
    mass, ctau = jnp.asarray(MASSES[211]), jnp.asarray(CTAU[211])
    made = fly(place, jnp.asarray(rng.random(n)), mass, ctau, jnp.asarray(np.inf), region)
    length, path = 3.0 / MASSES[211] * CTAU[211], 5031.0 - 185.0
    assert float(made.weight[0]) == pytest.approx(-2 * np.expm1(-path / length), rel=1e-12)
    assert_follows(made.z, lambda z: np.expm1(-(z - 185) / length) / np.expm1(-path / length))
    air = fly(place, jnp.asarray(rng.random(n)), mass, ctau, jnp.asarray(1e5), region)
    assert 0.95 < float(air.weight[0] / made.weight[0]) < 1.0


def test_one_of_several_places_keeps_expectations(rng: np.random.Generator) -> None:
    zero = jnp.zeros(N)
    weights = [jnp.asarray(rng.uniform(0, s, N)) for s in (1.0, 2.0, 0.5)]
    momentum = Vector(zero, zero, zero + 1)
    places = tuple(TimedPlace(zero + i, zero, zero, momentum, w, zero) for i, w in enumerate(weights))
    chosen = one_of(places, *numbers("one"))
    np.testing.assert_allclose(np.asarray(chosen.weight), np.asarray(sum(weights[1:], weights[0])))
    for i, w in enumerate(weights):
        found = float(jnp.sum(jnp.where(chosen.x == i, chosen.weight, 0.0)))
        assert found == pytest.approx(float(jnp.sum(w)), rel=0.05)


def deterministic(through: Medium, n: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Angles of pi+ of all momenta behind the horn, with all that is not random, and their weights."""
    at = jnp.asarray(channel_key(5, "angle")), jnp.arange(n, dtype=jnp.uint32), jnp.zeros(n, jnp.uint32)
    start, _ = Sources(BNB).mesons(211, *at)
    outcome = propagate(start, through, *at, SKIN, False)
    p = outcome.leaving.momentum
    return np.stack([np.asarray(p.x / p.z), np.asarray(p.y / p.z)]), np.asarray(outcome.leaving.weight)


def rms(found: tuple[np.ndarray, np.ndarray], exact: tuple[np.ndarray, np.ndarray]) -> float:
    """Of the difference in angle, mrad, weighted as they leave."""
    both = (exact[1] > 0) & (found[1] > 0) & (np.hypot(*exact[0]) < 0.3)
    return float(1e3 * np.sqrt(np.average(np.sum((found[0] - exact[0]) ** 2, axis=0)[both], weights=exact[1][both])))


@pytest.mark.slow
def test_the_default_steps_are_right_to_four_tenths_of_a_milliradian() -> None:
    """Against steps of an eighth. Steps four times as long would fail (power)."""
    exact = deterministic(medium(BNB, 211, "neutrino", SLAB / 8))
    assert rms(deterministic(medium(BNB, 211, "neutrino")), exact) < 0.4
    assert rms(deterministic(medium(BNB, 211, "neutrino", 4 * SLAB)), exact) > 0.8


@pytest.mark.slow
def test_single_precision_is_enough(pions: Medium, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tracks with everything in double precision: 1e-3 mrad. A piece whose softest particle lies at a limit of
    the steps may take other steps, for few tracks.
    """
    found = deterministic(pions)
    monkeypatch.setattr("darkhorn.generator.beams.propagate._NARROW", jnp.float64)
    jax.clear_caches()
    exact = deterministic(pions)
    jax.clear_caches()
    assert 0 < rms(found, exact) < 1e-3
    difference = np.abs(found[1] - exact[1])
    assert np.quantile(difference, 0.99) < 1e-5
    assert difference.max() < 3e-4
