"""What the beam makes and how it decays, with any mediator: from the paths of a card to the `Production`s of
`dark_neutrino_channels`, and what the header says of the states.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.processes import dark_neutrino_channels as shared
from darkhorn.generator.processes.dark_neutrino_chains import (
    PRODUCTS,
    chain_of,
    names_of,
    roles_of,
    stored_columns,
)
from darkhorn.generator.processes.dark_neutrino_channels import Production, Scattering
from darkhorn.generator.processes.dark_neutrino_paths import Path, form_of, path_params, suffix
from darkhorn.generator.processes.dark_neutrino_states import States, mass_key, total_width
from darkhorn.generator.processes.dark_neutrino_targets import Motion
from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.record import Topology
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON

# (state that the beam makes, nuclide, regime, projectile) -> the part of the parameters that makes its scattering
ScatteringOf = Callable[[str, Nuclide, str, int], dict[str, Any]]


def couplings_of(model: Params, scheme: States, produced: str) -> tuple[float, ...]:
    """Couplings (3,) of a state to the flavours of the beam."""
    return tuple(float(d) for d in np.asarray(scheme.beam_couplings(model))[scheme.index(produced)])


def bosons_of(path: Path, scheme: States) -> tuple[str, ...]:
    """Role of the boson on shell of every step, "" where there is none."""
    return tuple(
        next((role for role in PRODUCTS[step] if role in ("zprime", "hprime")), "")
        for step in form_of(path, scheme).steps
    )


def record_of(path: Path, scheme: States, bound: bool) -> Topology:
    """Record of the events of a path, on a whole target or on one `bound` nucleon."""
    form = form_of(path, scheme)
    return topology(bound, roles_of(path), path.finals, bosons_of(path, scheme), form.displaced, form.line_shape)


def production_of(
    card: RunCard, model: Params, scheme: States, path: Path, paths: list[Path], scattering: ScatteringOf
) -> Production:
    """The production of one path among all. scattering: what the mediator needs of it."""
    form = form_of(path, scheme)

    def columns(chain: Chain, forced: bool, motion: Motion) -> tuple[str, ...]:
        return stored_columns(scheme, path, chain, forced, motion == "gas")

    def can_miss(mode: str, motion: Motion) -> bool:
        return len(path.finals) == 2 or form.displaced or (form.line_shape and motion == "gas")

    bosons = bosons_of(path, scheme)
    return Production(
        produced=path.produced,
        couplings=couplings_of(model, scheme, path.produced),
        least_mass=_least_mass(model, scheme, path),
        scattering=partial(scattering, path.produced),
        decay={
            "polarised": np.asarray(float(card.physics.zprime_polarisation)),
            "path": path_params(scheme, path, paths),
            "daughter_pdg": np.array([shared.daughter_codes(card, name) for name in path.daughters], np.int32),
        },
        bosons={f"{role}{'2' * step}": card.output.pdg_map[scheme.boson] for step, role in enumerate(bosons) if role},
        chain=lambda mode, motion: chain_of(scheme, form, mode, names_of(path), motion),
        record=lambda bound: record_of(path, scheme, bound),
        columns=columns,
        can_miss=can_miss,
        suffix=suffix(path, scheme),
    )


def _least_mass(model: Params, scheme: States, path: Path) -> float:
    """Least mass (GeV) of what the beam makes. A drawn mass begins where the decay opens."""
    if form_of(path, scheme).line_shape:
        daughter = path.daughters[0]
        return float(model["mzprime"] + (0.0 if daughter == "nu" else model[mass_key(daughter)]))
    return float(model[mass_key(path.produced)])


def masses_in_header(model: Params, scheme: States) -> dict[str, float]:
    """Masses (GeV) by the names that records use."""
    states = {name.lower(): float(model[mass_key(name)]) for name in scheme.states}
    return {**states, "electron": MASS_ELECTRON, "muon": MASS_MUON}


def particle_rows(
    card: RunCard, model: Params, scheme: States, boson: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The states that are not in the PDG list, with their antiparticles where they differ, and the `boson`."""
    widths = scheme.widths(model)
    rows: list[dict[str, Any]] = []
    for name in reversed(scheme.states):
        rows += shared.state_rows(card, name, float(model[mass_key(name)]), float(total_width(widths, name)))
    if boson is None:
        return rows
    own = {"pdg": card.output.pdg_map[scheme.boson], "charge": 0, "width": float(total_width(widths, scheme.boson))}
    return [*rows, {**own, "name": scheme.boson, "role": scheme.boson.lower(), **boson}]


def made_by_the_beam(
    model: Params, scheme: States, scattering: ScatteringOf
) -> list[tuple[str, tuple[float, ...], Scattering]]:
    """(name, couplings, scattering) of every state, for cross sections."""
    return [(name, couplings_of(model, scheme, name), partial(scattering, name)) for name in scheme.states]
