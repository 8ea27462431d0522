import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darkhorn.geometry.volumes import FAR_AWAY, Box, Cone, Convex, Cylinder, Sphere, Tube, Volume, length_inside

ALPHA = 1e-6  # chance of a false alarm per statistical test

CENTRE = jnp.array([10.0, -20.0, 300.0])
CONVEX: dict[str, Convex] = {
    "box": Box(CENTRE, jnp.array([128.0, 116.5, 518.4])),
    "cylinder-x": Cylinder(CENTRE, jnp.array(190.5), jnp.array(70.0), "x"),
    "cylinder-y": Cylinder(CENTRE, jnp.array(60.0), jnp.array(535.0), "y"),
    "cylinder-z": Cylinder(CENTRE, jnp.array(190.5), jnp.array(543.0), "z"),
    "sphere": Sphere(CENTRE, jnp.array(610.0)),
    "cone-x": Cone(CENTRE, jnp.array(150.0), jnp.array(30.0), jnp.array(80.0), "x"),
    "cone-y": Cone(CENTRE, jnp.array(60.0), jnp.array(60.0), jnp.array(200.0), "y"),
    "cone-z": Cone(CENTRE, jnp.array(38.8), jnp.array(287.4), jnp.array(500.0), "z"),
}
VOLUMES: dict[str, Volume] = {
    **CONVEX,
    "tube-y": Tube(CENTRE, jnp.array(741.7), jnp.array(787.4), jnp.array(579.0), "y"),
    "tube-z": Tube(CENTRE, jnp.array(20.0), jnp.array(190.5), jnp.array(543.0), "z"),
}
each_convex = pytest.mark.parametrize("volume", CONVEX.values(), ids=CONVEX)
each_volume = pytest.mark.parametrize("volume", VOLUMES.values(), ids=VOLUMES)


def _extent(volume: Volume) -> np.ndarray:
    """Half sizes of the box around the volume."""
    if isinstance(volume, Box):
        return np.array(volume.half_size)
    if isinstance(volume, Sphere):
        return np.full(3, float(volume.radius))
    radius = float(max(volume.start_radius, volume.end_radius) if isinstance(volume, Cone) else volume.radius)
    half = dict.fromkeys("xyz", radius)
    half[volume.axis] = float(volume.half_length)
    return np.array([half[axis] for axis in "xyz"])


def _rays(volume: Volume, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Origins (3, n) in and around the volume; isotropic unit directions (3, n), of which a tenth along the axes."""
    random = np.random.default_rng(seed)
    origin = np.array(volume.centre)[:, None] + 2 * _extent(volume)[:, None] * random.uniform(-1, 1, (3, count))
    direction = random.normal(size=(3, count))
    direction /= np.linalg.norm(direction, axis=0)
    for axis in range(3):
        along = np.zeros((3, count // 30))
        along[axis] = np.where(random.uniform(size=count // 30) < 0.5, -1.0, 1.0)
        direction[:, axis * (count // 30) : (axis + 1) * (count // 30)] = along
    return origin, direction


@each_convex
def test_interval_agrees_with_marching_along_the_ray(volume: Convex) -> None:
    origin, direction = _rays(volume, 3000)
    near, far = (np.asarray(t) for t in volume.ray_interval(*map(jnp.asarray, (*origin, *direction))))
    # from end to end of the surroundings, in steps: the interval says for each step whether it is inside
    steps = np.linspace(-6, 6, 601)[:, None] * _extent(volume).max()
    points = origin[:, None, :] + direction[:, None, :] * steps
    inside = np.asarray(volume.contains(*map(jnp.asarray, points)))
    np.testing.assert_array_equal(inside, (steps > near) & (steps < far))
    hits = near < far
    assert 0.05 < hits.mean() < 0.95  # both happen, or the test is void
    assert (inside.any(0) & (near < 0) & (far > 0)).any()
    assert (np.abs(near[hits]) < 1e5).all()
    assert (np.abs(far[hits]) < 1e5).all()


@each_convex
def test_ends_of_the_interval_lie_on_the_surface(volume: Convex) -> None:
    origin, direction = _rays(volume, 3000, seed=2)
    near, far = (np.asarray(t) for t in volume.ray_interval(*map(jnp.asarray, (*origin, *direction))))
    hits = far - near > 1e-3
    origin, direction, near, far = origin[:, hits], direction[:, hits], near[hits], far[hits]
    for end, outward in ((near, -1), (far, 1)):
        for step, expected in ((outward * 1e-6, False), (-outward * 1e-6, True)):
            point = origin + direction * (end + step)
            # a grazing ray may stay within rounding of the surface: almost all must tell
            assert (np.asarray(volume.contains(*map(jnp.asarray, point))) == expected).mean() > 0.999


@each_convex
def test_chords_of_parallel_rays_add_up_to_the_volume(volume: Convex) -> None:
    """int dA (chord length) = V for every direction: independent of `contains`."""
    direction = np.array([0.36, 0.48, 0.8])
    first = np.cross(direction, [1.0, 0, 0]) / np.linalg.norm(np.cross(direction, [1.0, 0, 0]))
    second = np.cross(direction, first)
    half, count = 1.01 * np.linalg.norm(_extent(volume)), 700
    grid = (np.arange(count) + 0.5) / count * 2 * half - half
    a, b = (mesh.ravel() for mesh in np.meshgrid(grid, grid))
    origin = np.array(volume.centre)[:, None] - 1e4 * direction[:, None] + first[:, None] * a + second[:, None] * b
    chords = length_inside(*volume.ray_interval(*map(jnp.asarray, origin), *map(jnp.asarray, direction)))
    assert float(chords.sum()) * (2 * half / count) ** 2 == pytest.approx(float(volume.volume()), rel=3e-4)


def _round(volume: Cone | Tube, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(squared distance from the axis, height above the start in units of the length)."""
    along = "xyz".index(volume.axis)
    offset = point - np.array(volume.centre)[:, None]
    height = (offset[along] / float(volume.half_length) + 1) / 2
    return sum(offset[axis] ** 2 for axis in range(3) if axis != along), height


@each_volume
def test_samples_are_uniform(volume: Volume) -> None:
    count = 40_000
    u = jax.random.uniform(jax.random.key(7), (3, count))
    point = np.array(volume.sample_uniform(*u))
    assert np.mean(np.asarray(volume.contains(*map(jnp.asarray, point)))) > 1 - 1e-4  # but for rounding on the surface
    if isinstance(volume, Cone):
        square, height = _round(volume, point)
        a, b = float(volume.start_radius), float(volume.end_radius)
        radius = a + (b - a) * height
        area = lambda t: a * a * t + a * (b - a) * t**2 + (b - a) ** 2 * t**3 / 3  # noqa: E731
        assert stats.kstest(height, lambda t: area(t) / area(1.0)).pvalue > ALPHA
        assert stats.kstest(square / radius**2, "uniform").pvalue > ALPHA
        return
    if isinstance(volume, Tube):
        square, height = _round(volume, point)
        inner, outer = float(volume.inner_radius) ** 2, float(volume.radius) ** 2
        assert stats.kstest(height, "uniform").pvalue > ALPHA
        assert stats.kstest((square - inner) / (outer - inner), "uniform").pvalue > ALPHA
        return
    offset = (point - np.array(volume.centre)[:, None]) / _extent(volume)[:, None]
    transverse = [axis for axis in range(3) if not (isinstance(volume, Cylinder) and "xyz"[axis] == volume.axis)]
    # cumulative distribution of one coordinate: flat for a box and along a cylinder, disc and ball otherwise
    disc = lambda t: 0.5 + (t * np.sqrt(1 - t**2) + np.arcsin(t)) / math.pi  # noqa: E731
    ball = lambda t: 0.5 + 0.75 * (t - t**3 / 3)  # noqa: E731
    flat = lambda t: 0.5 * (1 + t)  # noqa: E731
    for axis in range(3):
        law = (
            ball
            if isinstance(volume, Sphere)
            else disc
            if isinstance(volume, Cylinder) and axis in transverse
            else flat
        )
        assert stats.kstest(offset[axis], law).pvalue > ALPHA
    # correlations between coordinates and between their squares, 1/sqrt(n) each
    correlation = np.corrcoef(offset) - np.eye(3)
    assert np.abs(correlation).max() < 5 / math.sqrt(count)
    if isinstance(volume, Sphere):
        assert stats.kstest((offset**2).sum(0) ** 1.5, "uniform").pvalue > ALPHA
    if isinstance(volume, Cylinder):
        assert stats.kstest(sum(offset[axis] ** 2 for axis in transverse), "uniform").pvalue > ALPHA


def test_volumes() -> None:
    assert float(VOLUMES["box"].volume()) == pytest.approx(256 * 233 * 1036.8)
    assert float(VOLUMES["cylinder-y"].volume()) == pytest.approx(math.pi * 60**2 * 1070)
    assert float(VOLUMES["sphere"].volume()) == pytest.approx(4 / 3 * math.pi * 610**3)
    assert float(VOLUMES["cone-y"].volume()) == pytest.approx(math.pi * 60**2 * 400)
    # the cone of DarkNews' soil upstream of MicroBooNE: 3990362920.18 cm3 in its own numbers
    slope, start, end = 0.006215486414821411, -40758.245 + 47000, -758.245 + 47000
    cone = Cone(jnp.zeros(3), jnp.array(slope * start), jnp.array(slope * end), jnp.array((end - start) / 2), "z")
    assert float(cone.volume()) == pytest.approx(3990362920.181306, rel=1e-12)
    ring = math.pi * (787.4**2 - 741.7**2) * 1158
    assert float(VOLUMES["tube-y"].volume()) == pytest.approx(ring)


def test_intervals_by_hand() -> None:
    box = Box(jnp.zeros(3), jnp.array([1.0, 2.0, 3.0]))
    assert _ray(box, (0, 0, -10), (0, 0, 1)) == pytest.approx((7, 13))
    assert _ray(box, (0, 0, 0), (0, 1, 0)) == pytest.approx((-2, 2))
    assert _ray(box, (0, 0, 10), (0, 0, 1)) == pytest.approx((-13, -7))
    near, far = _ray(box, (1.5, 0, -10), (0, 0, 1))
    assert near > far
    tube = Cylinder(jnp.zeros(3), jnp.array(2.0), jnp.array(5.0), "y")
    assert _ray(tube, (0, -9, 1), (0, 1, 0)) == pytest.approx((4, 14))
    assert _ray(tube, (-7, 1, 0), (1, 0, 0)) == pytest.approx((5, 9))
    assert _ray(tube, (-2, -5, 0), (math.sqrt(0.5), math.sqrt(0.5), 0)) == pytest.approx((0, 4 * math.sqrt(2)))
    ball = Sphere(jnp.array([0.0, 0.0, 54134.0]), jnp.array(610.0))
    assert _ray(ball, (0, 0, 0), (0, 0, 1)) == pytest.approx((53524, 54744))
    near, far = _ray(ball, (611, 0, 0), (0, 0, 1))
    assert near > far


def _ray(volume: Convex, origin: tuple[float, ...], direction: tuple[float, ...]) -> tuple[float, float]:
    near, far = volume.ray_interval(*(jnp.asarray(float(v)) for v in (*origin, *direction)))
    return float(near), float(far)


# Directions along faces and edges, and almost so, and origins on faces, edges and corners.
SPECIAL = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-9, -1e-10, 1e-12, 1e-160, -5e-324])
ON_FACE = st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.5, 1 + 1e-15])


@each_convex
@settings(max_examples=30, deadline=None)
@given(direction=st.tuples(SPECIAL, SPECIAL, SPECIAL), corner=st.tuples(ON_FACE, ON_FACE, ON_FACE))
def test_special_rays_give_no_nan_and_finite_gradients(
    volume: Convex, direction: tuple[float, ...], corner: tuple[float, ...]
) -> None:
    norm = math.hypot(*direction)
    if norm < 0.5:
        return  # not a direction
    unit = jnp.array(direction) / norm
    origin = volume.centre + jnp.array(_extent(volume) * np.array(corner))

    def length(shape: Convex, start: jax.Array, along: jax.Array) -> jax.Array:
        return length_inside(*shape.ray_interval(*start, *along))

    near, far = volume.ray_interval(*origin, *unit)
    assert not math.isnan(float(near))
    assert not math.isnan(float(far))
    value, gradients = jax.value_and_grad(length, argnums=(0, 1, 2))(volume, origin, unit)
    assert 0 <= float(value) <= 2.01 * float(np.linalg.norm(_extent(volume)))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


@each_convex
def test_gradients_agree_with_finite_differences(volume: Convex) -> None:
    origin, direction = _rays(volume, 60, seed=3)
    direction = direction[:, 6:]  # not along the axes, where the length has kinks
    origin = origin[:, 6:]

    def total(shape: Convex) -> jax.Array:
        return length_inside(*shape.ray_interval(*map(jnp.asarray, (*origin, *direction)))).sum()

    gradient = jax.grad(total)(volume)
    leaves, tree = jax.tree.flatten(volume)
    for i, leaf in enumerate(leaves):
        step = jnp.full_like(leaf, 1e-5)
        if leaf.ndim:
            step = step * jnp.array([1.0, 0.0, 0.0])
        up, down = (jax.tree.unflatten(tree, [*leaves[:i], leaf + s * step, *leaves[i + 1 :]]) for s in (1.0, -1.0))
        slope = (float(total(up)) - float(total(down))) / 2e-5
        expected = jax.tree.leaves(gradient)[i]
        assert slope == pytest.approx(float(expected[0] if leaf.ndim else expected), rel=1e-5, abs=1e-6)


@each_convex
def test_a_far_origin_keeps_its_digits(volume: Convex) -> None:
    """Rays from 50 km upstream through points of the volume: the interval is good to 1e-7 cm."""
    direction = jnp.array([0.6, 0.0, 0.8])
    u = jax.random.uniform(jax.random.key(3), (3, 200))
    point = jnp.stack(volume.sample_uniform(*u))
    near, far = volume.ray_interval(*point, *direction)
    away = 5e6
    near_away, far_away = volume.ray_interval(*(point - away * direction[:, None]), *direction)
    np.testing.assert_allclose(near_away - away, near, atol=1e-6)
    np.testing.assert_allclose(far_away - away, far, atol=1e-6)


@each_convex
def test_one_compilation_for_all_sizes_and_jit_equals_eager(volume: Convex) -> None:
    traces = 0

    @jax.jit
    def interval(shape: Convex, *ray: jax.Array) -> tuple[jax.Array, jax.Array]:
        nonlocal traces
        traces += 1
        return shape.ray_interval(*ray)

    # odd sizes: jax 0.10.2 returned wrong last rows for some programs on a CPU (jax-ml/jax issue 39103)
    origin, direction = _rays(volume, 16_385, seed=4)
    ray = [jnp.asarray(component) for component in (*origin, *direction)]
    for scale in (1.0, 1.5, 0.3):
        scaled = jax.tree.map(lambda leaf, s=scale: leaf * s, volume)
        for got, expected in zip(interval(scaled, *ray), scaled.ray_interval(*ray), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-7)
    assert traces == 1


@each_convex
def test_single_precision_follows_the_input(volume: Convex) -> None:
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), volume)
    origin, direction = _rays(volume, 600, seed=5)
    near, far = single.ray_interval(*(jnp.asarray(c, dtype=jnp.float32) for c in (*origin, *direction)))
    exact_near, exact_far = volume.ray_interval(*map(jnp.asarray, (*origin, *direction)))
    assert near.dtype == far.dtype == jnp.float32
    clear = np.asarray(exact_far - exact_near) > 30
    np.testing.assert_allclose(near[clear], exact_near[clear], atol=0.05)
    np.testing.assert_allclose(far[clear], exact_far[clear], atol=0.05)
    u = jax.random.uniform(jax.random.key(1), (3, 8), dtype=jnp.float32)
    assert all(coordinate.dtype == jnp.float32 for coordinate in single.sample_uniform(*u))
    assert single.volume().dtype == jnp.float32


@each_volume
def test_distances_to_the_nearest_and_the_farthest_point(volume: Volume) -> None:
    """Against the distances to many points of the volume: bounds of all of them, and close to the extreme ones."""
    cloud = np.array(volume.sample_uniform(*jax.random.uniform(jax.random.key(5), (3, 10_000))))
    # points on lids, sides and rims, where the extremes are
    u = np.array(jax.random.uniform(jax.random.key(6), (3, 15_000)))
    u[np.arange(15_000) % 3, np.arange(15_000)] = np.where(u[0] < 0.5, 0.0, 1.0)
    rims = u.copy()
    rims[0], rims[2] = 1.0, np.where(u[2] < 0.5, 0.0, 1.0)
    cloud = np.concatenate([cloud, *(np.array(volume.sample_uniform(*map(jnp.asarray, w))) for w in (u, rims))], axis=1)
    origin, _ = _rays(volume, 90, seed=9)
    near, far = (np.asarray(d) for d in volume.distance_range(*map(jnp.asarray, origin)))
    distance = np.sqrt(((origin[:, :, None] - cloud[:, None, :]) ** 2).sum(axis=0))
    assert (near <= distance.min(axis=1) + 1e-6).all()
    assert (far >= distance.max(axis=1) - 1e-6).all()
    size = np.linalg.norm(_extent(volume))
    assert (distance.min(axis=1) - near).max() < 0.1 * size
    assert (far - distance.max(axis=1)).max() < 0.02 * size
    inside = np.asarray(volume.contains(*map(jnp.asarray, origin)))
    assert (near[inside] == 0).all()
    assert (near[~inside] > 0).all()


def test_length_inside() -> None:
    near = jnp.array([2.0, -3.0, -7.0, FAR_AWAY, 5.0])
    far = jnp.array([5.0, 4.0, -1.0, -FAR_AWAY, 5.0])
    np.testing.assert_array_equal(length_inside(near, far), [3, 4, 0, 0, 0])
