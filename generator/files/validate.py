"""Check an event file against what it promises: its schema, the physics of each event, and NuHepMC 1.0.0."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.events import Events
from darkhorn.generator.files.columns import (
    Columns,
    factor_columns,
    mass_of,
    missing_columns,
    missing_masses,
    momentum_of,
)
from darkhorn.generator.files.formats import HDF5, HEPMC3, format_of
from darkhorn.generator.files.read import read
from darkhorn.generator.record import Topology
from darkhorn.kernels.errors import InputError, ValidationFailed

TOLERANCE = 1e-9  # of energies; text and binary keep 1e-15, sampling keeps 1e-10
C_CM_PER_NS = 29.9792458


@dataclass
class Check:
    """One requirement: what is asked, how many events or items break it, and the first that does."""

    key: str
    asks: str
    failures: int = 0
    example: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing breaks it."""
        return self.failures == 0

    def fail(self, example: str, count: int = 1) -> None:
        """Note `count` more failures."""
        self.example = self.example or example
        self.failures += count


@dataclass
class Report:
    """All checks of a file."""

    path: str
    events: int
    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks.values())

    def add(self, key: str, asks: str) -> Check:
        """A new check, or the one of that key."""
        return self.checks.setdefault(key, Check(key, asks))

    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks.values() if not check.ok]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON types."""
        checks = [vars(check) | {"ok": check.ok} for check in self.checks.values()]
        return {"path": self.path, "events": self.events, "ok": self.ok, "checks": checks}

    def raise_if_failed(self) -> None:
        """Raise ValidationFailed that names every failed check."""
        if not self.ok:
            found = "; ".join(f"{c.key}: {c.example} ({c.failures} in all)" for c in self.failed())
            raise ValidationFailed(self.path, found, "a file that passes every check", "Make the file again.")

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.events} events"]
        for check in self.checks.values():
            mark = "ok    " if check.ok else "FAILED"
            lines.append(f"  {mark} {check.key}: {check.asks}")
            if not check.ok:
                lines.append(f"         {check.failures} times, first: {check.example}")
        return "\n".join(lines)


def validate(path: str | Path) -> Report:
    """Check an HDF5 or HepMC3 file; never raises for a file that is merely wrong, only if there is none or for
    formats it
    cannot check.

    A file that cannot be read gives a report with the failed check `schema`.
    """
    path = Path(path)
    kind = format_of(path, reading=True)
    if kind not in (HDF5, HEPMC3):
        raise InputError(str(path), f"a file of the format {kind}", "HDF5 or HepMC3", "Check the file it came from.")
    if not path.is_file():
        raise InputError(str(path), "no such file", "an event file", "Check the path.")
    report = Report(str(path), 0)
    schema = report.add("schema", "the file can be read, is whole and of a known version")
    try:
        events = read(path)
    except InputError as error:
        schema.fail(str(error))
    else:
        report.events = len(events)
        check_events(events, report)
    if kind == HEPMC3 and path.is_file():
        from darkhorn.generator.files.validate_nuhepmc import check_nuhepmc

        report.events = max(report.events, check_nuhepmc(path, report))
    return report


def check_events(events: Events, report: Report) -> None:
    """Checks of the columns, the same for every format."""
    header = events.header
    rows = report.add("rows", "header and columns agree on the number of events; every column and mass is there")
    if header.n_events != len(events):
        rows.fail(f"n_events {header.n_events} in the header, {len(events)} rows")
    ids: list[NDArray[np.uint64]] = []
    sums: dict[int, float] = {}
    whole = True
    for name in events.topologies:
        topology = header.topology(name)
        missing = missing_columns(topology, events.topologies[name])
        missing += [f"the mass `{mass}` in the header" for mass in missing_masses(topology, header.masses)]
        if missing:
            whole = False
            rows.fail(f"{name} lacks {', '.join(missing)}", len(missing))
    if not whole:
        return
    registered = {int(process["id"]) for process in header.processes}
    for topology, columns in events.chunks():
        _check_numbers(topology, columns, report, registered, len(header.regions))
        _check_kinematics(topology, columns, header.masses, report)
        _check_times(topology, columns, header.masses, report)
        ids.append(np.asarray(columns["event_id"], dtype=np.uint64))
        for channel in np.unique(columns["channel"]):
            own = float(np.sum(columns["weight"][columns["channel"] == channel]))
            sums[int(channel)] = sums.get(int(channel), 0.0) + own
    unique = report.add("event ids", "every event_id occurs once")
    every = np.concatenate(ids) if ids else np.empty(0, dtype=np.uint64)
    values, counts = np.unique(every, return_counts=True)
    if len(values) != len(every):
        unique.fail(f"event_id {values[counts > 1][0]}", int(len(every) - len(values)))
    total = report.add("sum of weights", "the weights of each channel add up to the header's sum_w")
    for channel in header.channels:
        expected, found = float(channel.get("sum_w", 0.0)), sums.pop(int(channel["index"]), 0.0)
        if "sum_w" in channel and not abs(found - expected) <= 1e-9 * max(abs(expected), abs(found)):
            total.fail(f"channel {channel.get('name')}: {found} where the header says {expected}")
    if header.channels and sums:
        total.fail(f"events of channels {sorted(sums)} that the header does not have", len(sums))


def _check_numbers(topology: Topology, columns: Columns, report: Report, registered: set[int], regions: int) -> None:
    finite = report.add("finite", "every number is finite")
    for name, values in columns.items():
        if values.dtype.kind == "f":
            _count(finite, ~np.isfinite(values), columns, name)
    positive = report.add("weights", "weights are finite and not negative")
    _count(positive, ~(np.isfinite(columns["weight"]) & (columns["weight"] >= 0.0)), columns, "weight")
    factors = report.add("factors", "the product of the factors w_* is the weight, to 1e-12")
    names = factor_columns(columns)
    if names:
        product = np.prod([columns[name] for name in names], axis=0)
        weight = columns["weight"]
        _count(factors, ~(np.abs(product - weight) <= 1e-12 * np.abs(weight)), columns, "product of factors")
    known = report.add("registries", "processes and regions of the events stand in the header")
    if registered:
        _count(known, ~np.isin(columns["process_id"], list(registered)), columns, "process_id")
    if regions and "region" in columns:
        _count(known, (columns["region"] < 0) | (columns["region"] >= regions), columns, "region")


def _check_kinematics(topology: Topology, columns: Columns, masses: dict[str, float], report: Report) -> None:
    n = len(columns["event_id"])
    shell = report.add("mass shell", f"E^2 - p^2 = m^2 to {TOLERANCE:g} E^2")
    momenta = {}
    for particle in topology.particles:
        p = np.array([np.broadcast_to(v, n) for v in momentum_of(topology, particle.role, columns, masses)])
        m = np.asarray(mass_of(topology, particle.role, columns, masses))
        off = np.abs((p[0] - np.sqrt(np.sum(p[1:] ** 2, axis=0))) * (p[0] + np.sqrt(np.sum(p[1:] ** 2, axis=0))) - m**2)
        _count(shell, ~(off <= TOLERANCE * p[0] ** 2), columns, f"mass of {particle.role}")
        momenta[particle.role] = p
    balance = report.add("balance", f"four-momentum is conserved at every vertex to {TOLERANCE:g} of the energy")
    for index in range(len(topology.vertices)):
        into = sum(momenta[p.role] for p in topology.particles if p.ends == index)
        out = sum(momenta[p.role] for p in topology.particles if p.produced == index)
        # A heavy target at rest must not hide a wrong light particle: compare with the energy less the largest mass.
        largest = max((momenta[p.role][0] for p in topology.particles if p.ends == index), key=np.max)
        rest = np.asarray(into)[0] - largest
        scale = np.where(rest > 0.0, np.maximum(rest, 1e-6 * largest), largest)
        off = np.max(np.abs(np.asarray(into) - out), axis=0)
        _count(balance, ~(off <= TOLERANCE * scale), columns, f"vertex {index} of {topology.name}")


def _check_times(topology: Topology, columns: Columns, masses: dict[str, float], report: Report) -> None:
    order = report.add("times", "no particle decays before it is made")
    flight = report.add("flight", "vertices lie where the particle between them flies, to 1e-6")
    for particle in topology.particles:
        if particle.produced is None or particle.ends is None:
            continue
        start, end = (topology.vertices[i].position for i in (particle.produced, particle.ends))
        if start == end:
            continue
        dt = columns[f"{end}_t"] - columns[f"{start}_t"]
        step = np.array([columns[f"{end}_{a}"] - columns[f"{start}_{a}"] for a in "xyz"])
        e, *p = momentum_of(topology, particle.role, columns, masses)
        _count(order, ~(dt >= 0.0), columns, particle.role)
        path = np.array(p) / e * dt * C_CM_PER_NS
        reach = np.sqrt(np.sum(step**2, axis=0))
        off = np.sqrt(np.sum((step - path) ** 2, axis=0))
        # 1e-3 cm: what is left of a time of 1e9 ns in float64 (an event in a long spill) times c.
        _count(flight, ~(np.isfinite(off) & (off <= 1e-6 * reach + 1e-3)), columns, particle.role)


def _count(check: Check, bad: NDArray[np.bool_], columns: Columns, what: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        check.fail(f"{what} of event {columns['event_id'][rows[0]]}", int(rows.size))
