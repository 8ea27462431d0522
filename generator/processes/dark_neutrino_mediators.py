"""Dark neutrinos without a Z': nu A -> N A by a transition magnetic moment or a scalar, N -> daughter gamma or e+ e-.

Densities: kernels/matrix_elements/upscattering_flip.py, radiative_decay.py, scalar_decays.py; couplings and widths:
dark_neutrino_mediator_model.py; stages: dark_neutrino_mediator_stages.py. Physics: docs/physics/mediators.md.
"""

import itertools
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params
from darkhorn.generator.channel import Build, Channel, Process, register
from darkhorn.generator.experiment import FLAVOUR_NAME, PARENT_GAMMA_PER_GEV, Experiment, experiment
from darkhorn.generator.processes.dark_neutrino import (
    FLAVOUR_INDEX,
    HELICITY,
    XSEC_NODES,
)
from darkhorn.generator.processes.dark_neutrino_chains import STORED
from darkhorn.generator.processes.dark_neutrino_mediator_model import (
    Scheme,
    host_widths,
    model_of,
    prepare,
    scheme_of,
    total_width,
    warn_of_limits,
    width_rows,
)
from darkhorn.generator.processes.dark_neutrino_mediator_stages import DENSITY, chain_of
from darkhorn.generator.processes.dark_neutrino_nucleons import response_density
from darkhorn.generator.processes.dark_neutrino_targets import (
    NUCLEONS,
    PROCESS_ID,
    SCALE_NUCLEON,
    SCALE_NUCLEUS,
    density_of,
    is_bound,
    motion_of,
    nuclear_numbers,
    scatterer,
    scatterer_mass,
    scatterers_in,
    series_terms,
)
from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.ray_source import by_rays, for_source
from darkhorn.generator.record import FINAL, REMNANT_PDG, Particle, Topology
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide, nuclide
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.matrix_elements.upscattering import invariants, threshold
from darkhorn.kernels.quadrature import gauss_legendre

CITATIONS = ("darkhorn", "NuHepMC:2023", "DarkNews:2022", "MiniBooNE:2008", "DeVries:1987")
EXCHANGE = {"dipole": "photon exchange (transition magnetic moment)", "scalar": "exchange of a dark scalar"}


@lru_cache
def record_of(scheme: Scheme, bound: bool) -> Topology:
    """Record of the events: that of a dark neutrino with a Z', with h' in the place of Z', or a photon in that of the
    pair.
    """
    states = ("n5", "n4") if scheme.dual else ("n4", "nu_out")
    base = topology(bound, states, on_shell=(scheme.chain == "scalar",))
    if scheme.chain == "photon":
        kept = tuple(p for p in base.particles if p.role not in ("em", "ep"))
        photon = Particle("gamma", FINAL, base.particle("em").produced, None, pdg=22, mass="photon")
        particles: tuple[Particle, ...] = (*kept, photon)
        final = "gamma"
    else:
        renamed = {"role": "hprime", "mass": "hprime"}
        particles = tuple(Particle(**{**vars(p), **renamed}) if p.role == "zprime" else p for p in base.particles)
        final = "h', h' -> e+ e-" if scheme.chain == "scalar" else "e+ e-"
    made = f"{scheme.produced} -> {scheme.daughter} {final}"
    name = base.name.replace("zprime", "hprime").replace("_ee", "_gamma" if final == "gamma" else "_ee")
    description = f"{base.description.split(', then ')[0]}, then {made}"
    return Topology(name, base.vertices, particles, description)


def _scatters_on(what: Nuclide, regime: str) -> tuple[float, float]:
    """Protons and neutrons of the scatterer."""
    nucleon = {"p-elastic": (1.0, 0.0), "n-elastic": (0.0, 1.0)}
    return (what.Z, what.A - what.Z) if regime == "coherent" else nucleon[regime]


def couplings(model: Params, what: Nuclide, regime: str, projectile: int) -> dict[str, Any]:
    """The part of a channel's parameters from which `prepare` makes the strength of the scattering."""
    majorana, particle = bool(model["majorana"] > 0), projectile > 0
    protons, neutrons = _scatters_on(what, regime)
    numbers = {
        "flavour": np.eye(3)[FLAVOUR_INDEX[abs(projectile)]],
        "protons": protons,
        "neutrons": neutrons,
        "q2_scale": SCALE_NUCLEUS if regime == "coherent" else SCALE_NUCLEON,
        "signs": (0.5, 0.5) if majorana else ((1.0, 0.0) if particle else (0.0, 1.0)),
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "model": model}


def _combinations(card: RunCard, exp: Experiment, model: Params) -> Iterable[tuple[str, Nuclide, str, str, int]]:
    """(region, nuclide, regime, helicity, projectile) of every channel with a rate above zero."""
    physics = card.physics
    for region in card.regions:
        for name in exp.scatterers(region):
            what = nuclide(name)
            for regime, helicity in itertools.product(physics.regimes, physics.helicities):
                for projectile in exp.fluxes.fluxes:
                    if scatterers_in(what, regime) and model["beam"][FLAVOUR_INDEX[abs(projectile)]] > 0:
                        yield region, what, regime, helicity, projectile


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    exp, model, scheme = experiment(card), model_of(card), scheme_of(card)
    warn_of_limits(model, scheme)
    choices = list(_combinations(card, exp, model))
    if not choices:
        raise InputError(
            "model",
            f"couplings (e, mu, tau) {', '.join(f'{g:g}' for g in np.asarray(model['beam']))} with a beam of "
            f"{', '.join(FLAVOUR_NAME[p] for p in exp.fluxes.fluxes)}",
            f"a flavour of the beam that couples to {scheme.produced}, and a regime that the targets have",
            "Check `source.flavours`, `physics.regimes` and the couplings of `model`.",
        )
    nuclides = {what.name: density_of(card, what) for _, what, *_ in choices}
    terms = series_terms(nuclides.values())
    lowest = [_threshold(model, what, regime) for _, what, regime, _, _ in choices]
    top = max(float(flux.edges[-1]) for flux in exp.fluxes.fluxes.values())
    card.check_threshold(min(lowest), top)
    common = _common(card, exp, model, scheme)
    channels = []
    for (region, what, regime, helicity, projectile), least in zip(choices, lowest, strict=True):
        flux = exp.fluxes.fluxes[projectile]
        if least >= float(flux.edges[-1]) or flux.integral(least, float(flux.edges[-1])) <= 0:
            continue
        what = nuclides[what.name]
        atoms = exp.scatterers(region)
        params = {
            **common,
            "flux": exp.flux_params(projectile, least),
            "region": exp.detector.volumes[region].shape,
            "scatterers_per_cm3": np.asarray(atoms[what.name] * scatterers_in(what, regime)),
            "beam": exp.beam[projectile],
            "target": scatterer(card, what, regime, terms),
            "helicity": np.asarray(HELICITY[helicity]),
            **couplings(model, what, regime, projectile),
            **nuclear_numbers(card, what, regime),
        }
        fraction = atoms[what.name] / sum(atoms.values())
        for decay_in in card.decay_in:
            here = {**params, "decay_region": exp.detector.volumes[decay_in].shape}
            where = (region, decay_in)
            channels.append(_channel(card, scheme, here, where, what, regime, helicity, projectile, fraction))
    states = {"n5": float(model["m_n"]), "n4": float(model["m_j"])} if scheme.dual else {"n4": float(model["m_n"])}
    masses = {**states, "electron": MASS_ELECTRON, "neutrino": 0.0, "photon": 0.0}
    if scheme.mediator == "scalar":
        masses["hprime"] = float(model["mhprime"])
    return Build(
        channels=tuple(channels),
        masses=masses,
        particles=_particles(card, model, scheme),
        processes=_processes(scheme, {channel.process_id for channel in channels}),
        regions=list(card.regions),
        flux={p: {"edges_GeV": f.edges, "content": f.content} for p, f in exp.fluxes.fluxes.items()},
        detector={
            "name": exp.detector.name,
            "origin_cm": list(exp.detector.origin_cm),
            "rotation": [list(row) for row in exp.detector.rotation],
            "baseline_cm": exp.detector.baseline_cm,
        },
        citations=CITATIONS,
        cross_section=partial(_per_nucleus, scheme),
    )


def _threshold(model: Params, what: Nuclide, regime: str) -> float:
    return float(threshold(model["m_n"], jnp.asarray(scatterer_mass(what, regime))))


def _common(card: RunCard, exp: Experiment, model: Params, scheme: Scheme) -> dict[str, Any]:
    n4 = card.output.pdg_map["N4"]
    own = [n4, n4, n4, *[n4 if bool(model["majorana"] > 0) else -n4] * 3]
    return {
        "m_lepton": np.asarray(MASS_ELECTRON),
        "parent_gamma_per_gev": np.asarray(PARENT_GAMMA_PER_GEV, np.float64),
        "daughter_pdg": np.array(own if scheme.dual else [12, 14, 16, -12, -14, -16], np.int32),
        "spill": exp.spill,
    }


def _channel(
    card: RunCard, scheme: Scheme, params: dict[str, Any], where: tuple[str, str], what: Nuclide, regime: str,
    helicity: str, projectile: int, fraction: float,
) -> Channel:  # fmt: skip
    region, decay_in = where
    place = region if len(card.decay_in) == 1 else f"{region} to {decay_in}"
    bound, recoil_mass = is_bound(what, regime), scatterer_mass(what, regime)
    made = card.output.pdg_map[scheme.produced]
    antiparticle = projectile < 0 and card.model.hnl == "dirac"  # type: ignore[attr-defined]
    constants: dict[str, np.generic] = {
        "process_id": np.int16(PROCESS_ID[regime]),
        "region": np.int8(list(card.regions).index(region)),
        "nu_pdg": np.int32(projectile),
        f"{scheme.produced.lower()}_pdg": np.int32(-made if antiparticle else made),
        "target_pdg": np.int32(what.pdg),
        "target_mass": np.float64(what.mass if what.A > 1 else recoil_mass),
        "recoil_pdg": np.int32(what.pdg if regime == "coherent" else NUCLEONS[regime].pdg),
        "recoil_mass": np.float64(recoil_mass),
    }
    if scheme.chain == "scalar":
        constants["hprime_pdg"] = np.int32(card.output.pdg_map["Hprime"])
    if bound:
        rest = {"px": 0.0, "py": 0.0, "pz": 0.0}
        for role, mass in (("struck", recoil_mass), ("remnant", what.mass - recoil_mass)):
            constants |= {f"{role}_{c}": np.float64(v) for c, v in {**rest, "e": mass}.items()}
            constants[f"{role}_mass"] = np.float64(mass)
        constants |= {"struck_pdg": np.int32(NUCLEONS[regime].pdg), "remnant_pdg": np.int32(REMNANT_PDG)}
    mode = "free" if not card.force_decay else "forced" if region == decay_in else "backward"
    response = motion_of(card, what, regime) == "response"
    chain, record = for_source(chain_of(scheme, mode, response), params), record_of(scheme, bound)
    chosen = {role for role in ("struck", "remnant", "target")}
    momenta = tuple(f"{p.role}_{c}" for p in record.particles if p.role not in chosen for c in ("px", "py", "pz", "e"))
    daughter = "n4_pdg" if scheme.dual else "nu_out_pdg"
    flag = () if card.force_decay else ("decay_inside",)
    return Channel(
        name="/".join((FLAVOUR_NAME[projectile], what.name, regime, helicity, place)),
        chain=chain,
        params=params,
        topology=record,
        process_id=PROCESS_ID[regime],
        projectile_pdg=projectile,
        target=what.name,
        target_pdg=what.pdg,
        regime=regime,
        helicity=helicity,
        region=region,
        constants=constants,
        columns=(*STORED, daughter, *momenta, *flag, *chain.factors, "w_sampling", "weight"),
        can_miss=mode == "backward" or by_rays(params),
        target_fraction=fraction,
    )


def _particles(card: RunCard, model: Params, scheme: Scheme) -> list[dict[str, Any]]:
    """The states that are not in the PDG list, with their antiparticles where they differ."""
    nature = "Majorana" if bool(model["majorana"] > 0) else "Dirac"
    widths = host_widths(model, scheme)
    states = {scheme.produced: float(model["m_n"]), **({"N4": float(model["m_j"])} if scheme.dual else {})}
    particles: list[dict[str, Any]] = []
    for name, mass in states.items():
        width = float(total_width(widths, name)) if name in widths else 0.0
        text = f"heavy neutral lepton, {nature}" + ("" if name in widths else "; leaves the detector")
        numbers = {"pdg": card.output.pdg_map[name], "mass": mass, "charge": 0, "width": width, "two_spin": 1}
        particles.append({**numbers, "name": name, "role": name.lower(), "description": text})
        if nature == "Dirac":
            text = f"antiparticle of {name}"
            particles.append({**particles[-1], "pdg": -numbers["pdg"], "name": f"{name}~", "description": text})
    if scheme.mediator == "scalar":
        width = float(total_width(widths, "Hprime"))
        numbers = {"pdg": card.output.pdg_map["Hprime"], "mass": float(model["mhprime"]), "charge": 0, "two_spin": 0}
        particles.append({**numbers, "width": width, "name": "Hprime", "role": "hprime", "description": "dark scalar"})
    return particles


def _processes(scheme: Scheme, ids: set[int]) -> list[dict[str, Any]]:
    text = {
        750: ("HNL upscattering, coherent", "nu A -> N A on the whole nucleus"),
        751: ("HNL upscattering, proton elastic", "nu p -> N p on a proton at rest"),
        752: ("HNL upscattering, neutron elastic", "nu n -> N n on a neutron at rest"),
    }
    exchange = EXCHANGE[scheme.mediator]
    return [
        {"id": i, "name": text[i][0], "description": f"{text[i][1]} by {exchange}", "arxiv": ["2207.04137"]}
        for i in sorted(ids)
    ]


# ---------------------------------------------------------------------------------------------------- cross sections
@partial(jax.jit, static_argnums=(0, 3))
def _total(scheme: Scheme, params: Params, energy: jax.Array, nodes: int) -> jax.Array:
    ready = prepare(scheme)(params)
    m, mass = ready["m_n"], ready["target"].mass
    cm = invariants(energy, m, mass)

    def integrand(log_q2: jax.Array) -> jax.Array:
        q2 = jnp.exp(log_q2)
        density = DENSITY[scheme.mediator](ready, energy[..., None], q2)
        return q2 * density * (response_density(ready, {"q2": q2}) if "response" in ready else 1.0)

    opened = energy > threshold(m, mass)
    high = jnp.where(opened, cm.q2_max, 2 * cm.q2_min)
    return jnp.where(opened, gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(high), nodes), 0.0)


def total_cross_section(
    scheme: Scheme, params: Params, energy: NDArray[np.float64], nodes: int = XSEC_NODES
) -> NDArray[np.float64]:
    """Total cross section of a channel's parameters at energies (n,) GeV: 1e-38 cm^2 per scatterer.

    Gauss-Legendre in ln Q^2, accurate to 1e-8.
    """
    read = ("model", "flavour", "protons", "neutrons", "q2_scale", "signs", "target", "helicity")
    nuclear = [name for name in ("response", "fermi_momentum") if name in params]
    return np.asarray(_total(scheme, {name: params[name] for name in (*read, *nuclear)}, jnp.asarray(energy), nodes))


def _per_nucleus(scheme: Scheme, channel: Channel, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return total_cross_section(scheme, channel.params, energy) * scatterers_in(nuclide(channel.target), channel.regime)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`: total cross sections in cm^2 per scatterer (nucleus, or one nucleon), every flavour that
    couples.
    """
    exp, model, scheme = experiment(card), model_of(card), scheme_of(card)
    names = targets or list(dict.fromkeys(n for region in card.regions for n in exp.scatterers(region)))
    found = [density_of(card, nuclide(name, "--target")) for name in names]
    terms = series_terms(found)
    rows = []
    for projectile in exp.fluxes.fluxes:
        if model["beam"][FLAVOUR_INDEX[abs(projectile)]] == 0:
            continue
        for what, regime, helicity in itertools.product(found, card.physics.regimes, card.physics.helicities):
            if not scatterers_in(what, regime):
                continue
            params = {
                "helicity": jnp.asarray(HELICITY[helicity]),
                "target": scatterer(card, what, regime, terms),
                **couplings(model, what, regime, projectile),
                **nuclear_numbers(card, what, regime),
            }
            struck = what.name if regime == "coherent" else NUCLEONS[regime].name
            rows += [
                {
                    "process": f"{FLAVOUR_NAME[projectile]} {struck} -> {scheme.produced} {struck}",
                    "target": what.name,
                    "regime": regime,
                    "helicity": helicity,
                    "energy_GeV": energy,
                    "xsec_cm2": float(value) * 1e-38,
                }
                for energy, value in zip(energies, total_cross_section(scheme, params, np.array(energies)), strict=True)
            ]
    return rows


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return width_rows(model_of(card), scheme_of(card))


def point(card: RunCard) -> tuple[Scheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino-without-zprime", build, widths, xsec, point))
