"""The process "dark-neutrino": nu A -> N A by Z' and Z exchange, N -> nu l+ l- or a lighter state and l+ l-.

Here the pieces come together: kernels/matrix_elements/upscattering.py and neutral_decays.py (densities),
dark_neutrino_model.py (couplings and widths), dark_neutrino_paths.py (decays that are generated),
dark_neutrino_targets.py (nuclei and nucleons), dark_neutrino_chains.py (stages in order), dark_neutrino_topologies.py
(records), dark_neutrino_channels.py (channels, cross sections). Physics: docs/physics/dark_neutrino.md.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.channel import Build, Process, register
from darkhorn.generator.processes import dark_neutrino_channels as shared
from darkhorn.generator.processes.dark_neutrino_chains import chain_of, names_of, roles_of, stored_columns
from darkhorn.generator.processes.dark_neutrino_channels import FLAVOUR_INDEX, Production, Scattering
from darkhorn.generator.processes.dark_neutrino_model import (
    STATES,
    Scheme,
    beam_vertices,
    exchange_of,
    host_widths,
    mass_key,
    model_of,
    produced_mass,
    scheme_of,
    total_width,
    warn_of_limits,
)
from darkhorn.generator.processes.dark_neutrino_paths import Path, form_of, path_params, paths_of, suffix
from darkhorn.generator.processes.dark_neutrino_targets import (
    FLOOR_NEUTRON,
    SCALE_NUCLEON,
    SCALE_NUCLEUS,
    Motion,
)
from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.record import Topology
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON
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
        "produced": [float(state == produced) for state in scheme_states(model)],
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


def scheme_states(model: Params) -> list[str]:
    """Names of the states of a model."""
    return [name for name in STATES if mass_key(name) in model]


def _beam_couplings(model: Params, produced: str) -> tuple[float, ...]:
    """Vertices (3,) of a state with the flavours of the beam."""
    return tuple(float(d) for d in np.asarray(beam_vertices(model))[scheme_states(model).index(produced)])


def _production(card: RunCard, model: Params, scheme: Scheme, path: Path, paths: list[Path]) -> Production:
    form = form_of(path, scheme)
    zprime = card.output.pdg_map["Zprime"]

    def columns(chain: Chain, forced: bool, motion: Motion) -> tuple[str, ...]:
        return stored_columns(scheme, path, chain, forced, motion == "gas")

    def record(bound: bool) -> Topology:
        return topology(bound, roles_of(path), path.pairs, form.on_shell, form.displaced, form.line_shape)

    def can_miss(mode: str, motion: Motion) -> bool:
        return len(path.pairs) == 2 or form.displaced or (form.line_shape and motion == "gas")

    return Production(
        produced=path.produced,
        couplings=_beam_couplings(model, path.produced),
        least_mass=float(_least_mass(model, scheme, path)),
        scattering=partial(couplings, card, model, path.produced),
        decay={
            "polarised": np.asarray(float(card.physics.zprime_polarisation)),
            "path": path_params(scheme, path, paths),
            "daughter_pdg": np.array([shared.daughter_codes(card, name) for name in path.daughters], np.int32),
        },
        bosons={f"zprime{'2' * step}": zprime for step, real in enumerate(form.on_shell) if real},
        chain=lambda mode, motion: chain_of(scheme, form, mode, names_of(path), motion),
        record=record,
        columns=columns,
        can_miss=can_miss,
        suffix=suffix(path, scheme),
    )


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    model, scheme = model_of(card), scheme_of(card)
    warn_of_limits(model, scheme)
    paths = paths_of(card, model, scheme)
    channels = shared.channels_of(card, [_production(card, model, scheme, path, paths) for path in paths])
    masses = {
        **{name.lower(): float(model[mass_key(name)]) for name in scheme.states},
        "zprime": float(model["mzprime"]),
        "electron": MASS_ELECTRON,
        "muon": MASS_MUON,
    }
    papers = ["1807.09877", "1808.02915", "2207.04137"]
    processes = shared.process_rows((channel.process_id for channel in channels), "Z' and Z exchange", papers)
    particles = _particles(card, model, scheme)
    return shared.build_of(card, channels, masses, particles, processes, CITATIONS, total_cross_section)


def _least_mass(model: Params, scheme: Scheme, path: Path) -> Any:
    """Least mass (GeV) of what the beam makes. A drawn mass begins where the decay opens."""
    if form_of(path, scheme).line_shape:
        daughter = path.daughters[0]
        return model["mzprime"] + (0.0 if daughter == "nu" else model[mass_key(daughter)])
    return model[mass_key(path.produced)]


def _particles(card: RunCard, model: Params, scheme: Scheme) -> list[dict[str, Any]]:
    """The states that are not in the PDG list, with their antiparticles where they differ."""
    widths = host_widths(model, scheme)
    particles: list[dict[str, Any]] = []
    for name in reversed(scheme.states):
        particles += shared.state_rows(card, name, float(model[mass_key(name)]), float(total_width(widths, name)))
    numbers = {"pdg": card.output.pdg_map["Zprime"], "mass": float(model["mzprime"]), "charge": 0, "two_spin": 2}
    width = float(total_width(widths, "Zprime"))
    text = "dark photon coupled by kinetic mixing"
    return [*particles, {**numbers, "width": width, "name": "Zprime", "role": "zprime", "description": text}]


def total_cross_section(
    params: Params, energy: NDArray[np.float64], nodes: int = shared.XSEC_NODES
) -> NDArray[np.float64]:
    """`dark_neutrino_channels.total_cross_section` of a channel's parameters."""
    return shared.total_cross_section(params, produced_mass(params), exchange_of(params), energy, nodes)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`."""
    model = model_of(card)
    made: list[tuple[str, tuple[float, ...], Scattering]] = [
        (produced, _beam_couplings(model, produced), partial(couplings, card, model, produced))
        for produced in scheme_states(model)
    ]
    return shared.xsec_rows(card, energies, targets, made, total_cross_section)


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return shared.width_rows(host_widths(model_of(card), scheme_of(card)))


def point(card: RunCard) -> tuple[Scheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino", build, widths, xsec, point))
