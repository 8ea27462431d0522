"""`Events`: weighted events with their header, in memory or mapped from a file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkhorn.generator.files.columns import Array, Columns, mass_of, momentum_of, pdg_of
from darkhorn.generator.header import Header
from darkhorn.generator.record import AXES, Topology
from darkhorn.kernels.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import awkward
    import pandas

CHUNK = 1 << 16  # rows handled at once by everything that streams


class Events:
    """Events of one or several topologies.

    header       what is known of the run (`Header`)
    topologies   {name of the topology: {column: array (n,)}}, see `generator/record.py` for the columns

    `events["weight"]` is a column of all events, topology after topology; `sum_w` is the expected number of events in
    `header.pot`.
    """

    def __init__(self, header: Header, topologies: Mapping[str, Columns]) -> None:
        self.header = header
        self.topologies = dict(topologies)

    def __len__(self) -> int:
        return sum(self.rows().values())

    def rows(self) -> dict[str, int]:
        """Number of events of each topology."""
        return {name: len(columns["event_id"]) for name, columns in self.topologies.items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that all topologies have."""
        every = list(self.topologies.values())
        return tuple(name for name in every[0] if all(name in columns for columns in every)) if every else ()

    def __getitem__(self, column: str) -> Array:
        every = list(self.topologies.values())
        if not every or any(column not in columns for columns in every):
            owners = [name for name, columns in self.topologies.items() if column in columns]
            if owners:
                do = f"Use events.select({owners[0]!r})[{column!r}]."
                raise InputError("column", column, "a column of every topology", do)
            raise InputError("column", column, ", ".join(self.columns), did_you_mean(column, self.columns))
        return np.asarray(every[0][column]) if len(every) == 1 else np.concatenate([c[column] for c in every])

    @property
    def sum_w(self) -> float:
        """Sum of the weights: the expected number of events in the exposure `header.pot`."""
        return float(sum(float(np.sum(columns["weight"])) for columns in self.topologies.values()))

    @property
    def sum_w2(self) -> float:
        """Sum of the squared weights."""
        return float(sum(float(np.sum(np.square(columns["weight"]))) for columns in self.topologies.values()))

    @property
    def sum_w_error(self) -> float:
        """sqrt(sum w^2): statistical error of a count of these events, as of a histogram bin that holds them all."""
        return float(np.sqrt(self.sum_w2))

    @property
    def ess(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2; 0 without events."""
        squares = self.sum_w2
        return self.sum_w**2 / squares if squares > 0.0 else 0.0

    def select(self, topology: str) -> "Events":
        """Only the events and channels of one topology; InputError if there is none of that name."""
        if topology not in self.topologies:
            do = did_you_mean(topology, list(self.topologies))
            raise InputError("topology", topology, ", ".join(self.topologies) or "none", do)
        columns = self.topologies[topology]
        present = set(np.unique(columns["channel"]).tolist())
        channels = [channel for channel in self.header.channels if channel["index"] in present]
        header = self.header.replace(n_events=len(columns["event_id"]), channels=channels)
        return Events(header, {topology: columns})

    def four_momentum(self, topology: str, role: str) -> tuple[Array, Array, Array, Array]:
        """(E, px, py, pz) in GeV, each (n,), of a particle by its role; also of one at rest."""
        columns, record = self.topologies[topology], self.header.topology(topology)
        n = len(columns["event_id"])
        e, px, py, pz = momentum_of(record, role, columns, self.header.masses)
        return tuple(np.broadcast_to(np.asarray(p, dtype=np.float64), (n,)) for p in (e, px, py, pz))  # type: ignore[return-value]

    def visible(self) -> dict[str, Array]:
        """What a detector sees of the pair e+ e-: {name: (n,)} for every name in `generator.visible.VARIABLES`.

        Units and meanings are there; the order is that of `events["weight"]`. InputError for events without a pair.
        """
        from darkhorn.generator.visible import VARIABLES, check_pair, visible

        check_pair([self.header.topology(name) for name in self.topologies], "events")
        parts = []
        for topology, columns in self.chunks():
            found = visible(columns, mass_of(topology, "em", columns, self.header.masses))
            parts.append({name: found[name] for name in VARIABLES})
        return {name: np.concatenate([part[name] for part in parts]) for name in VARIABLES} if parts else {}

    def chunks(self, rows: int = CHUNK) -> Iterator[tuple[Topology, dict[str, Array]]]:
        """The events in pieces of at most `rows`: (topology, columns as arrays in memory)."""
        for name, columns in self.topologies.items():
            topology = self.header.topology(name)
            for start in range(0, len(columns["event_id"]), rows):
                yield topology, {key: np.array(values[start : start + rows]) for key, values in columns.items()}

    def to_pandas(self) -> "pandas.DataFrame":
        """One row per event, with a column `topology`; NaN where a topology lacks a column. Needs pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise _missing("pandas", "analysis") from error
        frames = [
            pd.DataFrame({key: np.array(values) for key, values in columns.items()}).assign(topology=name)
            for name, columns in self.topologies.items()
        ]
        if not frames:
            return pd.DataFrame()
        frame = pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
        frame["topology"] = frame["topology"].astype("category")
        frame.attrs = {"pot": self.header.pot, "units_system": "GeV cm ns"}
        return frame

    def to_awkward(self) -> "awkward.Array":
        """One record per event: every role as a `Momentum4D` (px, py, pz, E, pdg), every vertex as (x, y, z, t).

        Roles that a topology lacks are None. Register `vector` to use the momenta as four-vectors. Needs awkward.
        """
        try:
            import awkward as ak
        except ImportError as error:
            raise _missing("awkward", "analysis") from error
        tables = [self._records(ak, name) | {"topology": name} for name in self.topologies if self.rows()[name]]
        fields = list(dict.fromkeys(key for table in tables for key in table))
        columns = {}
        for key in fields:
            parts = []
            for table in tables:
                n = len(table["event_id"])
                if key not in table:
                    index = ak.index.Index64(np.full(n, -1, dtype=np.int64))
                    parts.append(ak.Array(ak.contents.IndexedOptionArray(index, ak.contents.EmptyArray())))
                else:
                    parts.append(ak.Array([table[key]] * n) if key == "topology" else ak.Array(table[key]))
            columns[key] = ak.concatenate(parts) if len(parts) > 1 else parts[0]
        return ak.zip(columns, depth_limit=1) if columns else ak.Array([])

    def _records(self, ak: Any, name: str) -> dict[str, Any]:
        columns, topology, n = self.topologies[name], self.header.topology(name), self.rows()[name]
        used = set(topology.columns())
        found: dict[str, Any] = {key: np.asarray(values) for key, values in columns.items() if key not in used}
        for particle in topology.particles:
            e, px, py, pz = self.four_momentum(name, particle.role)
            pdg = np.broadcast_to(np.asarray(pdg_of(topology, particle.role, columns), dtype=np.int64), (n,))
            momentum = {"px": px, "py": py, "pz": pz, "E": e, "pdg": pdg}
            found[particle.role] = ak.zip(momentum, with_name="Momentum4D")
            if particle.mass is None:
                found[f"{particle.role}_mass"] = mass_of(topology, particle.role, columns, self.header.masses)
        for position in topology.positions:
            found[position] = ak.zip({axis: np.asarray(columns[f"{position}_{axis}"]) for axis in AXES})
        return found

    def reweight(self, overrides: Mapping[str, Any] | list[str], flight_resolution_cm: float | None = None) -> "Events":
        """These events with the weights that another model gives them, exactly: {"model.epsilon": 1e-3}.

        Columns other than `weight` and its factors are shared with these events. `header.extra["reweighting"]` has the
        report: sums, effective sample sizes, ratios, per channel. See docs/reweighting.md for `flight_resolution_cm`.
        Raises InputError, with the reason, where these events cannot stand for the new model.
        """
        from darkhorn.generator.files.reweight import reweighted
        from darkhorn.generator.reweighting import FLIGHT_RESOLUTION_CM, Reweighting

        cell = FLIGHT_RESOLUTION_CM if flight_resolution_cm is None else flight_resolution_cm
        return reweighted(self, Reweighting(self.header, overrides, None, cell), "memory")[0]

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write to a file whose ending chooses the format: .h5, .hepmc3[.gz], .hepevt, .edep.hepevt.

        Raises OutputError if the file exists (unless `overwrite`) or cannot be written.
        """
        from darkhorn.generator.files.write import write_events

        return write_events(self, Path(path), overwrite=overwrite)

    def __repr__(self) -> str:
        rows = self.rows()
        kind = "unweighted" if self.header.unweighted else "weighted"
        lines = [
            f"<Events: {len(self)} {kind} events for {self.header.pot:g} POT",
            f"  expected {self.sum_w:.6g}, effective sample size {self.ess:.6g}",
            *(f"  {name}: {n} events, {len(self.topologies[name])} columns" for name, n in rows.items()),
        ]
        return "\n".join(lines) + ">"


def _missing(package: str, extra: str) -> InputError:
    do = f'Install it: pip install "darkhorn[{extra}]".'
    return InputError("environment", f"no package {package}", package, do)
