import json
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.generator.beams.transport import (
    DEFAULT_STEP,
    planes,
    skin_depth_of,
    slabs,
    trace,
    trace_adaptive,
)
from darkhorn.geometry.horns import HORNS_OF_BEAMS, PlacedHorn, horn
from darkhorn.kernels.horn import (
    Surfaces,
    Track,
    crossing,
    enclosed_current,
    field,
    mean_below,
    profile,
    straight,
    turned,
    turned_back,
)
from darkhorn.kernels.kinematics import Vector

FILE = Path(__file__).parents[2] / "reference" / "horns.json"
ENTRIES = json.loads(FILE.read_text(encoding="utf-8"))["entries"]
NAMES = {"numi_horn1": "numi-1", "numi_horn2": "numi-2", "bnb_horn": "bnb"}
TRACKS = [e for e in ENTRIES if e["quantity"] == "trajectory"]
Real = NDArray[np.float64]


@cache
def carried(kind: str, size: float) -> tuple[Real, Real, Track]:
    """Of all reference tracks of one horn: distance (mm), largest momentum error (GeV), and the tracks at their end."""
    chosen = [e for e in TRACKS if e["horn"] == kind]
    placed = (PlacedHorn(horn(NAMES[kind]), 0.0, chosen[0]["current_kA"]),)
    x, y, z = np.array([e["start_mm"] for e in chosen]).T / 10
    px, py, pz = np.array([e["start_p_GeV"] for e in chosen]).T
    track = Track(*map(jnp.asarray, (x, y, px, py, np.sqrt(px**2 + py**2 + pz**2))))
    grid = slabs(placed, planes(placed, float(z.min()), chosen[0]["z_end_mm"] / 10, size))
    charge = jnp.asarray([float(e["charge"]) for e in chosen])
    after = trace(track, jnp.asarray(z), charge, grid, skin_depth_of(placed))
    end = np.array([e["end_mm"] for e in chosen]).T
    momentum = np.array([e["end_p_GeV"] for e in chosen]).T
    wrong = np.maximum(np.abs(np.asarray(after.px) - momentum[0]), np.abs(np.asarray(after.py) - momentum[1]))
    np.testing.assert_allclose(np.asarray(after.p), np.sqrt((momentum**2).sum(axis=0)), rtol=1e-12)
    assert not np.any(np.asarray(turned_back(after)))
    return np.hypot(np.asarray(after.x) * 10 - end[0], np.asarray(after.y) * 10 - end[1]), wrong, after


def test_fields_of_the_reference() -> None:
    points = [e for e in ENTRIES if e["quantity"] == "B_phi"]
    for e in points:
        one = horn(NAMES[e["horn"]])
        s = Surfaces(*map(jnp.asarray, one.surfaces(np.array(e["z_local_mm"] / 10))))
        found = float(field(jnp.asarray(e["r_mm"] / 10), s, jnp.asarray(e["current_kA"]), one.skin_depth_cm))
        assert found == pytest.approx(e["value"], rel=1e-9, abs=1e-15), e["id"]
    assert {e["region"] for e in points} == {"gap", "conductor", "outside"}


@pytest.mark.parametrize("kind", NAMES)
def test_tracks_of_the_reference_at_the_default_step(kind: str) -> None:
    distance, momentum, _ = carried(kind, DEFAULT_STEP)
    assert np.max(distance) < 0.1
    assert np.max(momentum) < 1e-4


@pytest.mark.parametrize("kind", NAMES)
def test_tracks_converge_with_the_square_of_the_step(kind: str) -> None:
    """To 1e-3 mm at the finest step. Single errors depend on how steps fall on surfaces; their rms goes down by 16
    for a quarter of the step, and by 400 for a twentieth, up to a factor of two to four.
    """
    coarse, middle, fine = (carried(kind, size)[0] for size in (0.4, 0.1, 0.02))
    assert np.max(fine) < 1e-3
    rms = [float(np.sqrt(np.mean(e**2))) for e in (coarse, middle, fine)]
    assert rms[0] < 0.02
    assert rms[1] < rms[0] / 8
    assert rms[2] < rms[0] / 100
    assert np.max(carried(kind, 0.02)[1]) < 1e-6


def test_the_adaptive_integrator_agrees() -> None:
    """An integrator in path length, from the field alone: 1e-6 cm with the reference, momenta conserved."""
    for kind in ("bnb_horn", "numi_horn2"):
        chosen = [e for e in TRACKS if e["horn"] == kind][:4]
        placed = (PlacedHorn(horn(NAMES[kind]), 0.0, chosen[0]["current_kA"]),)
        columns = [jnp.asarray(v) for v in np.array([e["start_mm"] for e in chosen]).T / 10]
        momenta = [jnp.asarray(v) for v in np.array([e["start_p_GeV"] for e in chosen]).T]
        charge = jnp.asarray([float(e["charge"]) for e in chosen])
        at, p = trace_adaptive(
            Vector(*columns), Vector(*momenta), charge, jnp.asarray(chosen[0]["z_end_mm"] / 10), placed
        )
        found = np.stack([np.asarray(at.x), np.asarray(at.y)], axis=1) * 10
        np.testing.assert_allclose(found, [e["end_mm"][:2] for e in chosen], atol=2e-4, rtol=0)
        np.testing.assert_allclose(
            np.stack(list(map(np.asarray, p)), axis=1), [e["end_p_GeV"] for e in chosen], atol=1e-7, rtol=0
        )


def random_tracks(rng: np.random.Generator, n: int = 2000) -> tuple[Track, jax.Array]:
    """Pions from the BNB target."""
    p, theta, phi = rng.uniform(0.3, 4.0, n), rng.uniform(0.0, 0.4, n), rng.uniform(0, 2 * np.pi, n)
    x, y = rng.normal(0, 0.1, (2, n))
    pt = p * np.sin(theta)
    return Track(*map(jnp.asarray, (x, y, pt * np.cos(phi), pt * np.sin(phi), p))), jnp.asarray(rng.uniform(4, 74, n))


BNB = HORNS_OF_BEAMS["bnb"]


def through_bnb(track: Track, start: jax.Array, charge: float, current: float = 174.0, size: float = 2.0) -> Track:
    placed = (PlacedHorn(BNB[0].horn, 0.0, current),)
    grid = slabs(placed, planes(placed, 3.0, 185.0, size))
    return trace(track, start, jnp.full(start.shape, charge), grid, 0.14)


def test_momentum_and_angular_momentum_are_kept(rng: np.random.Generator) -> None:
    track, start = random_tracks(rng)
    after = through_bnb(track, start, 1.0)
    np.testing.assert_array_equal(np.asarray(after.p), np.asarray(track.p))
    good = ~np.asarray(turned_back(after))
    assert good.mean() > 0.98
    before = np.asarray(track.x * track.py - track.y * track.px)
    np.testing.assert_allclose(np.asarray(after.x * after.py - after.y * after.px)[good], before[good], atol=1e-12)


def test_reversed_current_mirrors_charge(rng: np.random.Generator) -> None:
    track, start = random_tracks(rng)
    one, other = through_bnb(track, start, 1.0, 174.0), through_bnb(track, start, -1.0, -174.0)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    wrong = through_bnb(track, start, -1.0, 174.0)
    assert float(jnp.mean(jnp.hypot(wrong.px, wrong.py))) > 1.5 * float(jnp.mean(jnp.hypot(one.px, one.py)))


def test_no_field_in_the_bore_and_without_current(rng: np.random.Generator) -> None:
    """Straight lines: along the axis inside 19 mm, and everywhere at 0 kA."""
    n = 200
    x, y = rng.uniform(-1, 1, (2, n))
    still = Track(*map(jnp.asarray, (x, y, np.zeros(n), np.zeros(n), np.full(n, 2.0))))
    after = through_bnb(still, jnp.full(n, 4.0), 1.0)
    np.testing.assert_array_equal(np.asarray(after.px), 0.0)
    np.testing.assert_allclose(np.asarray(after.x), x, atol=1e-14)
    track, start = random_tracks(rng, n)
    after = through_bnb(track, start, 1.0, current=0.0)
    slope = np.asarray(track.px / track.pz())
    np.testing.assert_allclose(np.asarray(after.x), np.asarray(track.x) + (185 - np.asarray(start)) * slope, rtol=1e-12)


def test_impulse_in_a_thin_gap() -> None:
    """A fast particle parallel to the axis at 10 cm: p_T = 0.3 B L in the limit of no bending, closed form."""
    track = Track(*(jnp.asarray([v]) for v in (10.0, 0.0, 0.0, 0.0, 1e6)))
    after = through_bnb(track, jnp.asarray([4.0]), 1.0)
    # the outer conductor comes in to 10 cm only beyond the end of the field: the field is 0.348 T all along
    inner = np.interp(10.0, [7.17, 11.35], [176.85, 179.26])  # where the end of the inner conductor reaches 10 cm
    bore = np.interp(10.0, [6.97, 11.24], [177.08, 179.54])
    assert float(-after.px[0]) == pytest.approx(0.299792458e-2 * 0.348 * (inner - 4.0), rel=3e-3)
    assert inner < bore < 180


def test_steps_with_surfaces_are_exact_for_a_straight_line() -> None:
    """Mean of F and shares of metal over a line, against a sum over 200000 points. The radius of the bore in the
    uniform current density is taken in the middle of the step: 5e-4.
    """
    s0, s1 = (Surfaces(*map(jnp.asarray, v)) for v in ((1.0, 1.3, 5.0, 6.0), (1.2, 1.5, 4.0, 5.5)))
    t = (np.arange(200_000) + 0.5) / 200_000
    s = Surfaces(*(jnp.asarray(float(a) + t * (float(b) - float(a))) for a, b in zip(s0, s1, strict=True)))
    for r0, r1 in [(0.5, 1.4), (1.1, 1.35), (1.25, 3.0), (3.0, 3.0), (3.0, 5.8), (0.2, 0.8), (1.4, 0.9), (1.15, 1.35)]:
        r = jnp.asarray(r0 + t * (r1 - r0))
        for skin in (None, 0.14):
            met = crossing(jnp.asarray(r0), s0, jnp.asarray(r1), s1, profile(s0, s1, skin), skin is not None)
            f = np.asarray(enclosed_current(r, s, skin))
            assert float(met.enclosed) == pytest.approx(f.mean(), abs=5e-4)
            if 0 < f.mean() < 0.999 and r1 < 4.0:
                assert float(met.centre) == pytest.approx((f * t).sum() / f.sum(), abs=3e-3)
            metal = float(jnp.mean((r > s.bore) & (r < s.inner)))
            assert float(met.inner_conductor) == pytest.approx(metal, abs=1e-4)
            assert float(met.outer_conductor) == pytest.approx(float(jnp.mean((r > s.outer) & (r < s.wall))), abs=1e-4)


def test_changes_in_single_precision(rng: np.random.Generator) -> None:
    """A step computed in single precision and added in double: to 2e-5 of what the step changes (a line that starts
    0.1 um from a surface of the conductor is the worst), |p| and L_z as in double precision.
    """
    n = 20_000
    track, _ = random_tracks(rng, n)
    track = track._replace(x=jnp.asarray(rng.uniform(0, 8, n)), y=jnp.asarray(rng.uniform(0, 8, n)))
    s0, s1 = (Surfaces(*(jnp.full(n, v) for v in radii)) for radii in ((2.0, 2.3, 7.0, 9.0), (2.4, 2.7, 6.5, 8.5)))
    dz, strength = jnp.asarray(rng.uniform(0, 5, n)), jnp.full(n, 174.0)

    @partial(jax.jit, static_argnums=0)
    def stepped(kind: type) -> Track:
        a, b = (Surfaces(*(v.astype(kind) for v in s)) for s in (s0, s1))
        line = straight(track.cast(kind), dz.astype(kind))
        met = crossing(line.r0, a, line.r1, b, profile(a, b, 0.14), True)
        return turned(track, dz.astype(kind), line, met, strength.astype(kind))

    double, single = stepped(jnp.float64), stepped(jnp.float32)
    assert single.x.dtype == single.px.dtype == jnp.float64
    np.testing.assert_array_equal(np.asarray(single.p), np.asarray(track.p))
    kick = np.hypot(*(np.asarray(a - b) for a, b in ((double.px, track.px), (double.py, track.py))))
    wrong = np.hypot(*(np.asarray(a - b) for a, b in ((double.px, single.px), (double.py, single.py))))
    assert np.max(wrong) > 0
    assert np.max(wrong / np.maximum(kick, 1e-3)) < 2e-5
    assert np.quantile(wrong / np.maximum(kick, 1e-3), 0.99) < 2e-6
    for t in (double, single):
        np.testing.assert_allclose(
            np.asarray(t.x * t.py - t.y * t.px), np.asarray(track.x * track.py - track.y * track.px), atol=1e-13
        )


def test_share_of_a_line() -> None:
    a, b = jnp.asarray([1.0, -1.0, -2.0, 3.0, 1e-6, -1e-6]), jnp.asarray([-1.0, 3.0, -1.0, 1.0, 1e-6, -1e-6])
    np.testing.assert_allclose(np.asarray(mean_below(a, b)), [0.5, 0.75, 0.0, 1.0, 1.0, 0.0])


def test_gradients_through_a_horn_are_finite() -> None:
    """d x_end / d current against finite differences, also for a track that starts on the axis."""
    track = Track(*(jnp.asarray([v]) for v in (0.0, 0.0, 0.2, 0.0, 1.5)))
    placed = (PlacedHorn(BNB[0].horn, 0.0, 174.0),)
    grid = slabs(placed, planes(placed, 3.0, 185.0, 2.0))

    def end(scale: jax.Array) -> jax.Array:
        scaled = grid._replace(current=grid.current * scale)
        return trace(track, jnp.asarray([4.0]), jnp.asarray([1.0]), scaled, 0.14).x[0]

    slope = float(jax.grad(end)(jnp.asarray(1.0)))
    h = 1e-4
    assert slope == pytest.approx(float(end(jnp.asarray(1 + h)) - end(jnp.asarray(1 - h))) / (2 * h), rel=1e-4)


def test_planes_and_conductors() -> None:
    z = planes(HORNS_OF_BEAMS["numi-le"], 0.0, 1400.0, 3.0)
    assert np.all(np.diff(z) > 0)
    assert np.max(np.diff(z)) <= 3.0 + 1e-9
    for corner in (3.0, 3.0 + 30.315 * 2.54, 327.7, 1000.0, 1097.617, 1342.8):
        assert np.min(np.abs(z - corner)) < 1e-9
    # the conductor of the BNB narrows from 7 to 2.2 cm there: 20/5 ln(7/2.2) = 4.6 steps; without that, 2
    assert len(planes(BNB, 3.5, 8.6, 5.0)) == 6
    with pytest.raises(ValueError, match="different conductors"):
        skin_depth_of((*BNB, HORNS_OF_BEAMS["numi-le"][0]))
