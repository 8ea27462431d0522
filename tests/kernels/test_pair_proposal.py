"""The broad density of pairs: normalised, and what is sampled follows it."""

import jax.numpy as jnp
import numpy as np
import pytest
from goodness import ALPHA, assert_follows, chi2_probability, ks_probability

from darkhorn.kernels.pair_proposal import PairProposal, PairUniforms, pair_density, sample_pair
from darkhorn.kernels.visible import pair_observables

M = 0.51099895e-3
SHIPPED = PairProposal(1.1e-3, 1.0, 6.0, 0.8, 0.03, 0.1)
OTHER = PairProposal(0.02, 0.3, 0.5, 0.05, 0.1, 0.6)
PROPOSALS = pytest.mark.parametrize("proposal", [SHIPPED, OTHER], ids=["shipped", "other"])
N = 200_000


def sample(proposal: PairProposal, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """(E, 1 - cos, ln m, |cos_decay|) and the azimuth of N pairs."""
    em, ep = sample_pair(PairUniforms(*jnp.asarray(rng.random((6, N)))), proposal, M)
    for p in (em, ep):
        np.testing.assert_allclose(p.e**2 - p.p.dot(p.p), M**2, atol=1e-9 * float(jnp.max(p.e)) ** 2)
    found = pair_observables(em, ep, M)
    pair = em.plus(ep)
    turns = np.arctan2(np.asarray(pair.y), np.asarray(pair.x)) / (2 * np.pi) + 0.5
    return (*map(np.asarray, (found.energy, found.backward, jnp.log(found.mass), found.cos_decay)), turns)


def moments_of(density: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distribution function on the grid x by the trapezoid rule."""
    steps = 0.5 * (density[..., 1:] + density[..., :-1]) * np.diff(x)
    return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)


def marginals(p: PairProposal) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(grid, distribution function) of E - m and of 1 - cos, from the density alone, by quadrature."""
    log_mass = np.linspace(np.log(p.least_mass), np.log(p.most_mass), 41)
    log_mass[[0, -1]] += [1e-12, -1e-12]
    kinetic = np.concatenate([[0.0], np.geomspace(1e-5, p.most_energy - p.least_mass, 300)])
    y = np.concatenate([[0.0], np.geomspace(1e-7, 2.0, 400)])
    energy = np.exp(log_mass)[:, None] + kinetic
    weight = np.full(41, log_mass[1] - log_mass[0])
    weight[[0, -1]] /= 2
    density = np.stack([pair_density(e[:, None], y[None], m, p, np) for e, m in zip(energy, log_mass, strict=True)])
    over_y = moments_of(density, y)  # (mass, kinetic, y)
    of_kinetic = np.tensordot(weight, over_y[..., -1], 1)
    of_y = np.tensordot(weight, moments_of(np.moveaxis(over_y, 1, -1), kinetic)[..., -1], 1)
    return {"kinetic": (kinetic, moments_of(of_kinetic, kinetic)), "y": (y, of_y)}


@PROPOSALS
def test_density_is_normalised_and_sampled(proposal: PairProposal, rng: np.random.Generator) -> None:
    """False alarm: 5e-6. The marginal in E - m ends at a mass-dependent place: the grid errs by up to 2e-3 there."""
    energy, y, log_mass, decay, turns = sample(proposal, rng)
    found = marginals(proposal)
    for grid, cdf in found.values():
        assert cdf[-1] == pytest.approx(1.0, abs=3e-3), "normalisation"
        assert grid[0] == 0.0
    low, high = np.log(proposal.least_mass), np.log(proposal.most_mass)
    assert_follows((log_mass - low) / (high - low), label="mass")
    assert_follows(decay, label="decay angle")
    assert_follows(turns, label="azimuth")
    for name, values in (("kinetic", energy - np.exp(log_mass)), ("y", y)):
        grid, cdf = found[name]
        edges = np.interp(np.linspace(0, 1, 31), cdf / cdf[-1], grid)
        counts = np.histogram(values, edges)[0]
        assert chi2_probability(counts, np.full(30, 1 / 30), 2e-3 / 30) > ALPHA, name


@PROPOSALS
def test_density_in_four_dimensions(proposal: PairProposal, rng: np.random.Generator) -> None:
    """Mean of 1/density over the sample in a box is the volume of the box: correlations, too. False alarm 1e-6."""
    energy, y, log_mass, _, _ = sample(proposal, rng)
    for box in ((0.3, 0.5), (0.05, 0.95)):
        e1, e2 = np.quantile(energy, box)
        e1 = max(e1, np.exp(np.quantile(log_mass, box[1])))
        y1, y2 = np.quantile(y, box)
        l1, l2 = np.quantile(log_mass, box)
        if e2 <= e1:
            continue
        inside = (energy > e1) & (energy < e2) & (y > y1) & (y < y2) & (log_mass > l1) & (log_mass < l2)
        inverse = np.where(inside, 1 / np.where(inside, pair_density(energy, y, log_mass, proposal, np), 1.0), 0.0)
        volume = (e2 - e1) * (y2 - y1) * (l2 - l1)
        assert abs(inverse.mean() - volume) < 4.9 * inverse.std() / N**0.5
        assert inverse.std() / N**0.5 < 0.1 * volume


def test_power(rng: np.random.Generator) -> None:
    """A density with another scale of energies by 5 % is told from this one."""
    energy, _, log_mass, _, _ = sample(SHIPPED, rng)
    grid, cdf = marginals(SHIPPED._replace(energy_scale=0.84))["kinetic"]
    wrong = ks_probability(energy - np.exp(log_mass), lambda x: np.interp(x, grid, cdf / cdf[-1]))
    assert wrong < ALPHA


def test_density_vanishes_outside() -> None:
    log_mass = np.log([0.5e-3, 0.1, 0.1, 2.0])
    energy = np.array([1.0, 0.09, 6.1, 3.0])
    assert np.all(pair_density(energy, 0.1, log_mass, SHIPPED, np) == 0)
    assert float(pair_density(0.3, 0.1, np.log(0.1), SHIPPED, np)) > 0
