"""The process "dark-neutrino": nu A -> N A by Z' and Z exchange, N -> nu l+ l- or a lighter state and l+ l-.

Here the pieces come together: kernels/matrix_elements/upscattering.py and neutral_decays.py (densities),
dark_neutrino_model.py (couplings and widths), dark_neutrino_paths.py (decays that are generated),
dark_neutrino_targets.py (nuclei and nucleons), dark_neutrino_chains.py (stages in order),
dark_neutrino_topologies.py (records). Physics:
docs/physics/dark_neutrino.md.
"""

import itertools
from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params
from darkhorn.generator.channel import Build, Channel, Process, register
from darkhorn.generator.citations import nucleon_references
from darkhorn.generator.experiment import FLAVOUR_NAME, PARENT_GAMMA_PER_GEV, Experiment, experiment
from darkhorn.generator.processes.dark_neutrino_chains import chain_of, names_of, roles_of, stored_columns
from darkhorn.generator.processes.dark_neutrino_model import (
    STATES,
    Scheme,
    beam_vertices,
    host_widths,
    mass_key,
    model_of,
    produced_mass,
    scheme_of,
    total_width,
    vertices_of,
    warn_of_limits,
    width_rows,
)
from darkhorn.generator.processes.dark_neutrino_paths import Path, form_of, path_params, paths_of, suffix
from darkhorn.generator.processes.dark_neutrino_targets import (
    FLOOR_NEUTRON,
    NUCLEONS,
    PROCESS_ID,
    SCALE_NUCLEON,
    SCALE_NUCLEUS,
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
from darkhorn.generator.processes.dark_neutrino_topologies import topology
from darkhorn.generator.ray_source import by_rays, for_source
from darkhorn.generator.record import REMNANT_PDG
from darkhorn.generator.runcard import RunCard
from darkhorn.geometry.nuclides import Nuclide, nuclide
from darkhorn.kernels.constants import MASS_ELECTRON, MASS_MUON
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.form_factors import weak_charge_of_nucleus
from darkhorn.kernels.matrix_elements import fermi_gas_totals
from darkhorn.kernels.matrix_elements.fermi_gas import response_of_free_nucleons
from darkhorn.kernels.matrix_elements.upscattering import Target, Vertices, dsigma_dq2, invariants, threshold
from darkhorn.kernels.quadrature import gauss_legendre

HELICITY = {"conserving": -1.0, "flipping": 1.0}
FLAVOUR_INDEX = {12: 0, 14: 1, 16: 2}
XSEC_NODES = 200
CITATIONS = (
    "darkhorn", "NuHepMC:2023", "Bertuzzo:2018", "Ballett:2018", "DarkNews:2022", "MiniBooNE:2008", "MicroBooNE:2025",
    "DeVries:1987",
)  # fmt: skip


def couplings(
    card: RunCard, model: Params, what: Nuclide, regime: str, projectile: int, produced: str
) -> dict[str, Any]:
    """The part of a channel's parameters from which `prepare` makes vertices and vertices' helpers."""
    nucleus = regime == "coherent"
    majorana, particle = bool(model["majorana"] > 0), projectile > 0
    numbers = {
        "flavour": np.eye(3)[FLAVOUR_INDEX[abs(projectile)]],
        "produced": [float(state == produced) for state in scheme_states(model)],
        "charge": what.Z if nucleus else 1.0,
        "neutrons": what.A - what.Z if nucleus else 0.0,
        "weak_charge": weak_charge_of_nucleus(what.Z, what.A - what.Z) if nucleus else 1.0,
        "z_exchange": float(card.physics.z_exchange),
        "q2_scale": SCALE_NUCLEUS if nucleus else SCALE_NUCLEON,
        "q2_floor": FLOOR_NEUTRON if regime == "n-elastic" else 0.0,
        "chirality": 1.0 if particle else -1.0,
        "signs": (0.5, 0.5) if majorana else ((1.0, 0.0) if particle else (0.0, 1.0)),
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "model": model}


def scheme_states(model: Params) -> list[str]:
    """Names of the states of a model."""
    return [name for name in STATES if mass_key(name) in model]


def _combinations(
    card: RunCard, exp: Experiment, model: Params, produced: str
) -> Iterable[tuple[str, Nuclide, str, str, int]]:
    """(region, nuclide, regime, helicity, projectile) of every scattering into a state with a rate above zero."""
    physics, mixing = card.physics, np.asarray(beam_vertices(model))[scheme_states(model).index(produced)]
    for region in card.regions:
        for name in exp.scatterers(region):
            what = nuclide(name)
            for regime in physics.regimes:
                if not scatterers_in(what, regime):
                    continue
                for helicity in physics.helicities:
                    for projectile in exp.fluxes.fluxes:
                        if mixing[FLAVOUR_INDEX[abs(projectile)]] != 0:
                            yield region, what, regime, helicity, projectile


def build(card: RunCard) -> Build:
    """Channels of the card, and what the header says of the model."""
    exp, model, scheme = experiment(card), model_of(card), scheme_of(card)
    warn_of_limits(model, scheme)
    paths = paths_of(card, model, scheme)
    choices = [(path, *rest) for path in paths for rest in _combinations(card, exp, model, path.produced)]
    if not choices:
        mixing = ", ".join(f"{u:g}" for u in np.asarray(model["mixing_sq"]).sum(axis=0))
        raise InputError(
            "model",
            f"mixings (e, mu, tau) {mixing} with a beam of {', '.join(FLAVOUR_NAME[p] for p in exp.fluxes.fluxes)}",
            "a flavour of the beam that mixes with a heavy state, and a regime that the targets have",
            "Check `source.flavours`, `physics.regimes` and the mixings of `model`.",
        )
    check_gases(card, (what.name for _, _, what, *_ in choices))
    nuclides = {what.name: density_of(card, what) for _, _, what, *_ in choices}
    terms = series_terms(nuclides.values())
    kinds = {(what.name, regime): nuclear_numbers(card, what, regime) for _, _, what, regime, *_ in choices}
    lowest = [
        least_energy(kinds[what.name, regime], what, regime, _least_mass(model, scheme, path))
        for path, _, what, regime, _, _ in choices
    ]
    top = max(float(flux.edges[-1]) for flux in exp.fluxes.fluxes.values())
    card.check_threshold(min(lowest), top)
    common = _common(card, exp)
    channels = []
    for (path, region, what, regime, helicity, projectile), least in zip(choices, lowest, strict=True):
        flux = exp.fluxes.fluxes[projectile]
        if least >= float(flux.edges[-1]) or flux.integral(least, float(flux.edges[-1])) <= 0:
            continue
        what = nuclides[what.name]
        params = {
            **common,
            **kinds[what.name, regime],
            "flux": exp.flux_params(projectile, least),
            "region": exp.detector.volumes[region].shape,
            "scatterers_per_cm3": np.asarray(exp.scatterers(region)[what.name] * scatterers_in(what, regime)),
            "beam": exp.beam[projectile],
            "target": scatterer(card, what, regime, terms),
            "helicity": np.asarray(HELICITY[helicity]),
            **couplings(card, model, what, regime, projectile, path.produced),
            "path": path_params(scheme, path, paths),
            "daughter_pdg": _daughter_codes(card, path),
        }
        atoms = exp.scatterers(region)
        fraction = atoms[what.name] / sum(atoms.values())
        for decay_in in card.decay_in:
            params["decay_region"] = exp.detector.volumes[decay_in].shape
            where, by = (region, decay_in), (regime, helicity, projectile)
            channels.append(_channel(card, scheme, path, dict(params), where, what, by, fraction))
    return Build(
        channels=tuple(channels),
        masses={
            **{name.lower(): float(model[mass_key(name)]) for name in scheme.states},
            "zprime": float(model["mzprime"]),
            "electron": MASS_ELECTRON,
            "muon": MASS_MUON,
            "neutrino": 0.0,
        },
        particles=_particles(card, model, scheme),
        processes=_processes({channel.process_id for channel in channels}),
        regions=list(card.regions),
        flux={p: {"edges_GeV": f.edges, "content": f.content} for p, f in exp.fluxes.fluxes.items()},
        detector={
            "name": exp.detector.name,
            "origin_cm": list(exp.detector.origin_cm),
            "rotation": [list(row) for row in exp.detector.rotation],
            "baseline_cm": exp.detector.baseline_cm,
        },
        citations=(*CITATIONS, *nucleon_references(card.physics.model_dump())),
        cross_section=_per_nucleus,
    )


def _least_mass(model: Params, scheme: Scheme, path: Path) -> Any:
    """Least mass (GeV) of what the beam makes. A drawn mass begins where the decay opens."""
    if form_of(path, scheme).line_shape:
        daughter = path.daughters[0]
        return model["mzprime"] + (0.0 if daughter == "nu" else model[mass_key(daughter)])
    return model[mass_key(path.produced)]


def _common(card: RunCard, exp: Experiment) -> dict[str, Any]:
    numbers = {
        "polarised": float(card.physics.zprime_polarisation),
        "parent_gamma_per_gev": PARENT_GAMMA_PER_GEV,
    }
    arrays: dict[str, Any] = {key: np.asarray(value, np.float64) for key, value in numbers.items()}
    return {**arrays, "spill": exp.spill}


def _daughter_codes(card: RunCard, path: Path) -> NDArray[np.int32]:
    """PDG codes (steps, 6) of the daughter of each step: by flavour for a neutrino, and the antiparticle's."""
    rows = []
    for name in path.daughters:
        code = 0 if name == "nu" else card.output.pdg_map[name]
        other = code if card.model.hnl == "majorana" else -code  # type: ignore[attr-defined]
        rows.append([12, 14, 16, -12, -14, -16] if name == "nu" else [code] * 3 + [other] * 3)
    return np.array(rows, np.int32)


def _channel(
    card: RunCard, scheme: Scheme, path: Path, params: dict[str, Any], where: tuple[str, str], what: Nuclide,
    by: tuple[str, str, int], fraction: float,
) -> Channel:  # fmt: skip
    (region, decay_in), (regime, helicity, projectile) = where, by
    bound, motion = is_bound(what, regime), motion_of(card, what, regime)
    recoil_mass = scatterer_mass(what, regime)
    made = card.output.pdg_map[path.produced]
    antiparticle = projectile < 0 and card.model.hnl == "dirac"  # type: ignore[attr-defined]
    constants: dict[str, np.generic] = {
        "process_id": np.int16(PROCESS_ID[regime]),
        "region": np.int8(list(card.regions).index(region)),
        "nu_pdg": np.int32(projectile),
        f"{path.produced.lower()}_pdg": np.int32(-made if antiparticle else made),
        "target_pdg": np.int32(what.pdg),
        "target_mass": np.float64(what.mass if what.A > 1 else recoil_mass),
        "recoil_pdg": np.int32(what.pdg if regime == "coherent" else NUCLEONS[regime].pdg),
        "recoil_mass": np.float64(recoil_mass),
    }
    form = form_of(path, scheme)
    for step, real in enumerate(form.on_shell):
        if real:
            constants[f"zprime{'2' * step}_pdg"] = np.int32(card.output.pdg_map["Zprime"])
    if bound:
        constants |= {"struck_pdg": np.int32(NUCLEONS[regime].pdg), "remnant_pdg": np.int32(REMNANT_PDG)}
    if bound and motion != "gas":
        rest = {"px": 0.0, "py": 0.0, "pz": 0.0}
        for role, mass in (("struck", recoil_mass), ("remnant", what.mass - recoil_mass)):
            constants |= {f"{role}_{c}": np.float64(v) for c, v in {**rest, "e": mass}.items()}
            constants[f"{role}_mass"] = np.float64(mass)
    mode = "free" if not card.force_decay else "forced" if region == decay_in else "backward"
    missing = by_rays(params) or (form.line_shape and motion == "gas")  # below threshold
    chain = for_source(chain_of(scheme, form, mode, names_of(path), motion), params)
    place = region if len(card.decay_in) == 1 else f"{region} to {decay_in}"
    names = (FLAVOUR_NAME[projectile], what.name, regime, helicity, place)
    return Channel(
        name="/".join(names) + suffix(path, scheme),
        chain=chain,
        params=params,
        topology=topology(bound, roles_of(path), path.pairs, form.on_shell, form.displaced, form.line_shape),
        process_id=PROCESS_ID[regime],
        projectile_pdg=projectile,
        target=what.name,
        target_pdg=what.pdg,
        regime=regime,
        helicity=helicity,
        region=region,
        constants=constants,
        columns=stored_columns(scheme, path, chain, card.force_decay, motion == "gas"),
        can_miss=mode == "backward" or len(path.pairs) == 2 or form.displaced or missing,
        target_fraction=fraction,
    )


def _particles(card: RunCard, model: Params, scheme: Scheme) -> list[dict[str, Any]]:
    """The states that are not in the PDG list, with their antiparticles where they differ."""
    nature = "Majorana" if bool(model["majorana"] > 0) else "Dirac"
    widths = host_widths(model, scheme)
    particles: list[dict[str, Any]] = []
    for name in reversed(scheme.states):
        mass, width = float(model[mass_key(name)]), float(total_width(widths, name))
        text = f"heavy neutral lepton, {nature}" + ("" if width > 0 else "; leaves the detector")
        numbers = {"pdg": card.output.pdg_map[name], "mass": mass, "charge": 0, "width": width, "two_spin": 1}
        particles.append({**numbers, "name": name, "role": name.lower(), "description": text})
        if nature == "Dirac":
            particles.append(
                {**particles[-1], "pdg": -numbers["pdg"], "name": f"{name}~", "description": f"antiparticle of {name}"}
            )
    numbers = {"pdg": card.output.pdg_map["Zprime"], "mass": float(model["mzprime"]), "charge": 0, "two_spin": 2}
    width = float(total_width(widths, "Zprime"))
    text = "dark photon coupled by kinetic mixing"
    return [*particles, {**numbers, "width": width, "name": "Zprime", "role": "zprime", "description": text}]


def _processes(ids: set[int]) -> list[dict[str, Any]]:
    text = {
        750: ("HNL upscattering, coherent", "nu A -> N A on the whole nucleus by Z' and Z exchange"),
        751: ("HNL upscattering, proton elastic", "nu p -> N p on one proton by Z' and Z exchange"),
        752: ("HNL upscattering, neutron elastic", "nu n -> N n on one neutron by Z' and Z exchange"),
    }
    papers = ["1807.09877", "1808.02915", "2207.04137"]
    return [{"id": i, "name": text[i][0], "description": text[i][1], "arxiv": papers} for i in sorted(ids)]


# ------------------------------------------------------------------------------------------------------------ cross
# sections
@partial(jax.jit, static_argnums=(8,))
def _total(
    energy: jax.Array, m: jax.Array, m_zprime: jax.Array, helicity: jax.Array, chirality: jax.Array, target: Target,
    ends: Vertices, response: tuple[jax.Array, jax.Array] | None, nodes: int,
) -> jax.Array:  # fmt: skip
    cm = invariants(energy, m, target.mass)

    def integrand(log_q2: jax.Array) -> jax.Array:
        q2 = jnp.exp(log_q2)
        share = 1.0 if response is None else response_of_free_nucleons(q2, response[0], target, response[1])
        return q2 * dsigma_dq2(energy[..., None], q2, m, m_zprime, helicity, chirality, target, ends) * share

    opened = energy > threshold(m, target.mass)
    high = jnp.where(opened, cm.q2_max, 2 * cm.q2_min)
    total = gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(high), nodes)
    return jnp.where(opened, total, 0.0)


_gas_total = jax.jit(partial(fermi_gas_totals.total, nodes=12, omega_nodes=8))


def total_cross_section(params: Params, energy: NDArray[np.float64], nodes: int = XSEC_NODES) -> NDArray[np.float64]:
    """Total cross section of a channel's parameters at energies (n,) GeV: 1e-38 cm^2 per scatterer.

    Gauss-Legendre in ln Q^2, accurate to 1e-8; for a nucleon of a Fermi gas to 1e-4 (`fermi_gas_totals.total`): tables
    of every run are made of it.
    """
    model, ends = params["model"], vertices_of(params)
    first = (
        jnp.asarray(energy), produced_mass(params), model["mzprime"], params["helicity"], params["chirality"],
        params["target"], ends,
    )  # fmt: skip
    if "gas" in params:
        return np.asarray(_gas_total(*first, params["gas"]))
    response = (params["response"], params["fermi_momentum"]) if "response" in params else None
    return np.asarray(_total(*first, response, nodes))


def _per_nucleus(channel: Channel, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return total_cross_section(channel.params, energy) * scatterers_in(nuclide(channel.target), channel.regime)


def xsec(card: RunCard, energies: list[float], targets: list[str] | None) -> list[dict[str, Any]]:
    """Rows of `darkhorn xsec`: total cross sections in cm^2 per scatterer (nucleus, or one nucleon), every flavour that
    mixes.
    """
    exp, model = experiment(card), model_of(card)
    names = targets or list(dict.fromkeys(n for region in card.regions for n in exp.scatterers(region)))
    found = [density_of(card, nuclide(name, "--target")) for name in names]
    terms = series_terms(found)
    rows = []
    mixing = np.asarray(beam_vertices(model))
    for (i, produced), projectile in itertools.product(enumerate(scheme_states(model)), exp.fluxes.fluxes):
        if mixing[i, FLAVOUR_INDEX[abs(projectile)]] == 0:
            continue
        for what, regime, helicity in itertools.product(found, card.physics.regimes, card.physics.helicities):
            if not scatterers_in(what, regime):
                continue
            params = {
                "helicity": jnp.asarray(HELICITY[helicity]),
                "target": scatterer(card, what, regime, terms),
                **nuclear_numbers(card, what, regime),
                **couplings(card, model, what, regime, projectile, produced),
            }
            struck = what.name if regime == "coherent" else NUCLEONS[regime].name
            for energy, value in zip(energies, total_cross_section(params, np.array(energies)), strict=True):
                rows.append(
                    {
                        "process": f"{FLAVOUR_NAME[projectile]} {struck} -> {produced} {struck}",
                        "target": what.name,
                        "regime": regime,
                        "helicity": helicity,
                        "energy_GeV": energy,
                        "xsec_cm2": float(value) * 1e-38,
                    }
                )
    return rows


def widths(card: RunCard) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`."""
    return width_rows(model_of(card), scheme_of(card))


def point(card: RunCard) -> tuple[Scheme, Params]:
    """What a scan needs of a card."""
    return scheme_of(card), model_of(card)


register(Process("dark-neutrino", build, widths, xsec, point))
