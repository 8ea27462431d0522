"""The header of a run: a JSON document that travels with every file and every `Events` (docs/architecture.md)."""

import dataclasses
import hashlib
import json
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.record import Topology
from darkhorn.kernels.errors import InputError

SCHEMA = "darkhorn-events"
SCHEMA_VERSION = "1.0.0"
UNITS_SYSTEM = "GeV cm ns"

Curve = dict[str, NDArray[np.float64]]


@dataclass
class Header:
    """What is known of a run apart from its events; the fields are described in docs/architecture.md.

    `flux` is {pdg: {edges_GeV (n+1), content (n), cm^-2 POT^-1 per bin}}; `cross_sections` is
    {channel name: {energy_GeV (n), xsec_1e38cm2 (n), 1e-38 cm^2 per target nucleus}}.
    """

    schema: str = SCHEMA
    schema_version: str = SCHEMA_VERSION
    generator_version: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    created_utc: str = ""
    hostname: str = ""
    device: str = ""
    x64: bool = True
    seed: int = 0
    shard: int = 0
    n_shards: int = 1
    n_total: int = 0
    n_events: int = 0
    pot: float = 0.0
    complete: bool = False
    unweighted: bool = False
    card: str = ""
    card_resolved: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    masses: dict[str, float] = field(default_factory=dict)
    particles: list[dict[str, Any]] = field(default_factory=list)
    processes: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    flux: dict[int, Curve] = field(default_factory=dict)
    cross_sections: dict[str, Curve] = field(default_factory=dict)
    citations: list[dict[str, str]] = field(default_factory=list)
    detector: dict[str, Any] = field(default_factory=dict)
    topologies: list[Topology] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, **values: Any) -> "Header":
        """A header stamped with the present time, host and library versions; `values` set the other fields."""
        import h5py

        from darkhorn import __version__

        stamped: dict[str, Any] = {
            "generator_version": __version__,
            "versions": {"python": platform.python_version(), "numpy": np.__version__, "h5py": h5py.__version__},
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "hostname": platform.node(),
        }
        return cls(**(stamped | values))

    def replace(self, **values: Any) -> "Header":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **values)

    def topology(self, name: str) -> Topology:
        """The topology of that name; InputError if the header has none."""
        for topology in self.topologies:
            if topology.name == name:
                return topology
        known = ", ".join(t.name for t in self.topologies) or "none"
        raise InputError("header topologies", name, known, "The file is damaged: its header lacks a topology it holds.")

    def mass(self, name: str) -> float:
        """Mass (GeV) of that name in `masses`; InputError if the header has none."""
        if name not in self.masses:
            allowed = ", ".join(self.masses) or "none"
            raise InputError("header masses", name, allowed, "The file is damaged: its header lacks a mass.")
        return self.masses[name]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and strings: `json.dumps` of it loses no digit."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "extra"}
        data["flux"] = {str(pdg): curve for pdg, curve in self.flux.items()}
        data["topologies"] = [topology.to_json() for topology in self.topologies]
        plain = _plain(self.extra | data)
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def from_json(cls, data: dict[str, Any], where: str = "header") -> "Header":
        """Inverse of `to_json`; keys it does not know are kept in `extra`.

        Raises InputError for another schema, a newer major version, or fields that cannot be read.
        """
        check_schema(data.get("schema"), data.get("schema_version"), where)
        names = {f.name for f in dataclasses.fields(cls)} - {"extra"}
        values = {key: value for key, value in data.items() if key in names}
        try:
            values["flux"] = {int(pdg): _curve(c) for pdg, c in data.get("flux", {}).items()}
            values["cross_sections"] = {name: _curve(c) for name, c in data.get("cross_sections", {}).items()}
            values["topologies"] = [Topology.from_json(t) for t in data.get("topologies", [])]
            return cls(**values, extra={key: value for key, value in data.items() if key not in names})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                where, f"an unreadable header ({error!r})", "a darkhorn header", "The file is damaged: make it again."
            ) from error

    def dumps(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(self.to_json(), sort_keys=True)

    def card_hash(self) -> str:
        """SHA-256 of the resolved card: the same physics and the same request."""
        return _digest(self.card_resolved)

    def plan_hash(self) -> str:
        """Hash of the pilot record as stored in it, or computed if it has none."""
        return str(self.plan["hash"]) if "hash" in self.plan else _digest(self.plan)

    def run_hash(self) -> str:
        """SHA-256 of all that fixes the events of this file: card, plan, seed, shard, total, version, ray files.

        Two runs with the same hash make the same rows, so that one may finish what the other began.
        """
        return _digest(
            [
                self.schema_version,
                self.generator_version,
                self.x64,
                self.card_hash(),
                self.plan_hash(),
                self.seed,
                self.shard,
                self.n_shards,
                self.n_total,
                sorted(topology.name for topology in self.topologies),
                *(file["sha256"] for file in self.extra.get("rays", {}).get("files", ())),
            ]
        )


_OTHERS = {
    "darkhorn-rays": "These are rays: `darkhorn flux CARD` shows the flux of a card with them as its source.",
    "darkhorn-flux": "This is a flux: `darkhorn plot` draws it, and it can be the source of a card.",
}


def check_schema(schema: object, version: object, where: str) -> None:
    """Raise InputError unless (schema, version) is one that this program reads: same name, major version not newer."""
    if schema != SCHEMA:
        raise InputError(
            where,
            "no darkhorn schema" if schema is None else f"schema {schema!r}",
            f"schema {SCHEMA!r}",
            _OTHERS.get(str(schema), "This is not an event file of darkhorn."),
        )
    try:
        major = int(str(version).split(".")[0])
    except ValueError:
        raise InputError(where, f"schema_version {version!r}", "a version like 1.0.0", "The file is damaged.") from None
    if major > int(SCHEMA_VERSION.split(".")[0]):
        raise InputError(
            where,
            f"schema version {version}",
            f"up to {SCHEMA_VERSION.split('.')[0]}.x",
            "The file was written by a newer darkhorn: upgrade with `pip install -U darkhorn`.",
        )


def _curve(data: dict[str, Any]) -> Curve:
    return {key: np.asarray(values, dtype=np.float64) for key, values in data.items()}


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays, tuples and paths as JSON types."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()
