"""Tracks through the BNB horn against diffrax, an integrator of others: `pip install diffrax` to run this."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.beams.transport import planes, skin_depth_of, slabs, trace
from darkhorn.geometry.horns import HORNS_OF_BEAMS
from darkhorn.kernels.horn import Surfaces, Track, field

diffrax = pytest.importorskip("diffrax")
HORNS = HORNS_OF_BEAMS["bnb"]
END = 185.0


@pytest.mark.slow
def test_tracks_agree_with_diffrax() -> None:
    """dp/ds = k q p/|p| x B by Dopri8 at 1e-11, at z = 185 cm positions to 1e-5 cm and momenta to 1e-6 |p|."""
    horn = HORNS[0].horn
    grid = np.unique([*np.arange(0.0, END, 0.01), *horn.knots])
    radii = [jnp.asarray(r) for r in horn.surfaces(grid)]
    p = jnp.asarray([0.8, 1.5, 3.0, 2.0])
    charge = jnp.asarray([1.0, 1.0, 1.0, -1.0])
    x, y, z = (
        jnp.asarray([0.1, -0.2, 0.0, 0.3]),
        jnp.asarray([0.0, 0.1, 0.3, -0.1]),
        jnp.asarray([10.0, 30.0, 50.0, 60.0]),
    )
    px, py = p * jnp.asarray([0.15, 0.1, 0.06, 0.12]), p * jnp.asarray([0.02, -0.05, 0.08, 0.0])

    def slope(z: Any, state: jax.Array, q: jax.Array) -> jax.Array:
        # with z as the variable: state (x, y, px, py, pz)
        at, kx, ky, kz = state[:2], state[2], state[3], state[4]
        r = jnp.sqrt(at[0] ** 2 + at[1] ** 2)
        s = Surfaces(*(jnp.interp(z, grid, surface) for surface in radii))
        inside = (z > horn.start_cm) & (z < horn.end_cm)
        b = jnp.where(inside, field(r, s, jnp.asarray(horn.current_ka), horn.skin_depth_cm), 0.0)
        bx, by = -b * at[1] / r, b * at[0] / r
        k = 0.299792458e-2 * q / kz
        return jnp.stack([kx / kz, ky / kz, -k * kz * by, k * kz * bx, k * (kx * by - ky * bx)])

    @jax.jit
    def one(start: jax.Array, z0: jax.Array, q: jax.Array) -> jax.Array:
        found: jax.Array = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            diffrax.Dopri8(),
            z0,
            END,
            0.01,
            start,
            args=q,
            stepsize_controller=diffrax.PIDController(rtol=1e-11, atol=1e-12, dtmax=0.2),
            max_steps=1_000_000,
        ).ys[0]
        return found

    starts = jnp.stack([x, y, px, py, jnp.sqrt(p**2 - px**2 - py**2)], axis=1)
    wanted = np.stack([np.asarray(one(*each)) for each in zip(starts, z, charge, strict=True)])
    slab = slabs(HORNS, planes(HORNS, 3.0, END, 0.005))
    after = trace(Track(x, y, px, py, p), z, charge, slab, skin_depth_of(HORNS))
    size = np.asarray(p)[:, None]
    found = np.stack([np.asarray(v) for v in (after.x, after.y)], axis=1)
    np.testing.assert_allclose(found, wanted[:, :2], atol=1e-5, rtol=0)
    momenta = np.stack([np.asarray(v) for v in (after.px, after.py, after.pz())], axis=1)
    np.testing.assert_allclose(momenta / size, wanted[:, 2:] / size, atol=1e-6, rtol=0)
    assert (
        np.max(
            np.abs(wanted[:, 2:] / size - np.stack([np.asarray(v) for v in (px, py)] + [starts[:, 4]], axis=1) / size)
        )
        > 0.02
    )
