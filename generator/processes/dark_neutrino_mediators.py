"""Dark neutrinos without a Z': nu A -> N A by a transition magnetic moment or a scalar, N -> daughter gamma or l+ l-.

Densities: kernels/matrix_elements/upscattering_flip.py, exchange.py, radiative_decay.py, scalar_decays.py; couplings,
widths and generated decays: dark_neutrino_mediator_model.py; stages: dark_neutrino_mediator_stages.py; channels and
cross sections: dark_neutrino_channels.py. Physics: docs/physics/mediators.md.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.channel import Build, Process, register
from darkhorn.generator.processes import dark_neutrino_channels as shared
from darkhorn.generator.processes.dark_neutrino_chains import STORED
from darkhorn.generator.processes.dark_neutrino_channels import FLAVOUR_INDEX, Production
from darkhorn.generator.processes.dark_neutrino_mediator_model import (
    Decay,
    Scheme,
    decay_params,
    decays_of,
    exchange_of,
    host_widths,
    model_of,
    scheme_of,
    warn_of_limits,
)
from darkhorn.generator.processes.dark_neutrino_mediator_stages import chain_of
from darkhorn.generator.processes.dark_neutrino_model import total_width
from darkhorn.generator.processes.dark_neutrino_targets import (
    FLOOR_GAS,
    SCALE_NUCLEON,
    SCALE_NUCLEUS,
    Motion,
    motion_of,
)
from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.record import FINAL, Particle, Topology
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON

EXCHANGE = {"dipole": "photon exchange (transition magnetic moment)", "scalar": "exchange of a dark scalar"}


def _states(scheme: Scheme, decay: Decay) -> tuple[str, str]:
    """Roles in the file of what the beam makes and of its daughter."""
    return scheme.produced.lower(), "nu_out" if decay.daughter == "nu" else decay.daughter.lower()


@lru_cache
def record_of(scheme: Scheme, decay: Decay, bound: bool) -> Topology:
    """Record of the events: that of a dark neutrino with a Z', with h' in the place of Z', or a photon in that of the
    pair.
    """
    form = decay.form(scheme)
    pair = "e+e-" if form == "photon" else decay.final
    base = topology(bound, _states(scheme, decay), (pair,), on_shell=(form == "scalar",))
    if form == "photon":
        kept = tuple(p for p in base.particles if p.role not in ("em", "ep"))
        photon = Particle("gamma", FINAL, base.particle("em").produced, None, pdg=22, mass="photon")
        particles: tuple[Particle, ...] = (*kept, photon)
        name, text = base.name.replace("_ee", "_gamma"), base.description.replace("e+ e-", "gamma")
    else:
        renamed = {"role": "hprime", "mass": "hprime"}
        particles = tuple(Particle(**{**vars(p), **renamed}) if p.role == "zprime" else p for p in base.particles)
        name, text = base.name.replace("zprime", "hprime"), base.description.replace("Z'", "h'")
    return Topology(name, base.vertices, particles, text)


def couplings(
    card: RunCard, model: Params, scheme: Scheme, what: Nuclide, regime: str, projectile: int
) -> dict[str, Any]:
    """The part of a channel's parameters from which `prepare` makes what is exchanged."""
    nucleus = regime == "coherent"
    gas = motion_of(card, what, regime) == "gas"
    numbers = {
        "flavour": np.eye(3)[FLAVOUR_INDEX[abs(projectile)]],
        "protons": what.Z if nucleus else float(regime == "p-elastic"),
        "neutrons": what.A - what.Z if nucleus else float(regime == "n-elastic"),
        "q2_scale": SCALE_NUCLEUS if nucleus else SCALE_NUCLEON,
        "q2_floor": FLOOR_GAS[scheme.mediator] if gas else 0.0,
        "signs": shared.signs_of(bool(model["majorana"] > 0), projectile),
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "model": model}


def _beam_couplings(model: Params) -> tuple[float, ...]:
    return tuple(float(g) for g in np.asarray(model["beam"]))


def _suffix(scheme: Scheme, decay: Decay) -> str:
    """What a decay adds to the names of its channels, which seed their random numbers: nothing for the usual one."""
    usual = Decay(scheme.daughters[0], "gamma" if scheme.mediator == "dipole" else "e+e-")
    return "" if decay == usual else f"/{scheme.produced}>{decay.daughter}/{decay.final}"


def _production(card: RunCard, model: Params, scheme: Scheme, decay: Decay) -> Production:
    chosen = {"struck", "remnant", "target"}

    def columns(chain: Chain, forced: bool, motion: Motion) -> tuple[str, ...]:
        nuclear = ("struck", "remnant") if motion == "gas" else ()
        seen = [p.role for p in record_of(scheme, decay, bound=False).particles if p.role not in chosen]
        momenta = tuple(f"{role}_{c}" for role in (*nuclear, *seen) for c in ("px", "py", "pz", "e"))
        masses = tuple(f"{role}_mass" for role in nuclear)
        flag = () if forced else ("decay_inside",)
        code = f"{_states(scheme, decay)[1]}_pdg"
        return (*STORED, code, *masses, *momenta, *flag, *chain.factors, "w_sampling", "weight")

    return Production(
        produced=scheme.produced,
        couplings=_beam_couplings(model),
        least_mass=float(model["m_n"]),
        scattering=partial(couplings, card, model, scheme),
        decay={
            "decay": decay_params(scheme, decay),
            "daughter_pdg": np.array(shared.daughter_codes(card, decay.daughter), np.int32),
        },
        bosons={"hprime": card.output.pdg_map["Hprime"]} if decay.form(scheme) == "scalar" else {},
        chain=lambda mode, motion: chain_of(scheme, decay, mode, motion),
        record=lambda bound: record_of(scheme, decay, bound),
        columns=columns,
        can_miss=lambda mode, motion: False,
        suffix=_suffix(scheme, decay),
    )


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    model, scheme = model_of(card), scheme_of(card)
    warn_of_limits(model, scheme)
    decays = decays_of(card, model, scheme)
    channels = shared.channels_of(card, [_production(card, model, scheme, decay) for decay in decays])
    masses = {f"n{name[1]}": mass for name, mass in _state_masses(model, scheme).items()}
    masses |= {"electron": MASS_ELECTRON, "muon": MASS_MUON, "photon": 0.0}
    if scheme.mediator == "scalar":
        masses["hprime"] = float(model["mhprime"])
    exchange = EXCHANGE[scheme.mediator]
    processes = shared.process_rows((channel.process_id for channel in channels), exchange, ["2207.04137"])
    particles = _particles(card, model, scheme)
    return shared.build_of(
        card, channels, masses, particles, processes, shared.CITATIONS, partial(total_cross_section, scheme)
    )


def _state_masses(model: Params, scheme: Scheme) -> dict[str, float]:
    return {scheme.produced: float(model["m_n"]), **({"N4": float(model["m_j"])} if scheme.dual else {})}


def _particles(card: RunCard, model: Params, scheme: Scheme) -> list[dict[str, Any]]:
    """The states that are not in the PDG list, with their antiparticles where they differ."""
    widths = host_widths(model, scheme)
    particles: list[dict[str, Any]] = []
    for name, mass in _state_masses(model, scheme).items():
        width = float(total_width(widths, name)) if name in widths else 0.0
        particles += shared.state_rows(card, name, mass, width)
    if scheme.mediator == "scalar":
        width = float(total_width(widths, "Hprime"))
        numbers = {"pdg": card.output.pdg_map["Hprime"], "mass": float(model["mhprime"]), "charge": 0, "two_spin": 0}
        particles.append({**numbers, "width": width, "name": "Hprime", "role": "hprime", "description": "dark scalar"})
    return particles


def total_cross_section(
    scheme: Scheme, params: Params, energy: NDArray[np.float64], nodes: int = shared.XSEC_NODES
) -> NDArray[np.float64]:
    """`dark_neutrino_channels.total_cross_section` of a channel's parameters."""
    exchange = exchange_of(params, scheme.mediator)
    return shared.total_cross_section(params, params["model"]["m_n"], exchange, energy, nodes)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`."""
    model, scheme = model_of(card), scheme_of(card)
    made = [(scheme.produced, _beam_couplings(model), partial(couplings, card, model, scheme))]
    return shared.xsec_rows(card, energies, targets, made, partial(total_cross_section, scheme))


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return shared.width_rows(host_widths(model_of(card), scheme_of(card)))


def point(card: RunCard) -> tuple[Scheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino-without-zprime", build, widths, xsec, point))
