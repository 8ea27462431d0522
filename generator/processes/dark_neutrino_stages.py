"""Stages of nu A -> N A and of the decays of N, with any mediator: N -> daughter Z' or h' -> l- l+, the same through a
virtual one or a virtual photon, N -> daughter gamma. All numbers come from `params`.

Units: GeV, cm; momenta in the detector frame.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.generator.chain import Params, Stage, State, same
from darkhorn.generator.processes.dark_neutrino_states import Step
from darkhorn.generator.stages import SAME_N
from darkhorn.kernels.kinematics import FourVector, Vector, along, boost_from_rest, boost_to_rest, four
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonKinematics,
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    sample_dilepton,
    within_limits,
)
from darkhorn.kernels.matrix_elements.exchange import Exchange
from darkhorn.kernels.matrix_elements.neutral_decays import ChainAngles, ChainDecay, chain_density, sample_chain
from darkhorn.kernels.matrix_elements.radiative_decay import RadiativeUniforms, sample_radiative
from darkhorn.kernels.matrix_elements.scalar_decays import sample_scalar_chain, scalar_slope
from darkhorn.kernels.matrix_elements.upscattering import invariants
from darkhorn.kernels.trigonometry import sincos2pi


def momentum_of(state: State, role: str) -> FourVector:
    """The momentum of a role."""
    return FourVector(*(state[f"{role}_{component}"] for component in ("e", "px", "py", "pz")))


def momentum_columns(prefix: str, p: FourVector) -> State:
    """The four columns of a momentum."""
    return {f"{prefix}_px": p.x, f"{prefix}_py": p.y, f"{prefix}_pz": p.z, f"{prefix}_e": p.e}


def _scattering_density(params: Params, state: State) -> jax.Array:
    """dsigma/dQ^2, 1e-38 cm^2/GeV^2. params: as `_scattering`."""
    exchange: Exchange = params["exchange"]
    return exchange.dsigma_dq2(state["energy"], state["q2"], params["m_n"], params["helicity"], params["target"])


def _scattering(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Q^2 along the fall of the propagator or of the form factor; azimuth flat.

    The factor is dsigma/dQ^2 times dQ^2/du, in 1e-38 cm^2. params: `m_n`, `helicity`, `target`, `exchange` (what is
    exchanged, kernels/matrix_elements/exchange.py), `q2_scale`, `q2_floor`.
    """
    energy, m, mass = state["energy"], params["m_n"], params["target"].mass
    cm = invariants(energy, m, mass)
    exchange: Exchange = params["exchange"]
    q2, jacobian = exchange.draw_q2(u[0], cm.q2_min, cm.q2_max, params["q2_scale"], params["q2_floor"])
    density = _scattering_density(params, {"energy": energy, "q2": q2})
    return {"q2": q2, "azimuth": u[1], **scattered(energy, q2, m, mass)}, density * jacobian


def scattered(energy: jax.Array, q2: jax.Array, m: jax.Array, mass: jax.Array) -> State:
    """Energies of N and of the recoil, and the momentum of N across and along the neutrino, of a target at rest.

    p_T = sqrt[(Q^2 - Q2_min)(Q2_max - Q^2)] / 2 p1 and p_L = E_N - (m^2 + Q^2)/2E, E_N = E - Q^2/2M: products, no
    cancellation. Shapes (n,); GeV.
    """
    cm = invariants(energy, m, mass)
    recoil = q2 / (2 * mass)
    product = jnp.maximum((q2 - cm.q2_min) * (cm.q2_max - q2), 0.0)
    transverse = jnp.where(product > 0, jnp.sqrt(jnp.where(product > 0, product, 1.0)), 0.0) / (2 * cm.p1)
    given = (m * m + q2) / (2 * energy)
    return {
        "n4_e": energy - recoil,
        "n4_transverse": transverse,
        "n4_along": energy - recoil - given,
        "recoil_e": mass + recoil,
    }


def _aim(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Forward: momentum of N around the known direction of the neutrino. No factor."""
    sine, cosine = sincos2pi(state["azimuth"])
    transverse = state["n4_transverse"]
    d = Vector(state["nu_dx"], state["nu_dy"], state["nu_dz"])
    p = along(d, transverse * cosine, transverse * sine, state["n4_along"])
    return {"n4_px": p.x, "n4_py": p.y, "n4_pz": p.z}, None


def _momenta(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Momenta of the neutrino and of the recoil, from the direction of the one and the momentum of N. No factor."""
    energy = state["energy"]
    p = Vector(state["nu_dx"], state["nu_dy"], state["nu_dz"]).scale(energy)
    recoil = p.minus(Vector(state["n4_px"], state["n4_py"], state["n4_pz"]))
    columns = {
        **momentum_columns("nu", four(energy, p)),
        "recoil_px": recoil.x,
        "recoil_py": recoil.y,
        "recoil_pz": recoil.z,
    }
    return columns, None


def spin_axis(n4: FourVector, total: FourVector, m: jax.Array) -> Vector:
    """Direction, in the rest frame of N, along which its helicity in the rest frame of `total` is measured.

    Seen from N at rest, that frame moves against the axis: axis = -P*/|P*| with P* the four-momentum `total` boosted
    there. Shapes (n,). GeV. At threshold, where the axis is not defined, it is z.
    """
    seen = boost_to_rest(total, n4, m).p
    norm = seen.norm()
    defined = norm > 0
    scale = jnp.where(defined, -1 / jnp.where(defined, norm, 1.0), 0.0)
    axis = seen.scale(scale)
    return Vector(axis.x, axis.y, jnp.where(defined, axis.z, 1.0))


def produced_and_axis(params: Params, state: State) -> tuple[FourVector, Vector]:
    """The produced state and the axis of its helicity, which is meant in the centre of mass of neutrino and target
    (params `helicity_frame` 1) or in the rest frame of the nucleus (0).
    """
    n4 = momentum_of(state, "n4")
    moves = params["helicity_frame"]
    neutrino = Vector(state["nu_px"], state["nu_py"], state["nu_pz"]).scale(moves)
    return n4, spin_axis(n4, four(state["energy"] * moves + params["target"].mass, neutrino), params["m_n"])


class Decaying(NamedTuple):
    """A state that decays: its momentum, and its polarisation, from -1 to 1, along an axis of its rest frame."""

    momentum: FourVector
    polarisation: jax.Array
    axis: Vector


class Roles(NamedTuple):
    """What the products of a decay are called in the program."""

    daughter: str
    zprime: str
    hprime: str
    negative: str
    positive: str
    photon: str


def roles_of_products(daughter: str, number: str) -> Roles:
    """The roles of the products of a decay; a second one has the number 2."""
    return Roles(daughter, *(f"{role}{number}" for role in ("zprime", "hprime", "em", "ep", "gamma")))


def _produced(params: Params, state: State) -> Decaying:
    n4, axis = produced_and_axis(params, state)
    return Decaying(n4, params["helicity"], axis)


def _columns(p: Params, parent: Decaying, pdg: jax.Array, made: dict[str, FourVector], daughter: str) -> State:
    """Columns of products given in the rest frame of the parent, by their roles."""
    columns: State = {f"{daughter}_pdg": pdg}
    for role, momentum in made.items():
        columns |= momentum_columns(role, boost_from_rest(momentum, parent.momentum, p["m_n"]))
    return columns


def _chain(p: Params, parent: Decaying, roles: Roles, boson: str, pdg: jax.Array, decay: ChainDecay) -> State:
    """Columns of N -> daughter boson, boson -> l- l+."""
    em, ep = (boost_from_rest(lepton, parent.momentum, p["m_n"]) for lepton in (decay.negative, decay.positive))
    return {
        **_columns(p, parent, pdg, {roles.daughter: decay.neutrino}, roles.daughter),
        **momentum_columns(boson, em.plus(ep)),
        **momentum_columns(roles.negative, em),
        **momentum_columns(roles.positive, ep),
    }


def vector(p: Params, parent: Decaying, roles: Roles, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter Z', Z' -> l- l+ with all spin correlations, by their densities; the factor is the product of the
    two branching ratios.

    A daughter neutrino has the flavour alpha with the share |U_alpha|^2 / sum |U|^2 (and equal shares of neutrino and
    antineutrino for a Majorana N): chosen with the azimuth's uniform number, which is then rescaled.
    p: `m_n`, `m_j`, `m_zprime`, `m_lepton`, `majorana`, `polarised`, `branching`, `daughter_pdg` (k,), `flavour_share`
    (k,).
    """
    pdg, azimuth = choose(u[1], p["flavour_share"], p["daughter_pdg"])
    decay = sample_chain(
        ChainAngles(u[0], azimuth, u[2], u[3]), p["m_n"], p["m_j"], p["m_zprime"], p["m_lepton"], parent.polarisation,
        p["majorana"], p["polarised"], parent.axis,
    )  # fmt: skip
    return _chain(p, parent, roles, roles.zprime, pdg, decay), p["branching"]


def scalar(p: Params, parent: Decaying, roles: Roles, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter h', h' -> l- l+ with the spin of N. p: as `vector`, with `m_scalar`, without `polarised`."""
    pdg, azimuth = choose(u[1], p["flavour_share"], p["daughter_pdg"])
    masses = p["m_n"], p["m_j"], p["m_scalar"], p["m_lepton"]
    angles = ChainAngles(u[0], azimuth, u[2], u[3])
    decay = sample_scalar_chain(angles, *masses, parent.polarisation, p["majorana"], parent.axis)
    return _chain(p, parent, roles, roles.hprime, pdg, decay), p["branching"]


def photon(p: Params, parent: Decaying, roles: Roles, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter gamma with the spin of N. p: as `vector`, without a boson and leptons."""
    pdg, azimuth = choose(u[1], p["flavour_share"], p["daughter_pdg"])
    uniforms = RadiativeUniforms(u[0], azimuth)
    decay = sample_radiative(uniforms, p["m_n"], p["m_j"], p["majorana"], parent.polarisation, parent.axis)
    made = {roles.daughter: decay.neutrino, roles.photon: decay.photon}
    return _columns(p, parent, pdg, made, roles.daughter), p["branching"]


def pair(p: Params, parent: Decaying, roles: Roles, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N -> daughter l- l+ through a virtual boson, with the spin of N; the factor is the density over the proposal and
    over the total width: its mean is the branching ratio.

    p: as `vector`, with `width_n` (GeV) and `dilepton`, the numbers of the decay.
    """
    pdg, azimuth = choose(u[2], p["flavour_share"], p["daughter_pdg"])
    uniforms = DileptonUniforms(u[0], u[1], azimuth, u[3], u[4])
    decay, weight = sample_dilepton(uniforms, p["dilepton"], parent.polarisation, parent.axis)
    made = {roles.daughter: decay.neutrino, roles.negative: decay.negative, roles.positive: decay.positive}
    return _columns(p, parent, pdg, made, roles.daughter), weight / p["width_n"]


def _kinematics_of(p: Params, parent: Decaying, roles: Roles, state: State) -> DileptonKinematics:
    """Invariants of the decay, from the stored momenta."""
    daughter, negative, positive = (
        boost_to_rest(momentum_of(state, role), parent.momentum, p["m_n"])
        for role in (roles.daughter, roles.negative, roles.positive)
    )
    return dilepton_kinematics(daughter, negative, positive, parent.axis)


def _vector_density(p: Params, parent: Decaying, roles: Roles, state: State) -> jax.Array:
    """Branching ratio times the share of the daughter times the density of the angles. p: as `vector`."""
    _, cosine, lepton = _kinematics_of(p, parent, roles, state)
    angles = chain_density(
        p["m_n"], p["m_j"], p["m_zprime"], p["m_lepton"], parent.polarisation, p["majorana"], p["polarised"], cosine,
        lepton,
    )  # fmt: skip
    density: jax.Array = p["branching"] * share_of(p, state, roles.daughter) * angles
    return density


def _scalar_density(p: Params, parent: Decaying, roles: Roles, state: State) -> jax.Array:
    """As `_vector_density`. p: as `scalar`."""
    slope = scalar_slope(p["m_n"], p["m_j"], p["m_scalar"], parent.polarisation * (1 - p["majorana"]))
    angles = (1 + slope * _kinematics_of(p, parent, roles, state).cos_neutrino) / (16 * jnp.pi**2)
    density: jax.Array = p["branching"] * share_of(p, state, roles.daughter) * angles
    return density


def _photon_density(p: Params, parent: Decaying, roles: Roles, state: State) -> jax.Array:
    """As `_vector_density`; the daughter flies against the photon. p: as `photon`."""
    seen = boost_to_rest(momentum_of(state, roles.photon), parent.momentum, p["m_n"]).p
    cosine = -seen.dot(parent.axis) / seen.norm()
    angles = (1 + parent.polarisation * (1 - p["majorana"]) * cosine) / (4 * jnp.pi)
    density: jax.Array = p["branching"] * share_of(p, state, roles.daughter) * angles
    return density


def _pair_density(p: Params, parent: Decaying, roles: Roles, state: State) -> jax.Array:
    """dGamma/Gamma of the decay times the share of the daughter. p: as `pair`."""
    model, kinematics = p["dilepton"], _kinematics_of(p, parent, roles, state)
    kinematics = kinematics._replace(q2=within_limits(kinematics.q2, model))
    shape = dilepton_density(kinematics, model, parent.polarisation) / p["width_n"]
    density: jax.Array = shape * share_of(p, state, roles.daughter)
    return density


def share_of(params: Params, state: State, daughter: str = "nu_out") -> jax.Array:
    """Share of the daughter that the event has among all."""
    pdg = state[f"{daughter}_pdg"]
    share = jnp.zeros(pdg.shape, params["flavour_share"].dtype)
    for k in range(params["flavour_share"].shape[0]):
        share = share + jnp.where(pdg == params["daughter_pdg"][k], params["flavour_share"][k], 0.0)
    return share


def missing_daughters(old: Params, new: Params) -> list[str]:
    """Daughters that the wanted model has and the events never have."""
    shares: list[dict[int, float]] = []
    for params in (old, new):
        shares.append({})
        for pdg, share in zip(np.asarray(params["daughter_pdg"]), np.asarray(params["flavour_share"]), strict=True):
            shares[-1][int(pdg)] = shares[-1].get(int(pdg), 0.0) + float(share)
    lacking = {pdg: share for pdg, share in shares[1].items() if share > 0 and not shares[0].get(pdg, 0.0) > 0}
    if not lacking:
        return []
    names = ", ".join(map(str, sorted(lacking)))
    return [f"no event has a daughter with the PDG code {names}, but {100 * sum(lacking.values()):.3g} % of N have it"]


def choose(u: jax.Array, share: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One of k values with the given shares, and the rest of u as a new uniform number."""
    chosen = jnp.broadcast_to(value[0], u.shape)
    low, width = jnp.zeros_like(u), jnp.broadcast_to(share[0], u.shape)
    for k in range(1, share.shape[0]):
        beyond = u >= low + width
        low = jnp.where(beyond, low + width, low)
        width = jnp.where(beyond, share[k], width)
        chosen = jnp.where(beyond, value[k], chosen)
    return chosen, jnp.clip((u - low) / jnp.where(width > 0, width, 1.0), 0.0, 1.0)


ANGLES = ("polar", "azimuth", "lepton", "lepton_azimuth")
_LEPTON = {"m_lepton": "the mass (GeV) of the lepton"}
# of a decay: uniforms, what makes its products, their density, masses that two models must share
_DECAYS: dict[Step, tuple[tuple[str, ...], Any, Any, dict[str, str]]] = {
    "vector": (
        ANGLES,
        vector,
        _vector_density,
        {**_LEPTON, "m_zprime": "the mass (GeV) of the Z', which is on its shell in every event,"},
    ),
    "scalar": (
        ANGLES,
        scalar,
        _scalar_density,
        {**_LEPTON, "m_scalar": "the mass (GeV) of h', which is on its shell in every event,"},
    ),
    "photon": (ANGLES[:2], photon, _photon_density, {}),
    "pair": (("mass", *ANGLES), pair, _pair_density, _LEPTON),
}


def decay_stage(
    step: Step, name: str, roles: Roles, numbers: Callable[[Params], Params],
    parent: Callable[[Params, State], Decaying], state: str,
) -> Stage:  # fmt: skip
    """The stage of one decay to a daughter and a pair of leptons, or a photon.

    step     how it goes
    name     of the stage
    numbers  params -> those of this decay
    parent   what decays, of the columns of the stages before
    state    its description, for a refusal
    """
    dims, make, density, shared = _DECAYS[step]
    alike = same(m_n=f"the mass (GeV) of {state}", m_j="the mass (GeV) of its daughter", **shared)

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
        made: tuple[State, jax.Array] = make(numbers(params), parent(params, state), roles, u)
        return made

    return Stage(
        name,
        dims,
        run,
        expected=lambda params, state: numbers(params)["branching"],
        density=lambda params, state: density(numbers(params), parent(params, state), roles, state),
        covers=lambda old, new: [
            *alike(numbers(old), numbers(new)),
            *missing_daughters(numbers(old), numbers(new)),
        ],
    )


SCATTERING = Stage("xsec", ("q2", "azimuth"), _scattering, adapt=("q2",), density=_scattering_density, covers=SAME_N)
AIM = Stage("aim", (), _aim, weighs=False)
MOMENTA = Stage("momenta", (), _momenta, weighs=False)
FIRST_ROLES = roles_of_products("nu_out", "")
FIRST_DECAY: dict[Step, Stage] = {
    step: decay_stage(step, "branching", FIRST_ROLES, lambda params: params, _produced, "the state that the beam makes")
    for step in _DECAYS
}
