"""Exact reweighting: events that exist, weighted as another model would have made them.

Every stage of a chain that depends on the model has one density, a function of the stored columns (`Stage.density`).
The factor of the stage is multiplied by density(new model) / density(old model), event by event: the result is the
weight that the event would have had in the new model, whatever the sampling was. It needs events wherever the new model
has some: what cannot be is refused (`Stage.covers`, channels that were not made).
"""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn import __version__
from darkhorn.generator.chain import Chain, Params, State
from darkhorn.generator.channel import Channel
from darkhorn.generator.citations import citations_for
from darkhorn.generator.device import as_float64
from darkhorn.generator.files.columns import Array, Columns
from darkhorn.generator.header import Header
from darkhorn.generator.plan import make_plan
from darkhorn.generator.reweighting_checks import (
    Pair,
    changed_keys,
    check_keys,
    reasons_against,
    stages_without_density,
)
from darkhorn.generator.runcard import load_card
from darkhorn.generator.simulation import Simulation
from darkhorn.generator.tally import Tally
from darkhorn.kernels.errors import InputError, PhysicsWarning

BATCH = 1 << 15  # events per call of the compiled program
FLIGHT_RESOLUTION_CM = 0.1
UNCOVERED = 0.003  # of the flights may be lacking
FEW = 0.01  # of the effective sample size left: worth a warning
Store = Callable[[str, int, dict[str, Array]], None]  # (topology, first row, new columns)


@partial(jax.jit, static_argnums=0)
def _prepared(chain: Chain, params: Params) -> Params:
    return chain.prepare(params)


@partial(jax.jit, static_argnums=0)
def _densities(chain: Chain, params: Params, state: State) -> tuple[State, State]:
    return chain.densities(params, state)


class Reweighting:
    """Old and new model of a file, checked: every event of the new model could be in the file.

        reweighting = Reweighting(events.header, {"model.epsilon": 1e-3})
        weights = reweighting.columns(columns)            new factors and weights of some rows

    header     of the events
    overrides  as `load_card`: what the new model changes in the card of the file
    folder     where relative paths of the card start
    flight_resolution_cm   see `generator.stages`: how finely the place of a decay counts

    Raises InputError, saying why, where events of the file cannot stand for the new model.
    """

    def __init__(
        self,
        header: Header,
        overrides: Mapping[str, Any] | list[str],
        folder: Path | None = None,
        flight_resolution_cm: float = FLIGHT_RESOLUTION_CM,
    ) -> None:
        if not (math.isfinite(flight_resolution_cm) and flight_resolution_cm > 0):
            raise InputError("flight resolution", flight_resolution_cm, "a length above 0", "The default is 1 mm.")
        if "visible_reweighting" in header.extra:
            found, do = (
                "weights of visible variables, which no density of the event made",
                "Start from the file before.",
            )
            raise InputError("events", found, "weights as they were generated, or reweighted exactly", do)
        self.header, self._resolution = header, flight_resolution_cm
        old = load_card(header.card_resolved)
        old.remember(header.card, "the card of the file", folder)
        new = load_card(old, overrides)
        self.changes = changed_keys(old, new)
        if not self.changes:
            raise InputError("--set", "nothing that changes the card", "a new value", "The file is this model already.")
        check_keys(self.changes)
        if header.generator_version != __version__:
            warnings.warn(
                f"the events were made by darkhorn {header.generator_version}: if densities have changed since, the "
                "new weights follow neither version",
                PhysicsWarning,
                stacklevel=3,
            )
        self.new = Simulation(new)
        with warnings.catch_warnings():  # of the old model all has been said
            warnings.simplefilter("ignore", PhysicsWarning)
            self.old = Simulation(old)
            before = {channel.name: channel for channel in self.old.build.channels}
        after = {channel.name: channel for channel in self.new.build.channels}
        made = {c["name"] for c in header.channels if c["n_total"] > 0}
        unknown = sorted(made - set(before))
        if unknown:
            raise InputError("channels", ", ".join(unknown), "channels of the card", "The file is damaged.")
        self.pairs = {
            int(c["index"]): self._pair(before[c["name"]], after.get(c["name"]))
            for c in header.channels
            if c["name"] in made
        }
        self._check_densities(before)
        self._check_cover(before, after, made)
        self.missing_fraction = self._missing(made)
        self._needed: dict[tuple[Chain, tuple[str, ...]], list[str]] = {}

    def _pair(self, old: Channel, new: Channel | None) -> Pair:
        def ready(channel: Channel) -> Params:
            cell = jnp.asarray(self._resolution, jnp.float64)
            return {**_prepared(channel.chain, as_float64(channel.params)), "flight_resolution": cell}

        same = new is not None and new.chain.stages == old.chain.stages
        return Pair(old.name, old.chain, ready(old), ready(new) if new is not None and same else None)

    def _check_densities(self, before: Mapping[str, Channel]) -> None:
        for chain in {pair.chain for pair in self.pairs.values()}:
            channel = next(before[pair.name] for pair in self.pairs.values() if pair.chain == chain)
            lacking = stages_without_density(chain, as_float64(channel.params))
            if lacking:
                raise InputError(
                    f"events of the kind `{channel.topology.description}`",
                    f"stages of which this version cannot compute the density: {', '.join(lacking)}",
                    "events all of whose stages have one",
                    "Generate events of the new model instead.",
                )

    def _check_cover(self, before: Mapping[str, Channel], after: Mapping[str, Channel], made: set[str]) -> None:
        reasons: dict[str, int] = {}
        for pair in self.pairs.values():
            old, new = before[pair.name], after.get(pair.name)
            for reason in reasons_against(old, new, pair) if new is not None else ():
                reasons[reason] = reasons.get(reason, 0) + 1
        if reasons:
            raise InputError(
                "the new model",
                "; ".join(reasons),
                "a model whose events are all among those that the file's model can make",
                "Generate events of the new model instead.",
            )

    def _missing(self, made: set[str]) -> float:
        """Share of the new rate in channels of which the file has no event; refused where it is worth an event."""
        channels = self.new.build.channels
        if all(channel.name in made for channel in channels):
            return 0.0
        plan = make_plan(channels, self.new.card.hash(), self.header.seed)
        shares = {c.name: c.rate / plan.rate for c in plan.channels if c.name not in made and c.rate > 0}
        total = sum(shares.values())
        if total * self.header.n_total > 1:  # below one event, a run of this size would not have made it either
            names = ", ".join(f"{name} {100 * share:.3g} %" for name, share in sorted(shares.items()))
            raise InputError(
                "the new model",
                f"{100 * total:.3g} % of its events in channels that the file does not have: {names}",
                "channels that the file has",
                "Generate events of the new model instead.",
            )
        return total

    # ---------------------------------------------------------------------------------------------------- weights
    def factors(self, topology_columns: Columns) -> list[str]:
        """Names of the columns that change, `weight` last."""
        found = {stage.column for pair in self.pairs.values() for stage in pair.chain.stages if stage.density}
        return [*(name for name in topology_columns if name in found or name == "w_sampling"), "weight"]

    def apply(self, topologies: Mapping[str, Columns], store: Store) -> dict[int, Tally]:
        """New factors and weights of all events, in batches on all cores, handed to `store` (from several threads).

        Returns the sums per channel. Raises FloatingPointError for a number that is not finite (a bug of ours),
        InputError where events have no weight left that the new model needs.
        """
        tasks = [
            (name, start, min(start + BATCH, len(columns["event_id"])))
            for name, columns in topologies.items()
            for start in range(0, len(columns["event_id"]), BATCH)
        ]
        sums = {index: Tally() for index in self.pairs}

        def work(task: tuple[str, int, int]) -> dict[int, Tally]:
            name, start, stop = task
            new, tallies = self.columns(topologies[name], start, stop)
            store(name, start, new)
            return tallies

        for name, columns in topologies.items():  # traced once, before threads ask for it
            found = (self.pairs.get(int(index)) for index in np.unique(np.asarray(columns["channel"])))
            for chain in {pair.chain for pair in found if pair is not None}:
                self._columns_of(chain, columns, name)
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="darkhorn-reweight") as pool:
            for tallies in pool.map(work, tasks):
                for index, tally in tallies.items():
                    sums[index].merge(tally)
        lost = sum(tally.unreachable for tally in sums.values())
        if lost > 1e-5 * sum(tally.events for tally in sums.values()):
            raise InputError(
                "events",
                f"{lost} to which the model of the file gives no density",
                "events that the model of the file can make",
                "Start from the file that was generated, not from one that was reweighted or changed.",
            )
        return sums

    def columns(
        self, columns: Columns, start: int = 0, stop: int | None = None
    ) -> tuple[dict[str, Array], dict[int, Tally]]:
        """(new factors and weights of rows [start, stop), their sums per channel), at most BATCH rows at once."""
        index = np.asarray(columns["channel"][start:stop])
        names = self.factors(columns)
        new = {name: np.array(columns[name][start:stop], np.float64) for name in names}
        before = new["weight"].copy()
        tallies = {}
        for channel in np.unique(index):
            if int(channel) not in self.pairs:
                raise InputError("events", f"channel {channel}", "channels of the header", "The file is damaged.")
            rows = np.flatnonzero(index == channel)
            ratios, expected, lost = self._ratios(self.pairs[int(channel)], columns, start, rows)
            for name, ratio in ratios.items():
                new[name][rows] *= ratio
                new["weight"][rows] *= ratio
            tallies[int(channel)] = Tally()
            tallies[int(channel)].add(before[rows], new["weight"][rows], before[rows] * expected, lost)
        return new, tallies

    def _ratios(self, pair: Pair, columns: Columns, start: int, rows: Array) -> tuple[dict[str, Array], Array, int]:
        """(new density / old density by column, the product with totals, events that only the new model can make)."""
        n = len(rows)
        if pair.new is None:
            return {"w_sampling": np.zeros(n)}, np.zeros(n), 0
        # the program has one size: a batch is filled up with its first row
        padded = np.full(BATCH, start + rows[0])
        padded[:n] = start + rows
        whole = n == BATCH and int(rows[-1]) == BATCH - 1
        state = {
            name: np.ascontiguousarray(columns[name][start : start + BATCH] if whole else columns[name][padded])
            for name in self._columns_of(pair.chain, columns, pair.name)
        }
        old, new = (_densities(pair.chain, params, state) for params in (pair.old, pair.new))
        ratios, product, lost = {}, np.ones(n), np.zeros(n, bool)
        weighed = np.asarray(columns["weight"][start + rows]) > 0
        for name in old[0]:
            ratios[name], alive, wanted = self._ratio(name, old[0], new[0], columns, start + rows)
            lost |= ~alive & (weighed | wanted)
            product *= self._ratio(name, old[1], new[1], columns, start + rows)[0]
        return ratios, product, int(lost.sum())

    def _ratio(self, name: str, old: State, new: State, columns: Columns, rows: Array) -> tuple[Array, Array, Array]:
        """(new density / old density, whether the old one is above 0, whether the new one is)."""
        below, above = (np.asarray(density[name])[: len(rows)] for density in (old, new))
        finite = np.isfinite(below) & np.isfinite(above)
        if not finite.all():
            bad = int(columns["event_id"][rows[int(np.argmin(finite))]])
            raise FloatingPointError(f"the density for {name} of event {bad} is not finite: a bug of darkhorn")
        alive = below > 0
        return np.where(alive, above / np.where(alive, below, 1.0), 0.0), alive, above > 0

    def _columns_of(self, chain: Chain, columns: Columns, where: str) -> list[str]:
        """Names of the columns that the densities of a chain read."""
        names = tuple(columns)
        if (chain, names) not in self._needed:
            params = next(pair.old for pair in self.pairs.values() if pair.chain == chain)
            shapes: dict[str, Any] = {}
            for name in names:
                shapes[name] = jax.ShapeDtypeStruct((4,), columns[name].dtype)  # type: ignore[no-untyped-call]
            try:
                jaxpr = jax.make_jaxpr(chain.densities)(params, shapes).jaxpr
            except KeyError as error:
                do = "It was not written by this version of darkhorn, or a column was removed."
                raise InputError(where, f"no column {error}", "the columns of the chain", do) from error
            used = {id(v) for equation in jaxpr.eqns for v in equation.invars} | {id(v) for v in jaxpr.outvars}
            inputs = jaxpr.invars[-len(names) :]
            self._needed[chain, names] = [n for n, v in zip(sorted(names), inputs, strict=True) if id(v) in used]
        return self._needed[chain, names]

    # ----------------------------------------------------------------------------------------------------- report
    def report(self, sums: Mapping[int, Tally], source: str) -> dict[str, Any]:
        """What was done, as JSON types: it is kept in the header (`extra["reweighting"]`).

        {source, changes {key: [old, new]}, flight_resolution_cm, events, sum_w_before, sum_w, sum_w_error, ess_before,
        ess, ratio_min, ratio_max, largest_share (of the sum in one event), flight_coverage (the sum over what it
        should be), missing_fraction (share of channels without events), channels [...], earlier (the reweighting that
        the events had been through before)}. Raises InputError where too many flights of the new model are lacking.
        """
        total = Tally()
        for tally in sums.values():
            total.merge(tally)
        records = {int(c["index"]): c for c in self.header.channels}
        channels = [{"name": pair.name, **sums[index].to_json()} for index, pair in self.pairs.items()]
        errors = [self._error(records[index], tally) for index, tally in sums.items()]
        earlier = self.header.extra.get("reweighting")
        found = {
            "source": source,
            "changes": {key: list(values) for key, values in self.changes.items()},
            "flight_resolution_cm": self._resolution,
            **total.to_json(),
            "sum_w_error": math.hypot(*errors),
            "largest_share": total.max_weight / total.sum_w[1] if total.sum_w[1] > 0 else 0.0,
            "flight_coverage": total.sum_w[1] / total.expected if total.expected > 0 else 0.0,
            "missing_fraction": self.missing_fraction,
            "channels": channels,
            **({"earlier": earlier} if earlier else {}),
        }
        coverage = found["flight_coverage"]
        if not total.sum_w[1] > 0:
            raise InputError("the new model", "no rate in any event", "a rate above 0", "Check the values of --set.")
        if coverage < 1 - max(UNCOVERED, 4 * math.sqrt(total.flight_error2) / total.expected):
            raise InputError(
                "the new model",
                f"flights of which the events cover {100 * coverage:.3g} %: they live too long for where the events of "
                "the file decay",
                "lifetimes up to about twice those of the file, where both are longer than the flight resolution",
                "Generate events of the new model, or take a coarser flight resolution if you cannot see it.",
            )
        if found["ess"] < FEW * found["ess_before"]:
            warnings.warn(
                f"of an effective sample size of {found['ess_before']:.4g} only {found['ess']:.4g} is left: the models "
                "are far apart, and the error of the sum is not to be trusted",
                PhysicsWarning,
                stacklevel=3,
            )
        return found

    def _error(self, record: Mapping[str, Any], tally: Tally) -> float:
        """Statistical error of the new sum of a channel."""
        attempts = tally.events if self.header.unweighted else record["attempted"]
        variance = max(tally.sum_w2[1] - tally.sum_w[1] ** 2 / max(attempts, 1), 0.0)
        if self.header.unweighted and record["rate"] > 0:  # the sum of unweighted events is the rate of the pilot
            variance += (tally.sum_w[1] * record["rate_error"] / record["rate"]) ** 2
        return math.sqrt(variance)

    @cached_property
    def _tables(self) -> dict[str, dict[str, Any]]:
        return self.new.cross_section_tables()

    def new_header(self, sums: Mapping[int, Tally], report: Mapping[str, Any]) -> Header:
        """The header of the reweighted events: card, masses, cross sections are those of the new model."""
        old, build, card = self.header, self.new.build, self.new.card
        scale = card.exposure / self.old.card.exposure
        pot = old.pot * scale
        channels = []
        for record in old.channels:
            tally = sums.get(int(record["index"]), Tally())
            whole = card.exposure / pot if pot > 0 else 0.0
            channels.append(
                record
                | {
                    "sum_w": tally.sum_w[1],
                    "sum_w2": tally.sum_w2[1],
                    "max_weight": tally.max_weight,
                    "overweight_fraction": 0.0,
                    "overweight_events": 0,
                    "overweight_bound": 0.0,
                    "attempted": tally.events if old.unweighted else record["attempted"],
                    "rate": tally.sum_w[1] * whole,
                    "rate_error": self._error(record, tally) * whole,
                }
            )
        codes = {particle["pdg"] for particle in build.particles}
        kept = {f: getattr(old, f) for f in ("schema", "schema_version", "x64", "seed", "shard", "n_shards", "n_total")}
        new = Header.new(
            **kept,
            n_events=old.n_events,
            complete=old.complete,
            device=f"{jax.devices()[0].platform}:{jax.devices()[0].device_kind}",
            pot=pot,
            unweighted=False,
            card=old.card,
            card_resolved=card.resolved(),
            plan=old.plan,
            masses=build.masses,
            particles=[*build.particles, *(p for p in old.particles if p["pdg"] not in codes)],
            processes=old.processes,
            channels=channels,
            regions=old.regions,
            flux=old.flux,
            cross_sections=self._tables,
            citations=[citation.to_json() for citation in citations_for(build.citations)],
            detector=old.detector,
            topologies=old.topologies,
            extra={**old.extra, "reweighting": dict(report)},
        )
        return new.replace(versions={**old.versions, **new.versions, "jax": jax.__version__})
