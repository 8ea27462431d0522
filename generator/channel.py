"""Channels and processes: what is summed over, and how a model announces itself."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.record import Topology
from darkhorn.kernels.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Channel:
    """One discrete choice of a process: its chain, its numbers, and what is constant over its events.

    name        unique in the run, e.g. "nu_mu/Ar40/coherent/conserving/tpc"; it seeds the channel's random numbers
    chain       shared by all channels of one topology, so that they share one compiled program
    params      pytree of arrays
    topology    record of its events
    constants   columns that are the same for all its events (PDG codes, masses, ids), with their types
    columns     those columns of the chain that are stored, in order
    can_miss    events of weight zero happen (and are not kept)
    target_fraction  atoms of the target over all atoms of the region: weighs the flux-averaged cross section
    """

    name: str
    chain: Chain
    params: Params
    topology: Topology
    process_id: int
    projectile_pdg: int
    target: str
    target_pdg: int
    regime: str
    helicity: str
    region: str
    constants: Mapping[str, np.generic]
    columns: tuple[str, ...]
    can_miss: bool
    target_fraction: float


@dataclass(frozen=True)
class Build:
    """What a process makes of a card: channels, and the parts of the header that belong to the model.

    `rays`: which rays the source is made of (`ray_source.CardRays`), empty for a table.
    `cross_section(channel, energies)` is the total cross section per target nucleus, (n,) GeV -> (n,) 1e-38 cm^2.
    """

    channels: tuple[Channel, ...]
    masses: dict[str, float]
    particles: list[dict[str, Any]]
    processes: list[dict[str, Any]]
    regions: list[str]
    flux: dict[int, dict[str, NDArray[np.float64]]]
    detector: dict[str, Any]
    citations: tuple[str, ...]
    cross_section: Callable[[Channel, NDArray[np.float64]], NDArray[np.float64]]
    rays: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Process:
    """A model as the generator sees it.

    name    the word under `model: name:` in a card
    build   card -> channels; host side; raises InputError for what the schema could not see
    widths  card -> the rows of `darkhorn widths`
    xsec    (card, energies GeV, targets) -> the rows of `darkhorn xsec`
    point   card -> (kind, `params["model"]`): what a scan needs of a card; cards of one kind share their programs
            and differ in that pytree alone; raises InputError for what `build` would refuse
    """

    name: str
    build: Callable[[Any], Build]
    widths: Callable[[Any], list[dict[str, Any]]]
    xsec: Callable[[Any, list[float], list[str] | None], list[dict[str, Any]]]
    point: Callable[[Any], tuple[Hashable, Any]]


_PROCESSES: dict[str, Process] = {}


def register(process: Process) -> Process:
    """Add a process at import. The same name twice is a bug of ours: KeyError."""
    if process.name in _PROCESSES:
        raise KeyError(f"process {process.name!r} is registered twice")
    _PROCESSES[process.name] = process
    return process


def process_of(card: Any) -> Process:
    """The process of a card's model; InputError with the known names otherwise."""
    import darkhorn.generator.processes.broad_pair
    import darkhorn.generator.processes.dark_neutrino  # (registers itself)
    import darkhorn.generator.processes.dark_neutrino_mediators  # noqa: F401

    name = card.model.process or card.model.name
    if name not in _PROCESSES:
        known = sorted(_PROCESSES)
        raise InputError(
            "model.name", name, ", ".join(known), did_you_mean(name, known) + "`darkhorn cards` shows examples."
        )
    return _PROCESSES[name]
