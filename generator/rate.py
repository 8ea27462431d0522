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
from darkhorn.generator.device import as_float64, weights_of
from darkhorn.generator.plan import Plan
from darkhorn.kernels.errors import InputError

REPLICAS = 8  # independent scramblings: their spread is the error
FIRST_POINTS, LAST_POINTS = 1 << 10, 1 << 18  # of each replica


@partial(jax.jit, static_argnums=(0,))
def _moments(chain: Chain, params: Any, grid: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    weight = weights_of(chain, params, grid, u)
    return jnp.mean(weight), jnp.mean(weight * weight)


def expected_events(channels: Sequence[Channel], plan: Plan, precision: float, seed: int) -> dict[str, Any]:
    """{events, error, ess, channels: [{region, target, regime, helicity, projectile_pdg, events, error}]}.

    `error` is the standard error of the mean of REPLICAS scrambled Sobol estimates; points are doubled, for the
    channels that contribute most to it, until error/events <= precision. `ess` is the effective sample size of all
    points used. Raises InputError for a precision that is not between 1e-6 and 0.5, or out of reach.
    """
    from scipy.stats import qmc  # scipy comes with jax

    if not 1e-6 <= precision <= 0.5:
        raise InputError("precision", precision, "a relative error from 1e-6 to 0.5", "Try 1e-3.")
    params = [channel.chain.prepare(as_float64(channel.params)) for channel in channels]
    grids = [jnp.asarray(found.grid) for found in plan.channels]
    means, squares = np.zeros((len(channels), REPLICAS)), np.zeros((len(channels), REPLICAS))
    points = np.zeros(len(channels), np.int64)

    def measure(index: int, n: int) -> None:
        chain = channels[index].chain.bare
        for replica in range(REPLICAS):
            engine = qmc.Sobol(len(chain.dims), scramble=True, seed=np.random.default_rng((seed, index, replica)))
            u = np.clip(engine.random(n).T, 0.0, np.nextafter(1.0, 0.0))
            mean, square = _moments(chain, params[index], grids[index], jnp.asarray(u))
            means[index, replica], squares[index, replica] = float(mean), float(square)
        points[index] = n

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
    return {"events": total, "error": error, "ess": total**2 / spread if spread > 0 else 0.0, "channels": rows}


ROW_KEYS = ("region", "target", "regime", "helicity", "projectile_pdg")


def _rows(channels: Sequence[Channel], rates: NDArray[np.float64], errors: NDArray[np.float64]) -> list[dict[str, Any]]:
    """One row per kind of scattering: channels that differ in what happens afterwards are added up."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for channel, rate, error in zip(channels, rates, errors, strict=True):
        key = tuple(getattr(channel, name) for name in ROW_KEYS)
        row = found.setdefault(key, {**dict(zip(ROW_KEYS, key, strict=True)), "events": 0.0, "error": 0.0})
        row["events"] += float(rate)
        row["error"] = float(np.hypot(row["error"], error))
    return list(found.values())
