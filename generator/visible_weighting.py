"""The ratio of two visible densities, as a function of the event: how `darkhorn reweight --to` weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.files.columns import Columns
from darkhorn.generator.processes.broad_pair import RATE, proposal_of
from darkhorn.generator.runcard import RunCard
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.visible import DEFAULT, check_variables, visible
from darkhorn.generator.visible_cells import Cells, axes_of, coordinates, find, make_cells
from darkhorn.generator.visible_density import BroadSource, Density, SampledSource, Source, measure, scout
from darkhorn.kernels.errors import InputError

Array = NDArray[Any]
DENSITY_EVENTS = 10_000_000
MASS_RESOLUTION = 0.1
# Bins per axis. Where the source is known at every point, cells with few events of the target do no harm
# (docs/visible_reweighting.md); where it is sampled, its content is in the denominator.
FINE = {"e_ee": 80, "backward": 60, "cos_decay": 8, "asymmetry": 8, "opening_angle": 32}
COARSE = {"e_ee": 24, "backward": 24, "cos_decay": 4, "asymmetry": 6, "opening_angle": 20}
VERTEX_BINS = 8
SCOUT_EVENTS = 1 << 20
# Seeds of the densities stay away from those of samples: a density of the very events that it weights is no estimate.
_SEED = 0x5EED << 40


@dataclass(frozen=True)
class Limits:
    """When a reweighting is refused.

    coverage        least share of the rate of the target that lies where the source has enough density
    density_events  effective events of the density of the source that a cell needs to count as covered
    ess             least effective sample size of the new weights
    """

    coverage: float = 0.98
    density_events: float = 10.0
    ess: float = 100.0


@dataclass(frozen=True)
class Weighting:
    """The ratio of densities as a function of the event.

    cells     in which the densities are compared
    target    density that is wanted
    source    density of the sample
    coverage  share of the rate of the target in covered cells
    """

    cells: Cells
    target: Density
    source: Source
    coverage: float

    @property
    def relative(self) -> Array:
        """(n cells,) relative variance of the ratio."""
        content = self.target.content
        own = np.divide(self.target.variance, content**2, out=np.zeros_like(content), where=content > 0)
        return np.asarray(own + self.source.relative)

    def ratio(self, columns: Columns, lepton_mass: Any) -> tuple[Array, Array]:
        """(target/source, cell) of the events with these columns, (n,) each; (0, -1) outside of the covered cells."""
        values = coordinates(visible(columns, lepton_mass), self.cells.axes)
        cell = find(self.cells.edges, values)
        inside = (cell >= 0) & self.source.covered[cell]
        safe = np.where(inside, cell, 0)
        ratio = np.where(inside, self.target.content[safe] * self.source.inverse(safe, values), 0.0)
        return ratio, np.where(inside, cell, -1)


def make_weighting(
    source: Simulation,
    target: Simulation,
    variables: Sequence[str] = DEFAULT,
    density_events: int = DENSITY_EVENTS,
    mass_resolution: float = MASS_RESOLUTION,
    seed: int = 1,
    limits: Limits | None = None,
) -> Weighting:
    """Sample the densities of two cards and compare them.

    density_events  events of each density; the source's is not sampled where it is known (`BroadSource`)
    mass_resolution width of the cells in ln(mass of the pair)
    Raises InputError for variables that do not exist, and cards whose detectors differ.
    """
    limits = limits or Limits()
    names = check_variables(variables)
    _check_same_place(source.card, target.card)
    axes = axes_of(names)
    known = source.card.model.name == "broad-pair" and BroadSource.fits(axes)
    bins = dict.fromkeys(("decay_x", "decay_y", "decay_z"), VERTEX_BINS) | (FINE if known else COARSE)
    seeds = [_SEED + 2 * (seed & 0xFFFFFFFF), _SEED + 2 * (seed & 0xFFFFFFFF) + 1]
    values, weight = scout(target, axes, min(SCOUT_EVENTS, density_events), seeds[0])
    cells = make_cells(axes, values, weight, bins, mass_resolution)
    del values, weight
    wanted = measure(target, cells, density_events, seeds[0])
    found: Source
    if known:
        volumes = [channel.params["decay_region"] for channel in source.build.channels]
        found = BroadSource(proposal_of(source.card), cells, RATE, volumes)
    else:
        found = SampledSource(measure(source, cells, density_events, seeds[1]), limits.density_events)
    coverage = float(wanted.content[found.covered].sum()) / wanted.total
    return Weighting(cells, wanted, found, coverage)


def _check_same_place(source: RunCard, target: RunCard) -> None:
    for key in ("detector", "decay_in"):
        one, other = source.resolved()[key], target.resolved()[key]
        if one != other:
            shown = [value["name"] if isinstance(value, dict) else value for value in (one, other)]
            found = f"{shown[1]} where the sample has {shown[0]}" if shown[0] != shown[1] else f"another {shown[0]}"
            do = "Events that are already simulated stay where they are: take a target card of the same detector."
            raise InputError(f"{key} of the target card", found, f"the {key} of the sample", do)
