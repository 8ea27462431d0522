import jax.numpy as jnp
import numpy as np
import pytest
from goodness import PULL

from darkhorn.fluxes.beam_hadrons import hadron_model
from darkhorn.fluxes.hadron_cross_sections import interaction_lengths
from darkhorn.generator.beams.sources import Sources
from darkhorn.generator.streams import channel_key
from darkhorn.geometry.beamlines import BNB

N, PARTS = 1024, 8  # shapes of the small runs of `test_simulate`: one compilation


def marched(rng: np.random.Generator, n: int) -> tuple[float, float]:
    """Protons on the bare rod of the BNB in steps of 5 mm, each elastic or quasi-elastic collision by itself: the share
    that makes something there, and the mean depth where (cm).
    """
    made, elastic, knocked = (float(c[0]) for c in interaction_lengths(2212, "Be", np.array([8.889])))
    g, phi = np.sqrt(-2 * np.log(rng.random(n))), 2 * np.pi * rng.random(n)
    at = g * np.array([np.cos(phi) * (0.151 - 0.66e-3 * 4.4925), np.sin(phi) * (0.075 - 0.40e-3 * 4.4925)])
    slope = -g * np.array([np.cos(phi) * 0.66e-3, np.sin(phi) * 0.40e-3])
    left, found, depth, dz = np.ones(n), 0.0, 0.0, 0.5
    for z in np.arange(dz / 2, 71.12, dz):
        at += slope * dz
        inside = np.sum(at**2, axis=0) < 0.47625**2
        part = left * -np.expm1(-made * dz) * inside
        left -= part
        found, depth = found + part.sum(), depth + z * part.sum()
        for rate, b in ((elastic, 14.5 * 9 ** (2 / 3)), (knocked, 8.0)):
            hit = inside & (rng.random(n) < -np.expm1(-rate * dz))
            angle = np.where(hit, np.sqrt(-np.log(rng.random(n)) / b) / 8.889, 0.0)
            turn = 2 * np.pi * rng.random(n)
            slope += angle * np.array([np.cos(turn), np.sin(turn)])
    return found / n, depth / found


def test_protons_of_the_bnb_scatter_on_their_way(rng: np.random.Generator) -> None:
    """Against a simulation of the rod alone: in cooling fins, tube and horn there are more interactions, behind the
    rod's end hardly any. 5 sigma, and 1 % for the blocks of 10 cm and the fins.
    """
    key = jnp.asarray(channel_key(3, "protons"))
    counts = [jnp.arange(N, dtype=jnp.uint32) + np.uint32(N * part) for part in range(PARTS)]
    sources = Sources(BNB)
    places = [sources.interactions(key, low, jnp.zeros(N, jnp.uint32)) for low in counts]
    x, y, z, weight = (
        np.concatenate([np.asarray(getattr(p, name)) for p in places]) for name in ("x", "y", "z", "weight")
    )
    in_rod = (np.hypot(x, y) < 0.47625) & (z < BNB.target.end)
    share, depth = marched(rng, 20_000)
    found = np.mean(weight * in_rod)
    sigma = np.std(weight * in_rod) / np.sqrt(N * PARTS)
    assert found == pytest.approx(share, abs=PULL * sigma + 0.01)
    straight = -np.expm1(-71.12 / hadron_model("beryllium", 8.889, 1.848).length)
    assert straight - found > 0.02  # those that scattered out of the rod
    assert np.average(z, weights=weight * in_rod) - BNB.target.start == pytest.approx(depth, abs=0.9)
    assert 0.01 < np.mean(weight * ~in_rod) < 0.12
    lost = 8.889 - np.concatenate([np.asarray(p.momentum.norm()) for p in places])
    assert np.average(lost / (z - BNB.target.start + 1), weights=weight * in_rod) == pytest.approx(0.0031, rel=0.1)
