"""The process "dark-neutrino": nu A -> N A by Z' and Z exchange, N -> nu l+ l- or a lighter state and l+ l-.

Here the pieces come together: kernels/matrix_elements/upscattering.py and neutral_decays.py (densities),
dark_neutrino_model.py (couplings and widths), dark_neutrino_paths.py (decays that are generated),
dark_neutrino_targets.py (nuclei and nucleons), dark_neutrino_chains.py (stages in order), dark_neutrino_topologies.py
(records), dark_neutrino_productions.py and dark_neutrino_channels.py (channels, cross sections). Physics:
docs/physics/dark_neutrino.md.
"""

import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params
from darkhorn.generator.channel import Build, Process, register
from darkhorn.generator.processes import dark_neutrino_channels as shared
from darkhorn.generator.processes.dark_neutrino_channels import FLAVOUR_INDEX
from darkhorn.generator.processes.dark_neutrino_model import (
    Scheme,
    exchange_of,
    host_widths,
    model_of,
    scheme_of,
    warn_of_limits,
)
from darkhorn.generator.processes.dark_neutrino_paths import Path, paths_of
from darkhorn.generator.processes.dark_neutrino_productions import (
    made_by_the_beam,
    masses_in_header,
    particle_rows,
    production_of,
)
from darkhorn.generator.processes.dark_neutrino_states import produced_mass, states_in
from darkhorn.generator.processes.dark_neutrino_targets import FLOOR_NEUTRON, SCALE_NUCLEON, SCALE_NUCLEUS
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.errors import InputError, PhysicsWarning
from darkhorn.kernels.form_factors import weak_charge_of_nucleus

CITATIONS = (
    "darkhorn", "NuHepMC:2023", "Bertuzzo:2018", "Ballett:2018", "DarkNews:2022", "MiniBooNE:2008", "MicroBooNE:2025",
    "DeVries:1987",
)  # fmt: skip


def couplings(
    card: RunCard, model: Params, produced: str, what: Nuclide, regime: str, projectile: int
) -> dict[str, Any]:
    """The part of a channel's parameters from which `prepare` makes what is exchanged."""
    nucleus = regime == "coherent"
    numbers = {
        "flavour": np.eye(3)[FLAVOUR_INDEX[abs(projectile)]],
        "produced": [float(state == produced) for state in states_in(model)],
        "charge": what.Z if nucleus else 1.0,
        "neutrons": what.A - what.Z if nucleus else 0.0,
        "weak_charge": weak_charge_of_nucleus(what.Z, what.A - what.Z) if nucleus else 1.0,
        "z_exchange": float(card.physics.z_exchange),
        "q2_scale": SCALE_NUCLEUS if nucleus else SCALE_NUCLEON,
        "q2_floor": FLOOR_NEUTRON if regime == "n-elastic" else 0.0,
        "chirality": 1.0 if projectile > 0 else -1.0,
        "signs": shared.signs_of(bool(model["majorana"] > 0), projectile),
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "model": model}


def _check_paths(card: RunCard, scheme: Scheme, paths: list[Path]) -> None:
    """Say (PhysicsWarning) that a Z' of a cascade does not fly; raise InputError for one that cannot be unpolarised."""
    if scheme.displaced and any(len(p.finals) == 2 and set(p.transitions) & set(scheme.on_shell) for p in paths):
        text = "a Z' that flies is generated where one pair is made; in a cascade it decays where its parent does"
        warnings.warn(text, PhysicsWarning, stacklevel=2)
    virtual = [t for path in paths for t in path.transitions if t not in scheme.on_shell]
    if virtual and not card.physics.zprime_polarisation:
        raise InputError(
            "physics.zprime_polarisation",
            "false",
            f"true where the Z' is off shell, as in {virtual[0][0]} -> {virtual[0][1]} {paths[0].finals[0]}",
            "Remove it: there is no Z' to unpolarise.",
        )


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    model, scheme = model_of(card), scheme_of(card)
    warn_of_limits(model, scheme)
    paths = paths_of(card, model, scheme)
    _check_paths(card, scheme, paths)
    scattering = partial(couplings, card, model)
    channels = shared.channels_of(card, [production_of(card, model, scheme, p, paths, scattering) for p in paths])
    masses = {**masses_in_header(model, scheme), "zprime": float(model["mzprime"])}
    papers = ["1807.09877", "1808.02915", "2207.04137"]
    processes = shared.process_rows((channel.process_id for channel in channels), "Z' and Z exchange", papers)
    text = "dark photon coupled by kinetic mixing"
    boson = {"mass": float(model["mzprime"]), "two_spin": 2, "description": text}
    particles = particle_rows(card, model, scheme, boson)
    return shared.build_of(card, channels, masses, particles, processes, CITATIONS, total_cross_section)


def total_cross_section(
    params: Params, energy: NDArray[np.float64], nodes: int = shared.XSEC_NODES
) -> NDArray[np.float64]:
    """`dark_neutrino_channels.total_cross_section` of a channel's parameters."""
    return shared.total_cross_section(params, produced_mass(params), exchange_of(params), energy, nodes)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`."""
    model = model_of(card)
    made = made_by_the_beam(model, Scheme(states_in(model)), partial(couplings, card, model))
    return shared.xsec_rows(card, energies, targets, made, total_cross_section)


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return shared.width_rows(host_widths(model_of(card), scheme_of(card)))


def point(card: RunCard) -> tuple[Scheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino", build, widths, xsec, point))
