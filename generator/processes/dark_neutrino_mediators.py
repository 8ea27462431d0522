"""Dark neutrinos without a Z': nu A -> N A by a transition magnetic moment or a scalar, N -> daughter gamma or l+ l-.

Densities: kernels/matrix_elements/upscattering_flip.py, exchange.py, radiative_decay.py, scalar_decays.py; couplings
and widths: dark_neutrino_mediator_model.py; all else as for a Z', see dark_neutrino.py. Physics:
docs/physics/mediators.md.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params
from darkhorn.generator.channel import Build, Process, register
from darkhorn.generator.processes import dark_neutrino_channels as shared
from darkhorn.generator.processes.dark_neutrino_channels import FLAVOUR_INDEX
from darkhorn.generator.processes.dark_neutrino_mediator_model import (
    DipoleScheme,
    ScalarScheme,
    host_widths,
    model_of,
    scheme_of,
    warn_of_limits,
)
from darkhorn.generator.processes.dark_neutrino_paths import paths_of
from darkhorn.generator.processes.dark_neutrino_productions import (
    made_by_the_beam,
    masses_in_header,
    particle_rows,
    production_of,
)
from darkhorn.generator.processes.dark_neutrino_states import produced_mass, states_in
from darkhorn.generator.processes.dark_neutrino_targets import FLOOR_GAS, SCALE_NUCLEON, SCALE_NUCLEUS, motion_of
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.errors import InputError

EXCHANGE = {"dipole": "photon exchange (transition magnetic moment)", "scalar": "exchange of a dark scalar"}


def couplings(
    mediator: str, card: RunCard, model: Params, produced: str, what: Nuclide, regime: str, projectile: int
) -> dict[str, Any]:
    """The part of a channel's parameters from which `prepare` makes what is exchanged."""
    nucleus = regime == "coherent"
    gas = motion_of(card, what, regime) == "gas"
    numbers = {
        "flavour": np.eye(3)[FLAVOUR_INDEX[abs(projectile)]],
        "produced": [float(state == produced) for state in states_in(model)],
        "protons": what.Z if nucleus else float(regime == "p-elastic"),
        "neutrons": what.A - what.Z if nucleus else float(regime == "n-elastic"),
        "q2_scale": SCALE_NUCLEUS if nucleus else SCALE_NUCLEON,
        "q2_floor": FLOOR_GAS[mediator] if gas else 0.0,
        "signs": shared.signs_of(bool(model["majorana"] > 0), projectile),
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "model": model}


def _check_physics(card: RunCard, scheme: DipoleScheme | ScalarScheme) -> None:
    """Raise InputError for switches of `physics` that are about a Z' alone."""
    usual = {"zprime_polarisation": True, "zprime_flight": "auto", "line_shape": False}
    for key, value in usual.items():
        found = getattr(card.physics, key)
        if found != value:
            word = str(found).lower()
            raise InputError(f"physics.{key}", word, f"only with a Z', not with a {scheme.mediator}", "Remove it.")


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    model, scheme = model_of(card), scheme_of(card)
    _check_physics(card, scheme)
    warn_of_limits(model, scheme)
    paths = paths_of(card, model, scheme)
    scattering = partial(couplings, scheme.mediator, card, model)
    channels = shared.channels_of(card, [production_of(card, model, scheme, p, paths, scattering) for p in paths])
    masses = {**masses_in_header(model, scheme), "photon": 0.0}
    boson = None
    if isinstance(scheme, ScalarScheme):
        masses["hprime"] = float(model["mhprime"])
        boson = {"mass": float(model["mhprime"]), "two_spin": 0, "description": "dark scalar"}
    exchange = EXCHANGE[scheme.mediator]
    processes = shared.process_rows((channel.process_id for channel in channels), exchange, ["2207.04137"])
    particles = particle_rows(card, model, scheme, boson)
    return shared.build_of(
        card, channels, masses, particles, processes, shared.CITATIONS, partial(total_cross_section, scheme)
    )


def total_cross_section(
    scheme: DipoleScheme | ScalarScheme, params: Params, energy: NDArray[np.float64], nodes: int = shared.XSEC_NODES
) -> NDArray[np.float64]:
    """`dark_neutrino_channels.total_cross_section` of a channel's parameters."""
    return shared.total_cross_section(params, produced_mass(params), scheme.exchange(params), energy, nodes)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`."""
    model, scheme = model_of(card), scheme_of(card)
    made = made_by_the_beam(model, scheme, partial(couplings, scheme.mediator, card, model))
    return shared.xsec_rows(card, energies, targets, made, partial(total_cross_section, scheme))


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return shared.width_rows(host_widths(model_of(card), scheme_of(card)))


def point(card: RunCard) -> tuple[DipoleScheme | ScalarScheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino-without-zprime", build, widths, xsec, point))
