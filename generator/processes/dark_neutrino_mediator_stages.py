"""Stages of dark neutrinos without a Z': the decays N -> daughter gamma, N -> daughter h', h' -> l+ l-, and
N -> daughter l+ l- through a virtual h' or photon. The scattering is that of `dark_neutrino_stages` and
`dark_neutrino_nucleons`.

All numbers come from `params`. Units: GeV, cm; momenta in the detector frame.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Chain, Params, Stage, State, same
from darkhorn.generator.processes.dark_neutrino_chains import names_stage, scattering_of
from darkhorn.generator.processes.dark_neutrino_mediator_model import Decay, Scheme, prepare
from darkhorn.generator.processes.dark_neutrino_stages import (
    AIM,
    SAME_MASSES,
    choose,
    missing_daughters,
    momentum_columns,
    produced_and_axis,
    share_of,
)
from darkhorn.generator.processes.dark_neutrino_targets import Motion
from darkhorn.generator.stages import (
    BACKTRACK,
    DECAY_FORCED,
    DECAY_FREE,
    DECAY_PLACE,
    FLUX,
    LINE_OF_SIGHT,
    SIGHT_OF_DECAY,
    TARGETS,
    TIME,
)
from darkhorn.kernels.kinematics import FourVector, boost_from_rest, boost_to_rest
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    sample_dilepton,
    within_limits,
)
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles
from darkhorn.kernels.matrix_elements.radiative_decay import RadiativeUniforms, radiative_density, sample_radiative
from darkhorn.kernels.matrix_elements.scalar_decays import sample_scalar_chain, scalar_slope


def _four(state: State, role: str) -> FourVector:
    return FourVector(state[f"{role}_e"], state[f"{role}_px"], state[f"{role}_py"], state[f"{role}_pz"])


def _cos_of_daughter(params: Params, state: State, final: tuple[str, ...]) -> jax.Array:
    """Cosine to the spin axis of the daughter, in the rest frame of N, from what is seen: it flies the other way."""
    n4, axis = produced_and_axis(params, state)
    seen = [boost_to_rest(_four(state, role), n4, params["m_n"]).p for role in final]
    total = seen[0]
    for p in seen[1:]:
        total = total.plus(p)
    return -total.dot(axis) / total.norm()


def _photon(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter gamma with the spin of N; the factor is the branching ratio.

    The flavour of a daughter neutrino is chosen with the azimuth's uniform number, which is then rescaled.
    params: `m_n`, `m_j`, `majorana`, `helicity`, `branching`, `daughter_pdg` (k,), `flavour_share` (k,).
    """
    m = params["m_n"]
    n4, axis = produced_and_axis(params, state)
    pdg, azimuth = choose(u[1], params["flavour_share"], params["daughter_pdg"])
    uniforms = RadiativeUniforms(u[0], azimuth)
    decay = sample_radiative(uniforms, m, params["m_j"], params["majorana"], params["helicity"], axis)
    columns = {
        "nu_out_pdg": pdg,
        **momentum_columns("nu_out", boost_from_rest(decay.neutrino, n4, m)),
        **momentum_columns("gamma", boost_from_rest(decay.photon, n4, m)),
    }
    return columns, params["branching"]


def _photon_density(params: Params, state: State) -> jax.Array:
    one = jnp.ones_like(params["m_n"])
    numbers = params["m_n"], params["m_j"], one, params["majorana"], params["helicity"]
    cosine = _cos_of_daughter(params, state, ("gamma",))
    whole = radiative_density(cosine, *numbers) / (4 * jnp.pi * radiative_density(jnp.zeros_like(cosine), *numbers))
    density: jax.Array = params["branching"] * whole * share_of(params, state)
    return density


def _scalar(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter h', h' -> l- l+ with the spin of N; the factor is the product of the two branching ratios.

    params: as `_photon`, with `m_scalar` and `m_lepton`.
    """
    m = params["m_n"]
    n4, axis = produced_and_axis(params, state)
    pdg, azimuth = choose(u[1], params["flavour_share"], params["daughter_pdg"])
    angles = ChainAngles(u[0], azimuth, u[2], u[3])
    masses = m, params["m_j"], params["m_scalar"], params["m_lepton"]
    decay = sample_scalar_chain(angles, *masses, params["helicity"], params["majorana"], axis)
    em, ep = boost_from_rest(decay.negative, n4, m), boost_from_rest(decay.positive, n4, m)
    columns = {
        "nu_out_pdg": pdg,
        **momentum_columns("nu_out", boost_from_rest(decay.neutrino, n4, m)),
        **momentum_columns("hprime", em.plus(ep)),
        **momentum_columns("em", em),
        **momentum_columns("ep", ep),
    }
    return columns, params["branching"]


def _scalar_chain_density(params: Params, state: State) -> jax.Array:
    helicity = params["helicity"] * (1 - params["majorana"])
    slope = scalar_slope(params["m_n"], params["m_j"], params["m_scalar"], helicity)
    whole = (1 + slope * _cos_of_daughter(params, state, ("em", "ep"))) / (16 * jnp.pi**2)
    density: jax.Array = params["branching"] * whole * share_of(params, state)
    return density


def _pair(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter l- l+ through a virtual h' or photon, with the spin of N; the factor is the density over the
    proposal and over the total width: its mean is the branching ratio.

    params: as `_photon`, with `dilepton` (numbers of the decay) and `width_n` (GeV).
    """
    m = params["m_n"]
    n4, axis = produced_and_axis(params, state)
    pdg, azimuth = choose(u[2], params["flavour_share"], params["daughter_pdg"])
    uniforms = DileptonUniforms(u[0], u[1], azimuth, u[3], u[4])
    decay, weight = sample_dilepton(uniforms, params["dilepton"], params["helicity"], axis)
    columns = {
        "nu_out_pdg": pdg,
        **momentum_columns("nu_out", boost_from_rest(decay.neutrino, n4, m)),
        **momentum_columns("em", boost_from_rest(decay.negative, n4, m)),
        **momentum_columns("ep", boost_from_rest(decay.positive, n4, m)),
    }
    return columns, weight / params["width_n"]


def _pair_density(params: Params, state: State) -> jax.Array:
    n4, axis = produced_and_axis(params, state)
    em, ep = (boost_to_rest(_four(state, role), n4, params["m_n"]) for role in ("em", "ep"))
    # the daughter from what is left of N: also its mass is then the model's to rounding
    neutrino = FourVector(params["m_n"] - em.e - ep.e, -em.x - ep.x, -em.y - ep.y, -em.z - ep.z)
    model, kinematics = params["dilepton"], dilepton_kinematics(neutrino, em, ep, axis)
    kinematics = kinematics._replace(q2=within_limits(kinematics.q2, model))
    density = dilepton_density(kinematics, model, params["helicity"]) / params["width_n"]
    return jnp.asarray(density * share_of(params, state))


def _branching(params: Params, state: State) -> jax.Array:
    """The branching ratio of the decay: the mean of the factor. params: `branching`."""
    ratio: jax.Array = params["branching"]
    return ratio


CHAIN_ANGLES = ("polar", "azimuth", "lepton", "lepton_azimuth")
_ON_SHELL = {"m_scalar": "the mass (GeV) of h', which is on its shell in every event,"}


def _covers(**meaning: str) -> Callable[[Params, Params], list[str]]:
    """The numbers that two models must share, and the daughters that the events have."""
    masses = same(**SAME_MASSES, **meaning)
    return lambda old, new: [*masses(old, new), *missing_daughters(old, new)]


def _products(uniforms: tuple[str, ...], run: Any, density: Any, covers: Any) -> Stage:
    return Stage("branching", uniforms, run, expected=_branching, density=density, covers=covers)


PRODUCTS = {
    "photon": _products(("polar", "azimuth"), _photon, _photon_density, _covers()),
    "scalar": _products(CHAIN_ANGLES, _scalar, _scalar_chain_density, _covers(**_ON_SHELL)),
    "pair": _products(("mass", *CHAIN_ANGLES), _pair, _pair_density, _covers(m_lepton="the mass (GeV) of the lepton")),
}


@lru_cache
def chain_of(scheme: Scheme, decay: Decay, mode: str, motion: Motion = "rest") -> Chain:
    """The chain of a decay, in one of the three modes of `dark_neutrino_chains.chain_of`; decays of one form and one
    daughter have the same.
    """
    return _chain(scheme, decay.form(scheme), decay.daughter, mode, motion)


@lru_cache
def _chain(scheme: Scheme, form: str, daughter: str, mode: str, motion: Motion) -> Chain:
    products = PRODUCTS[form]
    scattering, momenta = scattering_of(motion)
    forward = (FLUX, TARGETS, LINE_OF_SIGHT, *scattering, AIM, momenta, products)
    stages = {
        "forced": (*forward, DECAY_FORCED, TIME),
        "free": (*forward, DECAY_FREE, TIME),
        "backward": (FLUX, DECAY_PLACE, SIGHT_OF_DECAY, *scattering, BACKTRACK, momenta, products, TIME),
    }[mode]
    states = (scheme.produced.lower(), "nu_out" if daughter == "nu" else daughter.lower())
    names = tuple(pair for pair in zip(("n4", "nu_out"), states, strict=True) if pair[0] != pair[1])
    return Chain((*stages, *((names_stage(names),) if names else ())), prepare(scheme, form))
