"""Expected events to a chosen precision, without making events: scrambled Sobol points through the chain and its
trained map.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain
from darkhorn.generator.channel import Channel
from darkhorn.generator.device import as_float64, warped_rows, weights_of
from darkhorn.generator.plan import Plan
from darkhorn.generator.ray_source import by_rays
from darkhorn.kernels.errors import InputError

REPLICAS = 8  # independent scramblings: their spread is the error
FIRST_POINTS, LAST_POINTS = 1 << 10, 1 << 18  # of each replica


@partial(jax.jit, static_argnums=(0,))
def _moments(chain: Chain, params: Any, grid: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    weight = weights_of(chain, params, grid, u)
    return jnp.mean(weight), jnp.mean(weight * weight)


@partial(jax.jit, static_argnums=(0,))
def _ray_moments(chain: Chain, params: Any, grid: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """As `_moments`, and the part of the mean that each ray makes."""
    rows, _, jacobian = warped_rows(chain, grid, u)
    state = chain(params, rows)
    weight = state["weight"] * jacobian
    per_ray = jnp.zeros_like(params["flux"]["cumulative"]).at[state["ray"]].add(weight / weight.shape[0])
    return jnp.mean(weight), jnp.mean(weight * weight), per_ray


def ray_variance(per_ray: NDArray[Any], stands_for: NDArray[np.float64]) -> float:
    """Variance of a rate by the finite number of its rays: the sum of r_i^2, with r_i the events that ray i makes.

    per_ray (replicas, n): independent estimates of r_i; their products are taken, never a square, so that their own
    errors do not count. stands_for (n,): how many rays of the source each one stands for (`RaySource`): m like rays of
    events r/m each have r^2/m.
    """
    replicas = per_ray.shape[0]
    total, squares = np.zeros(per_ray.shape[1]), np.zeros(per_ray.shape[1])
    for each in per_ray:
        total += each
        squares += np.square(each, dtype=np.float64)
    pairs = (total * total - squares) / (replicas * (replicas - 1))
    return max(float(np.sum(pairs / stands_for)), 0.0)


def expected_events(channels: Sequence[Channel], plan: Plan, precision: float, seed: int) -> dict[str, Any]:
    """{events, error, error_integration, error_rays, ess, channels: [{region, target, regime, helicity, projectile_pdg,
    events, error}]}.

    `error_integration` is the standard error of the mean of REPLICAS scrambled Sobol estimates; points are doubled, for
    the channels that contribute most to it, until it is below precision times events. `error_rays` is that of a source
    with a finite number of rays (`ray_variance`; rays of one flavour add up over channels before they are squared, rays
    are taken as independent), 0 for a table. `error` has both, in rows too. `ess` is the effective sample size of all
    points used. Raises InputError for a precision that is not between 1e-6 and 0.5, or out of reach.
    """
    from scipy.stats import qmc  # scipy comes with jax

    if not 1e-6 <= precision <= 0.5:
        raise InputError("precision", precision, "a relative error from 1e-6 to 0.5", "Try 1e-3.")
    params = [channel.chain.prepare(as_float64(channel.params)) for channel in channels]
    grids = [jnp.asarray(found.grid) for found in plan.channels]
    means, squares = np.zeros((len(channels), REPLICAS)), np.zeros((len(channels), REPLICAS))
    points = np.zeros(len(channels), np.int64)
    per_ray: dict[int, NDArray[np.float32]] = {}  # of a channel: (REPLICAS, n)

    def measure(index: int, n: int) -> None:
        chain = channels[index].chain.bare
        rays = by_rays(params[index])
        parts = []
        for replica in range(REPLICAS):
            engine = qmc.Sobol(len(chain.dims), scramble=True, seed=np.random.default_rng((seed, index, replica)))
            u = np.clip(engine.random(n).T, 0.0, np.nextafter(1.0, 0.0))
            if rays:
                mean, square, part = _ray_moments(chain, params[index], grids[index], jnp.asarray(u))
                parts.append(np.asarray(part, np.float32))
            else:
                mean, square = _moments(chain, params[index], grids[index], jnp.asarray(u))
            means[index, replica], squares[index, replica] = float(mean), float(square)
        points[index] = n
        if rays:
            per_ray[index] = np.stack(parts)

    for index in range(len(channels)):
        measure(index, FIRST_POINTS)
    while True:
        rates, errors = means.mean(axis=1), means.std(axis=1, ddof=1) / REPLICAS**0.5
        total, error = float(rates.sum()), float(np.sqrt(np.sum(errors**2)))
        if error <= precision * total:
            break
        worst = int(np.argmax(errors))
        if points[worst] >= LAST_POINTS:
            raise InputError("precision", precision, f"about {error / total:.1e} for this card", "Ask for less.")
        measure(worst, int(points[worst]) * 2)
    spread = float(np.sum(squares.mean(axis=1) / (points * REPLICAS)))
    rows = _rows(channels, rates, errors)
    for key, row in rows.items():
        row["error"] = float(np.hypot(row["error"], _error_of_rays(channels, params, per_ray, key)))
    of_rays = _error_of_rays(channels, params, per_ray)
    return {
        "events": total,
        "error": float(np.hypot(error, of_rays)),
        "error_integration": error,
        "error_rays": of_rays,
        "ess": total**2 / spread if spread > 0 else 0.0,
        "channels": list(rows.values()),
    }


def _error_of_rays(
    channels: Sequence[Channel],
    params: Sequence[Any],
    per_ray: dict[int, NDArray[np.float32]],
    row: tuple[Any, ...] | None = None,
) -> float:
    """Error by the number of rays, of all channels or of those of one row: channels of one flavour share rays."""
    sums: dict[int, NDArray[np.float64]] = {}
    stands_for = {}
    for index, parts in per_ray.items():
        channel = channels[index]
        if row is None or row == _row_of(channel):
            pdg = channel.projectile_pdg
            sums[pdg] = sums.get(pdg, np.zeros(parts.shape)) + parts
            stands_for[pdg] = np.asarray(params[index]["flux"]["stands_for"])
    return float(np.sqrt(sum(ray_variance(parts, stands_for[pdg]) for pdg, parts in sums.items())))


ROW_KEYS = ("region", "target", "regime", "helicity", "projectile_pdg")


def _row_of(channel: Channel) -> tuple[Any, ...]:
    return tuple(getattr(channel, name) for name in ROW_KEYS)


def _rows(
    channels: Sequence[Channel], rates: NDArray[np.float64], errors: NDArray[np.float64]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """One row per kind of scattering: channels that differ in what happens afterwards are added up."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for channel, rate, error in zip(channels, rates, errors, strict=True):
        key = _row_of(channel)
        row = found.setdefault(key, {**dict(zip(ROW_KEYS, key, strict=True)), "events": 0.0, "error": 0.0})
        row["events"] += float(rate)
        row["error"] = float(np.hypot(row["error"], error))
    return found
