"""Weights of another model for a sample that is already simulated: the ratio of visible densities.

    weight' = weight * rho_target(v) / rho_source(v),   v the visible variables of the event

Physics, guarantees and limits: docs/visible_reweighting.md.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import factor_columns, mass_of
from darkhorn.generator.files.formats import HDF5, format_of
from darkhorn.generator.files.hdf5 import EventFile
from darkhorn.generator.files.output import check_output
from darkhorn.generator.files.read import read
from darkhorn.generator.header import Header
from darkhorn.generator.record import Topology
from darkhorn.generator.run import sum_error
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.visible import DEFAULT, MOMENTA, VERTEX, check_pair, check_variables
from darkhorn.generator.visible_density import SampledSource
from darkhorn.generator.visible_weighting import DENSITY_EVENTS, MASS_RESOLUTION, Limits, Weighting, make_weighting
from darkhorn.kernels.errors import InputError

Array = NDArray[Any]
KEY = "visible_reweighting"  # of the header
FACTOR, CELL, ERROR = "w_visible", "visible_cell", "visible_error"
COLUMNS = {
    CELL: ("", "number of the cell of visible variables; events of one cell share its density error; -1: none"),
    ERROR: ("", "relative error of the ratio of visible densities in the cell of the event"),
}


@dataclass(frozen=True)
class VisibleReport:
    """What a visible-space reweighting found.

    axes, bins          coordinates of the cells, and the number of bins of each
    source_density      "known" at every point, or "sampled"
    coverage            share of the rate of the target in covered cells; the rest is missing from the new weights
    target, target_error  expected events of the target in its exposure, from its density sample
    sum_w, sum_w_error  sum of the new weights of the file, and its statistical error, from the events of the file
    density_error       error of that sum from the finite densities
    share               part of the whole run that the file holds: sum_w estimates share * coverage * target
    events, weighted    events of the file, and those of them with a new weight above 0
    ess                 effective sample size of the new weights
    largest             the largest new weight over their sum
    variables, mass_resolution, density_events, seed, limits  what was asked for
    """

    axes: tuple[str, ...]
    bins: tuple[int, ...]
    source_density: str
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
    variables: tuple[str, ...] = DEFAULT
    mass_resolution: float = MASS_RESOLUTION
    density_events: int = DENSITY_EVENTS
    seed: int = 1
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return dataclasses.asdict(self)


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
    for name, reading in ((path, True), (output, False)):
        if format_of(name, reading=reading) != HDF5:
            do = "Use the ending .h5; `darkhorn convert` makes the other formats."
            raise InputError(str(name), "a file of another format", "an HDF5 event file", do)
    check_output(output, overwrite)
    events = read(path)
    weighting, report, header = _prepare(
        events, target, variables, overrides, density_events, mass_resolution, seed, limits, path, note
    )
    new = {FACTOR: np.dtype("f8"), CELL: np.dtype("i4"), ERROR: np.dtype("f8")}
    dtypes = {
        kind: {key: values.dtype for key, values in columns.items()} | new
        for kind, columns in events.topologies.items()
    }
    file = EventFile.create(output, header, events.rows(), dtypes, attributes=COLUMNS, overwrite=overwrite)
    try:
        done = dict.fromkeys(events.topologies, 0)
        for topology, part in _pieces(events, weighting):
            file.write(topology.name, done[topology.name], part)
            done[topology.name] += len(part["weight"])
        file.finish(header)
    except BaseException:
        file.abandon()
        raise
    return report


def reweight_events(
    events: Events,
    target: str | Path | Mapping[str, Any] | RunCard,
    variables: Sequence[str] = DEFAULT,
    *,
    overrides: Mapping[str, Any] | list[str] | None = None,
    density_events: int = DENSITY_EVENTS,
    mass_resolution: float = MASS_RESOLUTION,
    seed: int = 1,
    limits: Limits | None = None,
) -> tuple[Events, VisibleReport]:
    """As `reweight_visible`, for events in memory: (new events, report)."""
    weighting, report, header = _prepare(
        events, target, variables, overrides, density_events, mass_resolution, seed, limits or Limits(), None
    )
    parts: dict[str, list[dict[str, Array]]] = {name: [] for name in events.topologies}
    for topology, part in _pieces(events, weighting):
        parts[topology.name].append(part)
    topologies = {
        name: {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}
        for name, pieces in parts.items()
        if pieces
    }
    return Events(header, topologies), report


def _prepare(
    events: Events, target: Any, variables: Sequence[str], overrides: Any, density_events: int, mass_resolution: float,
    seed: int, limits: Limits, path: Path | None, note: Callable[[str], None] = lambda text: None,
) -> tuple[Weighting, VisibleReport, Header]:  # fmt: skip
    """Densities, report and new header; InputError where the target is not covered."""
    where = "events" if path is None else str(path)
    check_pair([events.header.topology(name) for name in events.topologies], where)
    names = check_variables(variables)
    source = Simulation(load_card(events.header.card_resolved if path is None else path))
    wanted = Simulation.from_card(target, overrides)
    note(f"visible densities from {density_events:.3g} events of {wanted.card.name}")
    weighting = make_weighting(source, wanted, names, density_events, mass_resolution, seed, limits)
    if weighting.coverage < limits.coverage:
        raise InputError(
            where,
            f"a sample that covers {100 * weighting.coverage:.3g} % of the rate of {wanted.card.name} in "
            f"{', '.join(names)}",
            f"at least {100 * limits.coverage:.3g} %",
            "Start from a broader sample (card `microboone-broad`), use fewer variables, or lower --min-coverage.",
        )
    sums, report = _report(events, weighting, source.card)
    report = dataclasses.replace(
        report,
        variables=names,
        mass_resolution=mass_resolution,
        density_events=density_events,
        seed=seed,
        limits=limits,
    )
    if report.ess < limits.ess:
        raise InputError(
            where,
            f"an effective sample size of {report.ess:.3g} for {wanted.card.name}",
            f"at least {limits.ess:.3g}",
            "Simulate more events of the sample, or lower --min-ess.",
        )
    return weighting, report, _header(events.header, wanted, report, sums)


def _weighted(events: Events, weighting: Weighting) -> Iterator[tuple[Topology, dict[str, Array], Array, Array, Array]]:
    """(topology, columns, ratio, new weight, cell) piece by piece."""
    for topology, columns in events.chunks():
        mass = mass_of(topology, "em", columns, events.header.masses)
        ratio, cell = weighting.ratio({name: columns[name] for name in (*MOMENTA, *VERTEX)}, mass)
        if "decay_inside" in columns:
            ratio = ratio * columns["decay_inside"]
        first = [name for name in factor_columns(columns) if name != FACTOR]
        before = np.prod([columns[name] for name in first], axis=0) if FACTOR in columns else columns["weight"]
        yield topology, columns, ratio, before * ratio, cell


def _pieces(events: Events, weighting: Weighting) -> Iterator[tuple[Topology, dict[str, Array]]]:
    """The events with their new columns, piece by piece."""
    relative = np.sqrt(weighting.relative)
    for topology, columns, ratio, weight, cell in _weighted(events, weighting):
        error = np.where(cell >= 0, relative[cell], 0.0)
        yield topology, {**columns, FACTOR: ratio, "weight": weight, CELL: cell, ERROR: error}


def _report(events: Events, weighting: Weighting, source: RunCard) -> tuple[dict[int, Array], VisibleReport]:
    """Sums of the new weights per channel, and the report without what was asked for."""
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
    total_error = sum_error(_channels(header, sums), unweighted=False)
    return sums, VisibleReport(
        axes=weighting.cells.axes,
        bins=weighting.cells.shape,
        source_density="sampled" if isinstance(weighting.source, SampledSource) else "known",
        coverage=weighting.coverage,
        target=weighting.target.total,
        target_error=weighting.target.total_error,
        share=_first_pot(header) / source.exposure,
        events=len(events),
        weighted=weighted,
        sum_w=total,
        sum_w_error=total_error,
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


def _header(header: Header, target: Simulation, report: VisibleReport, sums: Mapping[int, Array]) -> Header:
    """The header of the new file: card, masses and flux stay those of the events, the target is told besides."""
    from darkhorn.generator.citations import citations_for

    card = target.card
    cited = {c["key"]: c for c in header.citations}
    cited |= {c.key: c.to_json() for c in citations_for(target.build.citations)}
    record = {
        **report.to_json(),
        "source_pot": _first_pot(header),
        "target_name": card.name,
        "target_card": card.text,
        "target_card_resolved": card.resolved(),
    }
    return header.replace(
        unweighted=False,
        complete=True,
        pot=report.share * card.exposure,
        citations=list(cited.values()),
        channels=_channels(header, sums),
        extra=header.extra | {KEY: record},
    )


def bin_errors(events: Events, number: Array, bins: int) -> tuple[Array, Array, Array]:
    """(content, statistical error, density error) of a histogram of events of a reweighted file, each (bins,).

    number  (n,) the bin of each event, in the order of `events["weight"]`; negative: none

    Formulas: `histogram_errors`. InputError for events that were not reweighted in visible variables.
    """
    for name in (CELL, ERROR):
        if name not in events.columns:
            do = "Make them with `darkhorn reweight FILE --to CARD`."
            raise InputError("columns of the events", f"no `{name}`", "events of a reweighted file", do)
    return histogram_errors(events["weight"], events[CELL], events[ERROR], number, bins)


def histogram_errors(
    weight: Array, cell: Array, relative: Array, number: Array, bins: int
) -> tuple[Array, Array, Array]:
    """(content, statistical error, density error) of a histogram, each (bins,), from (n,) columns of the events.

    The statistical error is sqrt(sum w^2). Densities err alike for all events of a cell: the density error of a bin is
    sqrt(sum over cells of (sum of w of the bin in the cell * relative error)^2).
    """
    used = (np.asarray(number) >= 0) & (cell >= 0)
    weight, cell, relative, chosen = weight[used], cell[used], relative[used], np.asarray(number)[used]
    pairs, place = np.unique(chosen.astype(np.int64) << 32 | cell.astype(np.int64), return_inverse=True)
    per_pair = np.bincount(place, weight * relative, minlength=len(pairs))
    density = np.bincount(pairs >> 32, per_pair**2, minlength=bins)
    content, square = (np.bincount(chosen, w, minlength=bins) for w in (weight, weight**2))
    return content, np.sqrt(square), np.sqrt(density)
