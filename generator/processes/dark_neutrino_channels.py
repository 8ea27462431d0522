"""From a card to channels and cross sections, for dark neutrinos with any mediator.

A process (dark_neutrino.py, dark_neutrino_mediators.py) says what the beam makes and how that decays (`Production`);
places, nuclei, nucleons, helicities, projectiles, flux tables, records and headers are made of it here, the same way
for all of them.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params
from darkhorn.generator.channel import Build, Channel
from darkhorn.generator.citations import nucleon_references
from darkhorn.generator.experiment import FLAVOUR_NAME, PARENT_GAMMA_PER_GEV, Experiment, experiment
from darkhorn.generator.processes.dark_neutrino_model import Widths, total_width
from darkhorn.generator.processes.dark_neutrino_targets import (
    NUCLEONS,
    PROCESS_ID,
    Motion,
    check_gases,
    density_of,
    is_bound,
    least_energy,
    motion_of,
    nuclear_numbers,
    scatterer,
    scatterer_mass,
    scatterers_in,
    series_terms,
)
from darkhorn.generator.ray_source import by_rays, for_source
from darkhorn.generator.record import REMNANT_PDG, Topology
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide, nuclide
from darkhorn.kernels.constants import HBAR_C
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.matrix_elements import fermi_gas_totals
from darkhorn.kernels.matrix_elements.exchange import Exchange
from darkhorn.kernels.matrix_elements.fermi_gas import response_of_free_nucleons
from darkhorn.kernels.matrix_elements.upscattering import Target, invariants, threshold
from darkhorn.kernels.quadrature import gauss_legendre

HELICITY = {"conserving": -1.0, "flipping": 1.0}
FLAVOUR_INDEX = {12: 0, 14: 1, 16: 2}
XSEC_NODES = 200
CITATIONS = ("darkhorn", "NuHepMC:2023", "DarkNews:2022", "MiniBooNE:2008", "DeVries:1987")
Scattering = Callable[[Nuclide, str, int], dict[str, Any]]


@dataclass(frozen=True)
class Production:
    """A state that the beam makes and one of its decays: the channels that differ in place, nucleus, regime, helicity
    and projectile alone.

    produced     name of the state
    couplings    its vertices (3,) with nu_e, nu_mu, nu_tau: no channel where one is 0
    least_mass   GeV: mass of the state, or the least one where it is drawn
    scattering   (nuclide, regime, projectile) -> the part of the parameters that makes its scattering
    decay        the part of the parameters that makes its decay
    bosons       role -> PDG code of the mediators on shell
    chain        (mode, motion of the scatterer) -> the chain
    record       whether the scatterer is bound -> the record
    columns      (chain, force_decay, motion) -> stored columns
    can_miss     (mode, motion) -> whether events of weight zero happen
    suffix       ends the names of its channels
    """

    produced: str
    couplings: tuple[float, ...]
    least_mass: float
    scattering: Scattering
    decay: dict[str, Any]
    bosons: dict[str, int]
    chain: Callable[[str, Motion], Chain]
    record: Callable[[bool], Topology]
    columns: Callable[[Chain, bool, Motion], tuple[str, ...]]
    can_miss: Callable[[str, Motion], bool]
    suffix: str = ""


def signs_of(majorana: bool, projectile: int) -> tuple[float, float]:
    """Shares of N -> daughter and N -> its antiparticle."""
    return (0.5, 0.5) if majorana else ((1.0, 0.0) if projectile > 0 else (0.0, 1.0))


def daughter_codes(card: RunCard, daughter: str) -> list[int]:
    """PDG codes (6,) of a daughter: by flavour for a neutrino, and those of the antiparticle."""
    if daughter == "nu":
        return [12, 14, 16, -12, -14, -16]
    code = card.output.pdg_map[daughter]
    return [code] * 3 + [code if card.model.hnl == "majorana" else -code] * 3  # type: ignore[attr-defined]


def state_rows(card: RunCard, name: str, mass: float, width: float) -> list[dict[str, Any]]:
    """Rows of a heavy neutral lepton (GeV), and of its antiparticle where there is one, for the header."""
    majorana = card.model.hnl == "majorana"  # type: ignore[attr-defined]
    text = f"heavy neutral lepton, {'Majorana' if majorana else 'Dirac'}" + (
        "" if width > 0 else "; leaves the detector"
    )
    numbers = {"pdg": card.output.pdg_map[name], "mass": mass, "charge": 0, "width": width, "two_spin": 1}
    row = {**numbers, "name": name, "role": name.lower(), "description": text}
    if majorana:
        return [row]
    return [row, {**row, "pdg": -numbers["pdg"], "name": f"{name}~", "description": f"antiparticle of {name}"}]


def process_rows(ids: Iterable[int], exchange: str, papers: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the scattering processes by `exchange` (a phrase) for the header."""
    text = {
        750: ("HNL upscattering, coherent", "nu A -> N A on the whole nucleus"),
        751: ("HNL upscattering, proton elastic", "nu p -> N p on one proton"),
        752: ("HNL upscattering, neutron elastic", "nu n -> N n on one neutron"),
    }
    return [
        {"id": i, "name": text[i][0], "description": f"{text[i][1]} by {exchange}", "arxiv": list(papers)}
        for i in sorted(set(ids))
    ]


def _combinations(card: RunCard, exp: Experiment, made: Production) -> Iterable[tuple[str, Nuclide, str, str, int]]:
    """(region, nuclide, regime, helicity, projectile) of every channel of a production with a rate above zero."""
    for region in card.regions:
        for name in exp.scatterers(region):
            what = nuclide(name)
            for regime, helicity in itertools.product(card.physics.regimes, card.physics.helicities):
                for projectile in exp.fluxes.fluxes:
                    if scatterers_in(what, regime) and made.couplings[FLAVOUR_INDEX[abs(projectile)]] != 0:
                        yield region, what, regime, helicity, projectile


def channels_of(card: RunCard, productions: Sequence[Production]) -> tuple[Channel, ...]:
    """The channels. Raises InputError where none has a rate, or the beam is below every threshold."""
    exp = experiment(card)
    choices = [(made, *rest) for made in productions for rest in _combinations(card, exp, made)]
    if not choices:
        strengths = np.sum([np.abs(made.couplings) for made in productions], axis=0)
        raise InputError(
            "model",
            f"couplings (e, mu, tau) {', '.join(f'{g:g}' for g in strengths)} with a beam of "
            f"{', '.join(FLAVOUR_NAME[p] for p in exp.fluxes.fluxes)}",
            f"a flavour of the beam that couples to {' or '.join(dict.fromkeys(made.produced for made in productions))}"
            ", and a regime that the targets have",
            "Check `source.flavours`, `physics.regimes` and the couplings of `model`.",
        )
    check_gases(card, (what.name for _, _, what, *_ in choices))
    nuclides = {what.name: density_of(card, what) for _, _, what, *_ in choices}
    terms = series_terms(nuclides.values())
    kinds = {(what.name, regime): nuclear_numbers(card, what, regime) for _, _, what, regime, *_ in choices}
    lowest = [
        least_energy(kinds[what.name, regime], what, regime, made.least_mass) for made, _, what, regime, _, _ in choices
    ]
    card.check_threshold(min(lowest), max(float(flux.edges[-1]) for flux in exp.fluxes.fluxes.values()))
    common = {"parent_gamma_per_gev": np.asarray(PARENT_GAMMA_PER_GEV, np.float64), "spill": exp.spill}
    channels = []
    for (made, region, what, regime, helicity, projectile), least in zip(choices, lowest, strict=True):
        flux = exp.fluxes.fluxes[projectile]
        if least >= float(flux.edges[-1]) or flux.integral(least, float(flux.edges[-1])) <= 0:
            continue
        what = nuclides[what.name]
        atoms = exp.scatterers(region)
        params = {
            **common,
            **kinds[what.name, regime],
            "flux": exp.flux_params(projectile, least),
            "region": exp.detector.volumes[region].shape,
            "scatterers_per_cm3": np.asarray(atoms[what.name] * scatterers_in(what, regime)),
            "beam": exp.beam[projectile],
            "target": scatterer(card, what, regime, terms),
            "helicity": np.asarray(HELICITY[helicity]),
            **made.scattering(what, regime, projectile),
            **made.decay,
        }
        for decay_in in card.decay_in:
            here = {**params, "decay_region": exp.detector.volumes[decay_in].shape}
            by = (regime, helicity, projectile)
            fraction = atoms[what.name] / sum(atoms.values())
            channels.append(_channel(card, made, here, (region, decay_in), what, by, fraction))
    return tuple(channels)


def _channel(
    card: RunCard, made: Production, params: dict[str, Any], where: tuple[str, str], what: Nuclide,
    by: tuple[str, str, int], fraction: float,
) -> Channel:  # fmt: skip
    (region, decay_in), (regime, helicity, projectile) = where, by
    bound, motion = is_bound(what, regime), motion_of(card, what, regime)
    recoil_mass = scatterer_mass(what, regime)
    code = card.output.pdg_map[made.produced]
    antiparticle = projectile < 0 and card.model.hnl == "dirac"  # type: ignore[attr-defined]
    constants: dict[str, np.generic] = {
        "process_id": np.int16(PROCESS_ID[regime]),
        "region": np.int8(list(card.regions).index(region)),
        "nu_pdg": np.int32(projectile),
        f"{made.produced.lower()}_pdg": np.int32(-code if antiparticle else code),
        "target_pdg": np.int32(what.pdg),
        "target_mass": np.float64(what.mass if what.A > 1 else recoil_mass),
        "recoil_pdg": np.int32(what.pdg if regime == "coherent" else NUCLEONS[regime].pdg),
        "recoil_mass": np.float64(recoil_mass),
        **{f"{role}_pdg": np.int32(pdg) for role, pdg in made.bosons.items()},
    }
    if bound:
        constants |= {"struck_pdg": np.int32(NUCLEONS[regime].pdg), "remnant_pdg": np.int32(REMNANT_PDG)}
    if bound and motion != "gas":
        rest = {"px": 0.0, "py": 0.0, "pz": 0.0}
        for role, mass in (("struck", recoil_mass), ("remnant", what.mass - recoil_mass)):
            constants |= {f"{role}_{c}": np.float64(v) for c, v in {**rest, "e": mass}.items()}
            constants[f"{role}_mass"] = np.float64(mass)
    mode = "free" if not card.force_decay else "forced" if region == decay_in else "backward"
    chain = for_source(made.chain(mode, motion), params)
    place = region if len(card.decay_in) == 1 else f"{region} to {decay_in}"
    return Channel(
        name="/".join((FLAVOUR_NAME[projectile], what.name, regime, helicity, place)) + made.suffix,
        chain=chain,
        params=params,
        topology=made.record(bound),
        process_id=PROCESS_ID[regime],
        projectile_pdg=projectile,
        target=what.name,
        target_pdg=what.pdg,
        regime=regime,
        helicity=helicity,
        region=region,
        constants=constants,
        columns=made.columns(chain, card.force_decay, motion),
        can_miss=mode == "backward" or by_rays(params) or made.can_miss(mode, motion),
        target_fraction=fraction,
    )


def build_of(
    card: RunCard, channels: tuple[Channel, ...], masses: dict[str, float], particles: list[dict[str, Any]],
    processes: list[dict[str, Any]], citations: tuple[str, ...],
    cross_section: Callable[[Params, NDArray[np.float64]], NDArray[np.float64]],
) -> Build:  # fmt: skip
    """The channels with the header. cross_section: (parameters, energies) -> 1e-38 cm^2 per scatterer."""
    exp = experiment(card)

    def per_nucleus(channel: Channel, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        return cross_section(channel.params, energy) * scatterers_in(nuclide(channel.target), channel.regime)

    return Build(
        channels=channels,
        masses={**masses, "neutrino": 0.0},
        particles=particles,
        processes=processes,
        regions=list(card.regions),
        flux={p: {"edges_GeV": f.edges, "content": f.content} for p, f in exp.fluxes.fluxes.items()},
        detector={
            "name": exp.detector.name,
            "origin_cm": list(exp.detector.origin_cm),
            "rotation": [list(row) for row in exp.detector.rotation],
            "baseline_cm": exp.detector.baseline_cm,
        },
        rays=exp.ray_record,
        citations=(*citations, *nucleon_references(card.physics.model_dump())),
        cross_section=per_nucleus,
    )


def width_rows(widths: Widths) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`: one per open channel, then one per unstable particle."""
    totals = {particle: float(total_width(widths, particle)) for particle in widths}
    rows: list[dict[str, Any]] = []
    for particle, channels in widths.items():
        rows += [
            {"particle": particle, "channel": n, "width_GeV": float(w), "branching_ratio": float(w) / totals[particle]}
            for n, w in channels.items()
            if w > 0
        ]
    for particle, total in totals.items():
        if total > 0:
            rows.append({"particle": particle, "total_width_GeV": total, "ctau_cm": HBAR_C / total})
    return rows


# ---------------------------------------------------------------------------------------------------- cross sections
@partial(jax.jit, static_argnums=(6,))
def _total(
    energy: jax.Array, m: jax.Array, helicity: jax.Array, target: Target, exchange: Exchange,
    response: tuple[jax.Array, jax.Array] | None, nodes: int,
) -> jax.Array:  # fmt: skip
    cm = invariants(energy, m, target.mass)

    def integrand(log_q2: jax.Array) -> jax.Array:
        q2 = jnp.exp(log_q2)
        share = 1.0 if response is None else response_of_free_nucleons(q2, response[0], target, response[1])
        return q2 * exchange.dsigma_dq2(energy[..., None], q2, m, helicity, target) * share

    opened = energy > threshold(m, target.mass)
    high = jnp.where(opened, cm.q2_max, 2 * cm.q2_min)
    total = gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(high), nodes)
    return jnp.where(opened, total, 0.0)


_gas_total = jax.jit(partial(fermi_gas_totals.total, nodes=12, omega_nodes=8))


def total_cross_section(
    params: Params, m: Any, exchange: Exchange, energy: NDArray[np.float64], nodes: int = XSEC_NODES
) -> NDArray[np.float64]:
    """Total cross section of a channel's parameters for N of mass m at energies (n,) GeV: 1e-38 cm^2 per scatterer.

    Gauss-Legendre in ln Q^2, accurate to 1e-8; for a nucleon of a Fermi gas to 1e-4 (`fermi_gas_totals.total`): tables
    of every run are made of it. params: `helicity`, `target`, and those of `nuclear_numbers`.
    """
    first = (jnp.asarray(energy), m, jnp.asarray(params["helicity"]), params["target"])
    if "gas" in params:
        return np.asarray(_gas_total(*first, params["gas"], exchange))
    response = (params["response"], params["fermi_momentum"]) if "response" in params else None
    return np.asarray(_total(*first, exchange, response, nodes))


def xsec_rows(
    card: RunCard, energies: list[float], targets: list[str] | None,
    made: Sequence[tuple[str, Sequence[float], Scattering]],
    cross_section: Callable[[Params, NDArray[np.float64]], NDArray[np.float64]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of `darkhorn xsec`: total cross sections in cm^2 per scatterer (nucleus, or one nucleon), every flavour that
    couples. made: of every state its name, its couplings (3,) and its `Production.scattering`.
    """
    exp = experiment(card)
    names = targets or list(dict.fromkeys(n for region in card.regions for n in exp.scatterers(region)))
    found = [density_of(card, nuclide(name, "--target")) for name in names]
    terms = series_terms(found)
    rows = []
    for (produced, couples, scattering), projectile in itertools.product(made, exp.fluxes.fluxes):
        if couples[FLAVOUR_INDEX[abs(projectile)]] == 0:
            continue
        for what, regime, helicity in itertools.product(found, card.physics.regimes, card.physics.helicities):
            if not scatterers_in(what, regime):
                continue
            params = {
                "helicity": jnp.asarray(HELICITY[helicity]),
                "target": scatterer(card, what, regime, terms),
                **nuclear_numbers(card, what, regime),
                **scattering(what, regime, projectile),
            }
            struck = what.name if regime == "coherent" else NUCLEONS[regime].name
            rows += [
                {
                    "process": f"{FLAVOUR_NAME[projectile]} {struck} -> {produced} {struck}",
                    "target": what.name,
                    "regime": regime,
                    "helicity": helicity,
                    "energy_GeV": energy,
                    "xsec_cm2": float(value) * 1e-38,
                }
                for energy, value in zip(energies, cross_section(params, np.array(energies)), strict=True)
            ]
    return rows
