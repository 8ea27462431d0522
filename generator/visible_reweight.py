"""Weights of another model for a sample that is already simulated: the ratio of visible densities.

    weight' = weight * rho_target(v) / rho_source(v),   v the visible variables of the event

Physics, guarantees and limits: docs/visible_reweighting.md.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import Columns, factor_columns, mass_of
from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.output import check_output
from darkhorn.generator.files.read import read
from darkhorn.generator.header import Header
from darkhorn.generator.processes.broad_pair import proposal_of
from darkhorn.generator.record import Topology
from darkhorn.generator.run import sum_error
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.visible import DEFAULT, MOMENTA, VERTEX, check_pair, check_variables, visible
from darkhorn.generator.visible_cells import Cells, axes_of, coordinates, find, make_cells
from darkhorn.generator.visible_density import BroadSource, Density, SampledSource, Source, measure, scout
from darkhorn.kernels.errors import InputError

Array = NDArray[Any]
KEY = "visible_reweighting"  # of the header
FACTOR, CELL, ERROR = "w_visible", "visible_cell", "visible_error"
COLUMNS = {
    CELL: ("", "number of the cell of visible variables; events of one cell share its density error; -1: none"),
    ERROR: ("", "relative error of the ratio of visible densities in the cell of the event"),
}
DENSITY_EVENTS = 10_000_000
MASS_RESOLUTION = 0.1
# Bins per axis. Where the source is known at every point, cells with few events of the target do no harm
# (docs/visible_reweighting.md); where it is sampled, its content is in the denominator.
FINE = {"e_ee": 64, "backward": 48, "cos_decay": 5, "asymmetry": 8, "opening_angle": 32}
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
class VisibleReport:
    """What a visible-space reweighting found.

    coverage            share of the rate of the target in covered cells; the rest is missing from the new weights
    target, target_error  expected events of the target in its exposure, from its density sample
    sum_w, sum_w_error  sum of the new weights of the file, and its statistical error, from the events of the file
    density_error       error of that sum from the finite densities
    share               part of the whole run that the file holds: sum_w estimates share * coverage * target
    ess                 effective sample size of the new weights; `largest` the largest weight over their sum
    """

    variables: tuple[str, ...]
    axes: tuple[str, ...]
    bins: tuple[int, ...]
    mass_resolution: float
    source_density: str
    density_events: int
    seed: int
    limits: Limits
    coverage: float
    target: float
    target_error: float
    share: float
    events: int
    weighted: int
    sum_w: float
    sum_w_error: float
    density_error: float
    ess: float
    largest: float

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Weighting:
    """The ratio of densities as a function of the event.

    ratio(columns, lepton mass) -> (ratio (n,), cell (n,), relative error (n,)); 0 outside of the covered cells.
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
        """(target/source, cell) of the events with these columns."""
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
        shape = source.build.channels[0].params["decay_region"]
        found = BroadSource(proposal_of(source.card), cells, source.plan().rate, shape)
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


def reweight_visible(
    path: str | Path,
    target: str | Path | Mapping[str, Any] | RunCard,
    output: str | Path,
    variables: Sequence[str] = DEFAULT,
    *,
    overrides: Mapping[str, Any] | list[str] | None = None,
    density_events: int = DENSITY_EVENTS,
    mass_resolution: float = MASS_RESOLUTION,
    seed: int = 1,
    limits: Limits | None = None,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> VisibleReport:
    """Write the events of an HDF5 file again with the weights of another card; every event keeps its place and id.

    The new file has the rows and columns of the old one and `w_visible`, `visible_cell`, `visible_error`; `weight` is
    the expected number of events of the target in the new `pot`. A file that was reweighted before starts from its
    first weights. The header keeps the card of the events and tells the rest under `visible_reweighting`.

    Raises InputError, with the reason, where the target is not covered (`limits`), for files that are no HDF5, have no
    pair, or whose detector is another; OutputError for an output that cannot be written.
    """
    path, output, limits = Path(path), Path(output), limits or Limits()
    for file, reading in ((path, True), (output, False)):
        if format_of(file, reading=reading) != HDF5:
            do = "Use the ending .h5; `darkhorn convert` makes the other formats."
            raise InputError(str(file), "a file of another format", "an HDF5 event file", do)
    check_output(output, overwrite)
    events = read(path)
    check_pair([events.header.topology(name) for name in events.topologies], str(path))
    names = check_variables(variables)
    source = Simulation(load_card(path))
    wanted = Simulation.from_card(target, overrides)
    note(f"densities from {density_events:.3g} events of {wanted.card.name}")
    weighting = make_weighting(source, wanted, names, density_events, mass_resolution, seed, limits)
    if weighting.coverage < limits.coverage:
        raise InputError(
            str(path),
            f"a sample that covers {100 * weighting.coverage:.3g} % of the rate of {wanted.card.name} in "
            f"{', '.join(names)}",
            f"at least {100 * limits.coverage:.3g} %",
            "Start from a broader sample (card `microboone-broad`), use fewer variables, or lower --min-coverage.",
        )
    report = _report(events, weighting, names, mass_resolution, density_events, seed, limits, source.card, wanted.card)
    if report.ess < limits.ess:
        raise InputError(
            str(path),
            f"an effective sample size of {report.ess:.3g} for {wanted.card.name}",
            f"at least {limits.ess:.3g}",
            "Simulate more events of the sample, or lower --min-ess.",
        )
    _write(events, weighting, wanted, output, report, overwrite)
    return report


def _weighted(
    events: Events, weighting: Weighting
) -> Iterator[tuple[Topology, dict[str, Array], Array, Array, Array]]:
    """(topology, columns, ratio, new weight, cell) piece by piece."""
    for topology, columns in events.chunks():
        mass = mass_of(topology, "em", columns, events.header.masses)
        ratio, cell = weighting.ratio({name: columns[name] for name in (*MOMENTA, *VERTEX)}, mass)
        if "decay_inside" in columns:
            ratio = ratio * columns["decay_inside"]
        first = [name for name in factor_columns(columns) if name != FACTOR]
        before = np.prod([columns[name] for name in first], axis=0) if FACTOR in columns else columns["weight"]
        yield topology, columns, ratio, before * ratio, cell


def _report(
    events: Events, weighting: Weighting, names: tuple[str, ...], mass_resolution: float, density_events: int,
    seed: int, limits: Limits, source: RunCard, target: RunCard,
) -> VisibleReport:  # fmt: skip
    per_cell = np.zeros(weighting.cells.size)
    total = square = largest = 0.0
    weighted = 0
    sums: dict[int, Array] = {}
    for _, columns, _, weight, cell in _weighted(events, weighting):
        used = cell >= 0
        np.add.at(per_cell, cell[used], weight[used])
        total, square = total + float(weight.sum()), square + float(np.square(weight).sum())
        largest, weighted = max(largest, float(weight.max())), weighted + int(np.count_nonzero(weight))
        _add_sums(sums, columns["channel"], weight)
    density_error = float(np.sqrt(np.sum(per_cell**2 * weighting.relative)))
    header = events.header
    channels = _channels(header, sums)
    return VisibleReport(
        variables=names,
        axes=weighting.cells.axes,
        bins=weighting.cells.shape,
        mass_resolution=mass_resolution,
        source_density="sampled" if isinstance(weighting.source, SampledSource) else "known",
        density_events=density_events,
        seed=seed,
        limits=limits,
        coverage=weighting.coverage,
        target=weighting.target.total,
        target_error=weighting.target.total_error,
        share=_first_pot(header) / source.exposure,
        events=len(events),
        weighted=weighted,
        sum_w=total,
        sum_w_error=sum_error(channels, unweighted=False),
        density_error=density_error,
        ess=total**2 / square if square > 0 else 0.0,
        largest=largest / total if total > 0 else 0.0,
    )


def _first_pot(header: Header) -> float:
    """Exposure of the file before any visible reweighting."""
    return float(header.extra[KEY]["source_pot"]) if KEY in header.extra else header.pot


def _add_sums(sums: dict[int, Array], channel: Array, weight: Array) -> None:
    for index in np.unique(channel):
        own = weight[channel == index]
        found = np.array([own.sum(), np.square(own).sum(), own.max()])
        before = sums.get(int(index), np.zeros(3))
        sums[int(index)] = np.array([*(before[:2] + found[:2]), max(before[2], found[2])])


def _channels(header: Header, sums: Mapping[int, Array]) -> list[dict[str, Any]]:
    """The channels of the header with the sums of the new weights; what was found of the old ones is left out."""
    old = ("rate", "rate_error", "overweight_fraction")
    found = []
    for channel in header.channels:
        total, square, largest = (float(x) for x in sums.get(int(channel["index"]), np.zeros(3)))
        kept = {key: value for key, value in channel.items() if key not in old}
        found.append(kept | {"sum_w": total, "sum_w2": square, "max_weight": largest})
    return found


def _write(
    events: Events, weighting: Weighting, target: Simulation, output: Path, report: VisibleReport, overwrite: bool
) -> None:
    new = {FACTOR: np.dtype("f8"), CELL: np.dtype("i4"), ERROR: np.dtype("f8")}
    dtypes = {
        name: {key: values.dtype for key, values in columns.items()} | new
        for name, columns in events.topologies.items()
    }
    from darkhorn.generator.citations import citations_for

    card = target.card
    cited = {c["key"]: c for c in events.header.citations}
    cited |= {c.key: c.to_json() for c in citations_for(target.build.citations)}
    pot = _first_pot(events.header)
    record = {
        **report.to_json(),
        "source_pot": pot,
        "target_card": card.text,
        "target_card_resolved": card.resolved(),
        "target_name": card.name,
    }
    header = events.header.replace(
        unweighted=False,
        pot=report.share * card.exposure,
        citations=list(cited.values()),
        extra=events.header.extra | {KEY: record},
    )
    file = EventFile.create(output, header, events.rows(), dtypes, attributes=COLUMNS, overwrite=overwrite)
    try:
        done = dict.fromkeys(events.topologies, 0)
        relative = np.sqrt(weighting.relative)
        sums: dict[int, Array] = {}
        for topology, columns, ratio, weight, cell in _weighted(events, weighting):
            error = np.where(cell >= 0, relative[cell], 0.0)
            part = {**columns, FACTOR: ratio, "weight": weight, CELL: cell, ERROR: error}
            file.write(topology.name, done[topology.name], part)
            done[topology.name] += len(weight)
            _add_sums(sums, columns["channel"], weight)
        file.finish(header.replace(channels=_channels(header, sums)))
    except BaseException:
        file.abandon()
        raise


def bin_errors(events: Events, number: Array, bins: int) -> tuple[Array, Array, Array]:
    """(content, statistical error, density error) of a histogram of events of a reweighted file, each (bins,).

    number  (n,) the bin of each event, in the order of `events["weight"]`; negative: none

    The statistical error is sqrt(sum w^2). Densities err alike for all events of a cell: the density error of a bin is
    sqrt(sum over cells of (sum of w of the bin in the cell * relative error)^2). InputError for files that were not
    reweighted in visible variables.
    """
    for name in (CELL, ERROR):
        if name not in events.columns:
            do = "Make them with `darkhorn reweight FILE --to CARD`."
            raise InputError("columns of the events", f"no `{name}`", "events of a reweighted file", do)
    weight, cell, relative = events["weight"], events[CELL], events[ERROR]
    used = (np.asarray(number) >= 0) & (cell >= 0)
    weight, cell, relative, chosen = weight[used], cell[used], relative[used], np.asarray(number)[used]
    pairs, place = np.unique(chosen.astype(np.int64) << 32 | cell.astype(np.int64), return_inverse=True)
    per_pair = np.bincount(place, weight * relative, minlength=len(pairs))
    density = np.bincount(pairs >> 32, per_pair**2, minlength=bins)
    content, square = (np.bincount(chosen, w, minlength=bins) for w in (weight, weight**2))
    return content, np.sqrt(square), np.sqrt(density)
