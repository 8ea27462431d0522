"""Stages of dark neutrinos without a Z': scattering by a transition magnetic moment or by a scalar, and the decays
N -> daughter gamma, N -> daughter h', h' -> e+ e-, and N -> daughter e+ e- through a virtual h'.

All numbers come from `params`. Units: GeV, cm; momenta in the detector frame.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Chain, Params, Stage, State, same
from darkhorn.generator.processes.dark_neutrino_chains import names_stage
from darkhorn.generator.processes.dark_neutrino_mediator_model import Scheme, prepare
from darkhorn.generator.processes.dark_neutrino_nucleons import RESPONSE
from darkhorn.generator.processes.dark_neutrino_stages import (
    AIM,
    MOMENTA,
    SAME_MASSES,
    choose,
    missing_daughters,
    momentum_columns,
    produced_and_axis,
    scattered,
    share_of,
)
from darkhorn.generator.stages import (
    BACKTRACK,
    DECAY_FORCED,
    DECAY_FREE,
    DECAY_PLACE,
    FLUX,
    LINE_OF_SIGHT,
    SAME_N,
    SIGHT_OF_DECAY,
    TARGETS,
    TIME,
)
from darkhorn.kernels.kinematics import FourVector, boost_from_rest, boost_to_rest
from darkhorn.kernels.matrix_elements.dilepton_decay import DileptonUniforms, dilepton_kinematics, sample_dilepton
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles
from darkhorn.kernels.matrix_elements.radiative_decay import RadiativeUniforms, radiative_density, sample_radiative
from darkhorn.kernels.matrix_elements.scalar_decays import (
    ScalarDilepton,
    sample_scalar_chain,
    scalar_dilepton_density,
    scalar_slope,
)
from darkhorn.kernels.matrix_elements.upscattering import invariants
from darkhorn.kernels.matrix_elements.upscattering_flip import dsigma_dq2_dipole, dsigma_dq2_scalar
from darkhorn.kernels.sampling import flat_in_inverse, flat_in_log

Density = Callable[[Params, jax.Array, jax.Array], jax.Array]  # (params, energy, Q^2) -> dsigma/dQ^2


def _dipole_density(params: Params, energy: jax.Array, q2: jax.Array) -> jax.Array:
    return dsigma_dq2_dipole(energy, q2, params["m_n"], params["helicity"], params["target"], params["strength"])


def _scalar_density(params: Params, energy: jax.Array, q2: jax.Array) -> jax.Array:
    m, m_scalar = params["m_n"], params["m_scalar"]
    return dsigma_dq2_scalar(energy, q2, m, m_scalar, params["helicity"], params["target"], params["strength"])


DENSITY: dict[str, Density] = {"dipole": _dipole_density, "scalar": _scalar_density}
"""dsigma/dQ^2 in 1e-38 cm^2/GeV^2 by mediator. params: `m_n`, `helicity`, `target`, `strength`, [`m_scalar`]."""


def _scattering(mediator: str) -> Callable[[Params, State, Sequence[jax.Array]], tuple[State, jax.Array]]:
    """Q^2 along the fall of the propagator, azimuth flat; the factor is dsigma/dQ^2 dQ^2/du, 1e-38 cm^2.

    With a photon, dsigma/dQ^2 goes as (Q^2 - Q^2_min)/Q^4 up to where the form factor ends it: Q^2 is flat in its
    logarithm, and in 1/Q^2 above `q2_scale`. With a scalar it is flat in 1/(Q^2 + `q2_pole`).
    """

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
        energy, m, mass = state["energy"], params["m_n"], params["target"].mass
        cm = invariants(energy, m, mass)
        if mediator == "dipole":
            q2, jacobian = flat_in_log(u[0], cm.q2_min, cm.q2_max, params["q2_scale"])
        else:
            q2, jacobian = flat_in_inverse(u[0], cm.q2_min, cm.q2_max, params["q2_pole"])
        density = DENSITY[mediator](params, energy, q2)
        return {"q2": q2, "azimuth": u[1], **scattered(energy, q2, m, mass)}, density * jacobian

    return run


def _stored_scattering(mediator: str) -> Callable[[Params, State], jax.Array]:
    return lambda params, state: DENSITY[mediator](params, state["energy"], state["q2"])


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
    """N -> daughter h', h' -> e- e+ with the spin of N; the factor is the product of the two branching ratios.

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


def _model(params: Params) -> ScalarDilepton:
    return ScalarDilepton(
        params["m_n"],
        params["m_j"],
        params["m_scalar"],
        params["width_scalar"],
        params["m_lepton"],
        params["decay_coupling"],
        params["lepton_coupling"],
        params["majorana"],
    )


def _pair(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter e- e+ through a virtual h', with the spin of N; the factor is the density over the proposal and
    over the total width: its mean is the branching ratio.

    params: as `_scalar`, with `width_n`, `width_scalar` (GeV), `decay_coupling`, `lepton_coupling`.
    """
    m = params["m_n"]
    n4, axis = produced_and_axis(params, state)
    pdg, azimuth = choose(u[2], params["flavour_share"], params["daughter_pdg"])
    uniforms = DileptonUniforms(u[0], u[1], azimuth, u[3], u[4])
    decay, weight = sample_dilepton(uniforms, _model(params), params["helicity"], axis)
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
    kinematics = dilepton_kinematics(neutrino, em, ep, axis)
    density = scalar_dilepton_density(kinematics, _model(params), params["helicity"]) / params["width_n"]
    return jnp.asarray(density * share_of(params, state))


SCATTERING = {
    name: Stage(
        "xsec", ("q2", "azimuth"), _scattering(name), adapt=("q2",), density=_stored_scattering(name), covers=SAME_N
    )
    for name in DENSITY
}
CHAIN_ANGLES = ("polar", "azimuth", "lepton", "lepton_azimuth")
_ON_SHELL = {"m_scalar": "the mass (GeV) of h', which is on its shell in every event,"}


def _covers(**meaning: str) -> Callable[[Params, Params], list[str]]:
    """The numbers that two models must share, and the daughters that the events have."""
    masses = same(**SAME_MASSES, **meaning)
    return lambda old, new: [*masses(old, new), *missing_daughters(old, new)]


PRODUCTS = {
    "photon": Stage("branching", ("polar", "azimuth"), _photon, density=_photon_density, covers=_covers()),
    "scalar": Stage("branching", CHAIN_ANGLES, _scalar, density=_scalar_chain_density, covers=_covers(**_ON_SHELL)),
    "pair": Stage("branching", ("mass", *CHAIN_ANGLES), _pair, density=_pair_density, covers=_covers()),
}


@lru_cache
def chain_of(scheme: Scheme, mode: str, response: bool = False) -> Chain:
    """The chain of a scheme, in one of the three modes of `dark_neutrino_chains.chain_of`: one object each.

    `response`: the scatterer is a nucleon at rest with the response of its nucleus as a factor.
    """
    products = PRODUCTS[scheme.chain]
    scattering = (SCATTERING[scheme.mediator], *((RESPONSE,) if response else ()))
    forward = (FLUX, TARGETS, LINE_OF_SIGHT, *scattering, AIM, MOMENTA, products)
    stages = {
        "forced": (*forward, DECAY_FORCED, TIME),
        "free": (*forward, DECAY_FREE, TIME),
        "backward": (FLUX, DECAY_PLACE, SIGHT_OF_DECAY, *scattering, BACKTRACK, MOMENTA, products, TIME),
    }[mode]
    names = (names_stage((("n4", "n5"), ("nu_out", "n4"))),) if scheme.dual else ()
    return Chain((*stages, *names), prepare(scheme))
