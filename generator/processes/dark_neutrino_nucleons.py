"""Stages for the scattering on a nucleon of a nucleus: one of a Fermi gas, or one at rest with a response as a factor.

Units: GeV, cm; momenta in the detector frame. All numbers come from `params`.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params, Stage, State, same
from darkhorn.generator.stages import SAME_N
from darkhorn.kernels.kinematics import FourVector, Vector, four
from darkhorn.kernels.matrix_elements import fermi_gas
from darkhorn.kernels.matrix_elements.exchange import Exchange
from darkhorn.kernels.matrix_elements.fermi_gas import Kinematics, Uniforms, response_of_free_nucleons

COMPONENTS = ("e", "px", "py", "pz")


def _gas_density(params: Params, x: Kinematics) -> jax.Array:
    return fermi_gas.density(x, params["m_n"], params["helicity"], params["target"], params["gas"], params["exchange"])


def _gas_scattering(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Q^2 along the fall of the propagator or of the form factor; energy transfer, energy and azimuth of the nucleon
    flat; azimuth of N flat.

    The factor is d^4 sigma / dQ^2 domega dE_p dphi times the Jacobian, in 1e-38 cm^2. params: `m_n`, `helicity`,
    `target`, `gas`, `exchange`, `q2_scale`, `q2_floor`.
    """
    m = params["m_n"]
    exchange: Exchange = params["exchange"]
    draw = partial(exchange.draw_q2, scale=params["q2_scale"], floor=params["q2_floor"])
    x, jacobian = fermi_gas.sample(
        Uniforms(u[0], u[1], u[2], u[3]), state["energy"], m, params["target"].mass, params["gas"], draw
    )
    energy, across, parallel = fermi_gas.n4_momentum(x, m)
    columns = {
        "q2": x.q2,
        "omega": x.omega,
        "nucleon_energy": x.nucleon_energy,
        "nucleon_azimuth": x.azimuth,
        "azimuth": u[4],
        "n4_e": energy,
        "n4_transverse": across,
        "n4_along": parallel,
    }
    return columns, _gas_density(params, x) * jacobian


def _stored_gas_density(params: Params, state: State) -> jax.Array:
    """d^4 sigma / dQ^2 domega dE_p dphi of stored events: columns nu_*, struck_*, recoil_*. 1e-38 cm^2/GeV^4/radian.

    The removal energy of `params` must be that of the run: with another one the stored nucleon is on no mass shell.
    """
    neutrino, struck, recoil = (
        FourVector(*(state[f"{role}_{c}"] for c in COMPONENTS)) for role in ("nu", "struck", "recoil")
    )
    return _gas_density(params, fermi_gas.kinematics(neutrino, struck, recoil, params["gas"]))


_GAS = {
    "momentum": "the Fermi momentum (GeV) of the struck nucleon",
    "removal_energy": "the removal energy (GeV) of the struck nucleon",
}


def _gas_covers(old: Params, new: Params) -> list[str]:
    """The same nucleons in the same gas: with another one the stored nucleon is on no mass shell, or occupied."""
    return [*SAME_N(old, new), *same(**_GAS)(old["gas"]._asdict(), new["gas"]._asdict())]


def _gas_momenta(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Momenta of the neutrino, of the struck nucleon, of the recoil and of the remnant. No factor."""
    axis = Vector(state["nu_dx"], state["nu_dy"], state["nu_dz"])
    n4 = Vector(state["n4_px"], state["n4_py"], state["n4_pz"])
    x = Kinematics(state["energy"], state["q2"], state["omega"], state["nucleon_energy"], state["nucleon_azimuth"])
    made = fermi_gas.momenta(x, axis, n4, params["target"].mass, params["nucleus_mass"], params["gas"])
    vectors = {"nu": four(x.energy, axis.scale(x.energy)), **made._asdict()}
    columns = {f"{role}_{c}": value for role, p in vectors.items() for c, value in zip(COMPONENTS, p, strict=True)}
    masses = {f"{role}_mass": jnp.sqrt(vectors[role].dot(vectors[role])) for role in ("struck", "remnant")}
    return {**columns, **masses}, None


def _response(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Share of the scattering on a free nucleon that the nucleus allows at this Q^2. No column of its own.

    params: `response`, `target`, `fermi_momentum`.
    """
    return {}, response_density(params, state)


def response_density(params: Params, state: State) -> jax.Array:
    """The factor at the stored Q^2. params: as `_response`."""
    return response_of_free_nucleons(state["q2"], params["response"], params["target"], params["fermi_momentum"])


GAS_SCATTERING = Stage(
    "xsec",
    ("q2", "omega", "nucleon", "nucleon_azimuth", "azimuth"),
    _gas_scattering,
    adapt=("q2", "omega"),
    density=_stored_gas_density,
    covers=_gas_covers,
)
GAS_MOMENTA = Stage("momenta", (), _gas_momenta, weighs=False)
RESPONSE = Stage("response", (), _response, density=response_density)
