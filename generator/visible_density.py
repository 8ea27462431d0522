"""Densities of a card in cells of visible variables: sampled on the spot, or known for the broad sample."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.channel import Channel
from darkhorn.generator.run import Runner, make_layout
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.visible import MOMENTA, VERTEX, check_pair, visible
from darkhorn.generator.visible_cells import Cells, coordinates, find
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.pair_proposal import PairProposal, pair_density

Array = NDArray[Any]
NEEDED = (*MOMENTA, *VERTEX)
_VERTEX_POINTS = 1 << 18  # of the distribution of a vertex coordinate in the volume of decay
_MASS_NODES = 16  # of the integral over a bin of ln(mass) where E > m cuts a cell


@dataclass(frozen=True)
class Density:
    """Expected events of a card in each cell, from a sample of `events` events.

    content, variance  (n cells,) expected events in the exposure of the card, and the variance of that estimate
    total, total_error  expected events, also outside of the cells
    """

    content: Array
    variance: Array
    total: float
    total_error: float
    events: int


def _small(channel: Channel) -> Channel:
    flag = ("decay_inside",) if "decay_inside" in channel.columns else ()
    return dataclasses.replace(channel, columns=(*NEEDED, *flag, "weight"), constants={})


def samples(simulation: Simulation, n: int, seed: int) -> Iterator[tuple[dict[str, Array], Array, int]]:
    """n events of a card in blocks: (columns `NEEDED`, weight, number of the channel). Only these columns leave the
    device.

    The weight of an unforced decay outside of the volume is 0: it is not seen. Weights add up to the expected events.
    """
    check_pair([channel.topology for channel in simulation.build.channels], simulation.card.name)
    channels = [_small(channel) for channel in simulation.build.channels]
    plan = simulation.plan(seed)
    runner = Runner(channels, plan, seed, make_layout(channels, plan, n, 0, 1, False), False)
    for block in runner.blocks():
        columns = block.columns
        weight = columns["weight"]
        if "decay_inside" in columns:
            weight = weight * columns["decay_inside"]
        yield {name: columns[name] for name in NEEDED}, weight, block.task.share.index


@partial(jax.jit, static_argnums=0)
def _cells_of(axes: tuple[str, ...], edges: Sequence[jax.Array], columns: dict[str, jax.Array]) -> jax.Array:
    mass = jnp.asarray(MASS_ELECTRON, jnp.float64)
    return find(edges, coordinates(visible(columns, mass, jnp), axes, jnp), jnp)  # type: ignore[no-any-return]


def scout(simulation: Simulation, axes: tuple[str, ...], n: int, seed: int) -> tuple[tuple[Array, ...], Array]:
    """Values of the axes and weights of about n events of a card with a weight above 0."""
    parts, weights = [], []
    for columns, weight, _ in samples(simulation, n, seed):
        seen = weight > 0
        found = visible({name: column[seen] for name, column in columns.items()}, MASS_ELECTRON)
        parts.append(coordinates(found, axes))
        weights.append(weight[seen])
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True)), np.concatenate(weights)


def measure(simulation: Simulation, cells: Cells, n: int, seed: int) -> Density:
    """The density of a card from n events; of these only the sums per cell are kept."""
    content, variance = np.zeros(cells.size), np.zeros(cells.size)
    channels = simulation.build.channels
    sums = np.zeros((len(channels), 2))
    edges = [jnp.asarray(table) for table in cells.edges]
    longest = 1 << 12
    for columns, weight, channel in samples(simulation, n, seed):
        # padded to few lengths, so that few programs are compiled
        rows = len(weight)
        while longest < rows:
            longest *= 2
        padded = {name: jnp.asarray(np.pad(column, (0, longest - rows))) for name, column in columns.items()}
        cell = np.asarray(_cells_of(cells.axes, edges, padded))[:rows]
        inside = cell >= 0
        np.add.at(content, cell[inside], weight[inside])
        np.add.at(variance, cell[inside], weight[inside] ** 2)
        sums[channel] += weight.sum(), (weight**2).sum()
    shares = simulation.plan(seed).shares(n)
    spread = sum(max(square - total**2 / max(m, 1), 0.0) for (total, square), m in zip(sums, shares, strict=True))
    return Density(content, variance, float(sums[:, 0].sum()), spread**0.5, n)


class Source(Protocol):
    """The density of the sample that is reweighted.

    covered    (n cells,) whether it is known well enough in a cell
    relative   (n cells,) relative variance of its content there
    """

    covered: Array
    relative: Array

    def inverse(self, cell: Array, values: Sequence[Array]) -> Array:
        """1/(expected events of the cell) for events (n,) with these cells and coordinates."""


class SampledSource:
    """A density from a sample. 1/S is estimated by S/(S^2 + V), for n equal weights 1/(n + 1): unlike 1/n, its mean
    is 1/<n> up to exp(-<n>).
    """

    def __init__(self, density: Density, least: float) -> None:
        content, variance = density.content, density.variance
        effective = np.divide(content**2, variance, out=np.zeros_like(content), where=variance > 0)
        self.covered = effective >= least
        self.relative = np.divide(1.0, effective, out=np.zeros_like(content), where=self.covered)
        square = content**2 + variance
        self._inverse = np.divide(content, square, out=np.zeros_like(content), where=self.covered)

    def inverse(self, cell: Array, values: Sequence[Array]) -> Array:
        """1/content of the cells (n,)."""
        return np.asarray(self._inverse[cell])


class BroadSource:
    """The density of the card `broad-pair`, known at every point: the target's density is flat within a cell.

    For the axes e_ee, backward, log_mass, cos_decay, and at most one coordinate of the vertex after them.
    """

    AXES = ("e_ee", "backward", "log_mass", "cos_decay")

    def __init__(self, proposal: PairProposal, cells: Cells, total: float, volumes: Sequence[Any]) -> None:
        self._proposal, self._total = proposal, total
        energy, backward = cells.table("e_ee")[0], cells.table("backward")
        mass, decay = cells.table("log_mass"), cells.table("cos_decay")
        area = _area_above(energy, mass[0])
        volume = area[:, None, :, None] * np.diff(backward)[:, :, None, None]
        volume = volume * np.diff(np.minimum(decay[0], 1.0))
        heavy, light = np.exp(mass[0][1:]), np.exp(mass[0][:-1])
        good = (energy[1:, None] <= float(proposal.most_energy)) & (light >= float(proposal.least_mass))[None]
        good &= (heavy <= float(proposal.most_mass))[None]
        covered = np.broadcast_to(good[:, None, :, None] & (volume > 0), volume.shape)
        if len(cells.axes) > 4:
            share = _vertex_share(volumes, cells.axes[4], cells.table(cells.axes[4]))
            volume = volume[..., None] * share[:, None, None, None, :]
            covered = covered[..., None] & (volume > 0)
        self.covered = covered.ravel()
        self.relative = np.zeros(cells.size)
        self._volume = volume.ravel()

    @classmethod
    def fits(cls, axes: Sequence[str]) -> bool:
        """Whether the density is known in these axes."""
        return tuple(axes[:4]) == cls.AXES and (len(axes) == 4 or (len(axes) == 5 and axes[4] in VERTEX))

    def inverse(self, cell: Array, values: Sequence[Array]) -> Array:
        """1/(volume of the cell times the density at the event), (n,)."""
        energy, backward, log_mass = values[:3]
        density = self._total * pair_density(energy, backward, log_mass, self._proposal, np) * self._volume[cell]
        good = self.covered[cell] & (density > 0)
        return np.asarray(np.divide(1.0, density, out=np.zeros_like(density), where=good))


def _area_above(energy: Array, log_mass: Array) -> Array:
    """(n_E, n_m) area of the boxes in (E, ln m) where E > m, by the midpoint rule in ln m."""
    nodes = (np.arange(_MASS_NODES) + 0.5) / _MASS_NODES
    mass = np.exp(log_mass[:-1, None] + np.diff(log_mass)[:, None] * nodes)
    length = np.maximum(energy[1:, None, None] - np.maximum(energy[:-1, None, None], mass), 0.0)
    return np.asarray(length.mean(axis=-1) * np.diff(log_mass))


def _vertex_share(volumes: Sequence[Any], axis: str, table: Array) -> Array:
    """(n_0, n) share of the volumes between the edges of a coordinate, by uniform points."""
    u = np.random.default_rng(1).random((3, _VERTEX_POINTS))
    sizes = np.array([float(volume.volume()) for volume in volumes])
    share = np.zeros(table.shape)
    for volume, size in zip(volumes, sizes / sizes.sum(), strict=True):
        points = dict(zip(VERTEX, volume.sample_uniform(*map(jnp.asarray, u)), strict=True))
        share += size * np.searchsorted(np.sort(np.asarray(points[axis])), table) / _VERTEX_POINTS
    return np.asarray(np.diff(share))
