from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.beams.targets import CooledRod, Fin, Rod, Shape, shape_of, share_inside
from darkhorn.geometry.beamlines import BNB

FIN = Fin(*map(jnp.asarray, (0.32, -0.9, 0.4)))
ROD = Rod(jnp.asarray(0.5))


def cooled(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The target of the BNB in polar coordinates: 1 in rod and tube, 88.9/101.6 in fins of 1.5748 mm."""
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    fin = np.zeros(x.shape, bool)
    for degrees in (30, 150, -90):
        off = phi - np.radians(degrees)
        fin |= (np.cos(off) * r > 0.47625) & (np.cos(off) * r < 1.3589) & (np.abs(np.sin(off)) * r < 0.07874)
    return ((r < 0.47625) | ((r > 1.36779) & (r < 1.46177))) * 1.0 + fin * 88.9 / 101.6


@pytest.mark.parametrize(
    ("shape", "inside"),
    [
        (FIN, lambda x, y: (np.abs(x) < 0.32) & (y > -0.9) & (y < 0.4)),
        (ROD, lambda x, y: np.hypot(x, y) < 0.5),
        (shape_of(BNB.target), cooled),
    ],
)
def test_share_of_a_line_against_marching(
    shape: Shape, inside: Callable[[np.ndarray, np.ndarray], np.ndarray], rng: np.random.Generator
) -> None:
    n = 200
    first, last = rng.uniform(-1.5, 1.5, (2, 2, n))
    last[:, :40] = first[:, :40]  # lines along the beam
    last[0, 40:60] = first[0, 40:60]
    first[:, 60:80] = rng.uniform(-0.3, 0.3, (2, 20))  # starts inside
    t = (np.arange(20_000) + 0.5) / 20_000
    x, y = first[:, :, None] + t * (last - first)[:, :, None]
    expected = np.mean(inside(x, y), axis=1)
    found = np.asarray(share_inside(shape, *map(jnp.asarray, (*first, *last))))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert 0 < np.mean(found == 0) < 1
    assert np.any(found == 1)


def test_material_of_a_cooled_rod(rng: np.random.Generator) -> None:
    """Area of tube and fins beside that of the rod, by the mean over points; a check of the numbers: 0.7 cm2."""
    assert isinstance(shape_of(BNB.target), CooledRod)
    x, y = map(jnp.asarray, rng.uniform(-1.5, 1.5, (2, 200_000)))
    area = 9 * float(jnp.mean(share_inside(shape_of(BNB.target), x, y, x, y)))
    tube, fins = np.pi * (1.46177**2 - 1.36779**2), 3 * 0.15748 * 0.88265 * 88.9 / 101.6
    assert area == pytest.approx(np.pi * 0.47625**2 + tube + fins, rel=0.02)  # 5 sigma


def test_a_rod_left_from_inside() -> None:
    radial = share_inside(ROD, *map(jnp.asarray, (0.1, 0.0, 0.9, 0.0)))
    assert float(radial) == pytest.approx(0.5, rel=1e-12)
    through = share_inside(ROD, *map(jnp.asarray, (-0.3, 0.0, 0.7, 0.0)))
    assert float(through) == pytest.approx(0.8, rel=1e-12)
