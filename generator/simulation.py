"""`Simulation`: a run card made ready to make events, rates and files. The command line is a thin layer over this
class.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from darkhorn.generator.certificate import overweight_bound
from darkhorn.generator.channel import Build, process_of
from darkhorn.generator.citations import citations_for
from darkhorn.generator.device import require_x64
from darkhorn.generator.events import Events
from darkhorn.generator.header import Header
from darkhorn.generator.plan import MEASURED_EVENTS, Plan, make_plan, untrained_plan
from darkhorn.generator.rate import expected_events
from darkhorn.generator.run import Block, Runner, Share, Statistics, Task, compile_ahead, make_layout
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.kernels.errors import InputError

if TYPE_CHECKING:
    from darkhorn.generator.scan_grid import Grid
    from darkhorn.generator.scan_result import Scan

XSEC_POINTS = 48


@dataclass(frozen=True)
class Request:
    """What a run is asked for; the defaults are those of the command line.

    events      events of the whole run; None: the card's
    seed        random seed; None: the card's
    unweighted  accept-reject on the device; exactly `events` events of equal weight
    shard, n_shards  this part of the run
    pot         exposure in place of the card's
    batch_size  events per batch on the device; no effect on the events
    """

    events: int | None = None
    seed: int | None = None
    unweighted: bool = False
    shard: int = 0
    n_shards: int = 1
    pot: float | None = None
    batch_size: int | None = None


class Simulation:
    """A run card with its channels.

        sim = Simulation.from_card("microboone", {"model.m4": "120 MeV"})
        events = sim.run(100_000)
        sim.rate(1e-3)["events"]

    Needs double precision (`darkhorn.enable_x64()`); raises InputError without it. Nothing is compiled before it is
    needed.
    """

    def __init__(self, card: RunCard) -> None:
        require_x64()
        self.card = card
        self.process = process_of(card)
        self._plans: dict[int, Plan] = {}

    @classmethod
    def from_card(
        cls, card: str | Path | Mapping[str, Any] | RunCard, overrides: Mapping[str, Any] | list[str] | None = None
    ) -> "Simulation":
        """From the name of a shipped card, a path, an event file of ours or a mapping; overrides as {"model.m4": "120
        MeV"}.

        Raises InputError for a card that cannot be used.
        """
        require_x64()
        return cls(load_card(card, overrides or {}))

    @cached_property
    def build(self) -> Build:
        """Channels and the model's part of the header."""
        return self.process.build(self.card)

    def plan(self, seed: int | None = None) -> Plan:
        """The pilot record for a seed (default: the card's): maps, rates, maxima. Made once per seed."""
        seed = self.card.generate.seed if seed is None else seed
        if seed not in self._plans:
            self._plans[seed] = make_plan(self.build.channels, self.card.hash(), seed)
        return self._plans[seed]

    def use_plan(self, plan: Plan, where: str = "plan", seed: int | None = None) -> None:
        """Take a pilot record from elsewhere in place of our own. InputError if it is for another card, seed (None:
        any) or channels.
        """
        wanted = plan.seed if seed is None else seed
        plan.check(self.card.hash(), wanted, [channel.name for channel in self.build.channels], where)
        self._plans[plan.seed] = plan

    def rate(self, precision: float = 1e-3, seed: int | None = None) -> dict[str, Any]:
        """Expected events in the card's exposure: {events, error, ess, channels}; see
        `generator.rate.expected_events`.
        """
        seed = self.card.generate.seed if seed is None else seed
        return expected_events(self.build.channels, self.plan(seed), precision, seed)

    def scan(
        self, grid: "Grid | Mapping[str, Any] | Sequence[str]", precision: float = 1e-2, seed: int | None = None
    ) -> "Scan":
        """Expected events at every point of a grid of cards, such as {"model.m5": "150 MeV:400 MeV:50",
        "model.umu5_sq": "1e-12:1e-7:50:log"} or {"model.hnl": ["dirac", "majorana"]}.

        Raises InputError for a grid that cannot be used, or of which the card allows no point.
        """
        from darkhorn.generator.scan import run_scan
        from darkhorn.generator.scan_result import new_scan

        scan = new_scan(self.card, grid, precision, self.card.generate.seed if seed is None else seed)
        run_scan(self.process, scan)
        return scan

    def widths(self) -> list[dict[str, Any]]:
        """Every open decay of every unstable state: rows of `darkhorn widths`."""
        return self.process.widths(self.card)

    def cross_sections(self, energies: list[float], targets: list[str] | None = None) -> list[dict[str, Any]]:
        """Total cross sections at neutrino energies in GeV: rows of `darkhorn xsec`."""
        return self.process.xsec(self.card, energies, targets)

    def runner(self, request: Request) -> Runner:
        """What makes the blocks of a request. InputError for numbers out of range."""
        events = self.card.generate.events if request.events is None else request.events
        seed = self.card.generate.seed if request.seed is None else request.seed
        if not (isinstance(events, int) and 1 <= events <= 1 << 48):
            raise InputError("number of events", events, "a whole number from 1 to 2^48", "Try 100000.")
        if not (isinstance(seed, int) and 0 <= seed < 1 << 63):
            raise InputError("seed", seed, "a whole number from 0 to 2^63 - 1", "Try 1.")
        if not 0 <= request.shard < request.n_shards:
            raise InputError(
                "shard", f"{request.shard}/{request.n_shards}", "i/n with 0 <= i < n", "Count shards from 0."
            )
        plan = self._plan_and_program(seed, request)
        layout = make_layout(self.build.channels, plan, events, request.shard, request.n_shards, request.unweighted)
        return Runner(self.build.channels, plan, seed, layout, request.unweighted, request.batch_size)

    def _plan_and_program(self, seed: int, request: Request) -> Plan:
        """The plan; while it is made, the batch program is compiled on another core."""
        if seed in self._plans:
            return self._plans[seed]
        flat = untrained_plan(self.build.channels)
        with ThreadPoolExecutor(1) as pool:
            program = pool.submit(compile_ahead, self.build.channels, flat, request.unweighted, request.batch_size)
            plan = self.plan(seed)
            program.result()
        return plan

    def blocks(self, n: int | None = None, seed: int | None = None, unweighted: bool = False) -> Iterator[Block]:
        """The events in blocks of bounded size, in order: columns by name, the channel, the rows they belong to."""
        return self.runner(Request(n, seed, unweighted)).blocks()

    def run(self, n: int | None = None, seed: int | None = None, unweighted: bool = False) -> Events:
        """Events in memory: n (default: the card's) for a seed (default: the card's)."""
        request = Request(n, seed, unweighted)
        runner = self.runner(request)
        statistics = [Statistics() for _ in runner.channels]
        parts: dict[str, list[dict[str, Any]]] = {}
        with ThreadPoolExecutor(1) as pool:
            tables = pool.submit(self.cross_section_tables)
            for block in runner.blocks():
                statistics[block.task.share.index].add(
                    block.attempted, block.columns["weight"], runner.unit if unweighted else None
                )
                parts.setdefault(block.topology, []).append(block.columns)
            header = self.header(request, runner, statistics, tables.result())
        columns = {
            name: {key: np.concatenate([part[key] for part in pieces]) for key in pieces[0]}
            for name, pieces in parts.items()
        }
        kept = sum(s.kept for s in statistics)
        return Events(header.replace(complete=True, n_events=kept), columns)

    def event(self, event_id: int, n: int | None = None, seed: int | None = None) -> dict[str, Any]:
        """One event of a weighted run of n events, made again alone: {column: value}. InputError if the run has no
        such event.
        """
        runner = self.runner(Request(n, seed))
        for share in runner.layout.shares:
            if share.event_id <= event_id < share.event_id + share.total:
                local = event_id - share.event_id
                one = Share(share.index, local, local + 1, share.total, share.event_id, 0)
                small = Runner(self.build.channels, runner.plan, runner.seed, runner.layout, False, batch_size=4)
                block = small.make(Task(one, local, local + 1))
                return {name: column[0] for name, column in block.columns.items()}
        raise InputError(
            "event id", event_id, f"0 to {runner.layout.total - 1}", "Give the number of events of the run as `n`."
        )

    def cross_section_tables(self) -> dict[str, dict[str, Any]]:
        """Tables of the total cross section of every channel, from threshold to the end of the flux."""
        tables = {}
        for channel in self.build.channels:
            if channel.projectile_pdg not in self.build.flux:
                continue  # not made by the beam
            edges = self.build.flux[channel.projectile_pdg]["edges_GeV"]
            low = float(channel.params["flux"]["low"])
            energy = np.geomspace(max(low, 1e-6), float(edges[-1]), XSEC_POINTS)
            tables[channel.name] = {"energy_GeV": energy, "xsec_1e38cm2": self.build.cross_section(channel, energy)}
        return tables

    def header(
        self, request: Request, runner: Runner, statistics: list[Statistics], cross_sections: dict[str, dict[str, Any]]
    ) -> Header:
        """The header of a run; `n_events` and `complete` are for the writer to set."""
        build, layout = self.build, runner.layout
        found = {channel.topology.name: channel.topology for channel in build.channels}
        device = runner.devices[0]
        versions = {"jax": jax.__version__, "jaxlib": version("jaxlib")}
        header = Header.new(
            device=f"{device.platform}:{device.device_kind} x{len(runner.devices)}",
            x64=True,
            seed=runner.seed,
            shard=layout.shard,
            n_shards=layout.n_shards,
            n_total=layout.total,
            n_events=layout.events,
            pot=self.card.exposure * layout.events / layout.total,
            unweighted=request.unweighted,
            card=self.card.text,
            card_resolved=self.card.resolved(),
            plan=runner.plan.to_json(),
            masses=build.masses,
            particles=build.particles,
            processes=build.processes,
            channels=[self._channel_record(runner, i, s) for i, s in enumerate(statistics)],
            regions=build.regions,
            flux=build.flux,
            cross_sections=cross_sections,
            citations=[citation.to_json() for citation in citations_for(build.citations)],
            detector=build.detector,
            topologies=list(found.values()),
            extra={"rays": build.rays} if build.rays else {},
        )
        return header.replace(versions={**header.versions, **versions})

    def _channel_record(self, runner: Runner, index: int, statistics: Statistics) -> dict[str, Any]:
        channel, plan = runner.channels[index], runner.plan.channels[index]
        lost = statistics.overweight / statistics.sum_w if statistics.sum_w > 0 else 0.0
        return {
            "index": index,
            "name": channel.name,
            "process_id": channel.process_id,
            "projectile_pdg": channel.projectile_pdg,
            "target_pdg": channel.target_pdg,
            "regime": channel.regime,
            "helicity": channel.helicity,
            "region": channel.region,
            "target_fraction": channel.target_fraction,
            "n_total": runner.layout.shares[index].total,
            "sum_w": statistics.sum_w,
            "sum_w2": statistics.sum_w2,
            "attempted": statistics.attempted,
            "kept": statistics.kept,
            "max_weight": statistics.max_weight,
            "overweight_fraction": lost,
            "overweight_events": statistics.above,
            "overweight_bound": (
                overweight_bound(statistics.above, statistics.attempted, plan.supremum, plan.rate, MEASURED_EVENTS)
                if runner.unweighted
                else 0.0
            ),
            "pilot_events": MEASURED_EVENTS,
            "rate": plan.rate,
            "rate_error": plan.rate_error,
        }
