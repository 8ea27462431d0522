"""The second decay of a cascade, with any mediator: N6 -> N5 l+ l- or N5 gamma, then N5 -> N4 l+ l- or N4 gamma. The
daughter of the first has a spin and a flight of its own.

Program names: `n4` is what the beam makes, `nu_out` its daughter, `second_out`, `em2`, `ep2` or `gamma2` what that
decays to. Units: GeV, cm, ns; detector frame.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params, Stage, State, same
from darkhorn.generator.processes.dark_neutrino_stages import (
    Decaying,
    decay_stage,
    momentum_of,
    produced_and_axis,
    roles_of_products,
)
from darkhorn.generator.processes.dark_neutrino_states import Step
from darkhorn.generator.stages import decay_in_cell, separation
from darkhorn.kernels.flight import decay_distance, decay_length, decay_probability, flight_time
from darkhorn.kernels.kinematics import FourVector, Vector
from darkhorn.kernels.matrix_elements.daughter_spin import (
    chiral_momentum,
    polarisation_of,
    spin_by_vector,
    spin_by_virtual_photon,
)

ORIENTATION = {"vector": -1.0, "dipole": 1.0, "scalar": 1.0}  # whether the mediator keeps or flips chirality


def _spin_of_daughter(mediator: str, made_by: Step, params: Params, state: State) -> FourVector:
    """Q of `daughter_spin` for the daughter of the first decay."""
    if made_by == "photon":
        return momentum_of(state, "gamma")
    parent, axis = produced_and_axis(params, state)
    chiral = chiral_momentum(parent, params["m_n"], params["helicity"], axis, ORIENTATION[mediator])
    if mediator == "scalar":
        return chiral
    spin = spin_by_vector if mediator == "vector" else spin_by_virtual_photon
    return spin(chiral, momentum_of(state, "em"), momentum_of(state, "ep"), params["m_lepton"])


def _polarised_daughter(mediator: str, made_by: Step) -> Callable[[Params, State], Decaying]:
    """The daughter of the first decay, with the polarisation that it takes over."""

    def of(params: Params, state: State) -> Decaying:
        daughter = momentum_of(state, "nu_out")
        found = polarisation_of(_spin_of_daughter(mediator, made_by, params, state), daughter, params["m_j"])
        size = found.norm()
        some = size > 1e-12
        unit = found.scale(jnp.where(some, 1 / jnp.where(some, size, 1.0), 0.0))
        axis = Vector(unit.x, unit.y, jnp.where(some, unit.z, 1.0))
        return Decaying(daughter, jnp.minimum(size, 1.0) * params["second"]["polarised"], axis)

    return of


def _daughter_ray(params: Params, state: State, proper: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """(momentum, decay length, near, far) of the daughter's ray through `decay_region`; near = far where it misses."""
    # not `momentum_of`: a reweighting hands over the columns whose numbers count, and the energy does not
    p = Vector(*(state[f"nu_out_p{axis}"] for axis in "xyz"))
    momentum = p.norm()
    still = momentum <= 0
    safe = jnp.where(still, 1.0, momentum)
    d = Vector(p.x / safe, p.y / safe, jnp.where(still, 1.0, p.z / safe))
    start = (state["decay_x"], state["decay_y"], state["decay_z"])
    near, far = params["decay_region"].ray_interval(*start, *d)
    near = jnp.maximum(near, 0.0)
    length = jnp.maximum(decay_length(momentum, params["m_j"], proper), 1e-12)
    return momentum, length, near, jnp.maximum(far, near)


def _second_place(state: State, flown: jax.Array, momentum: jax.Array) -> State:
    safe = jnp.where(momentum > 0, momentum, 1.0)
    place = {
        f"decay2_{axis}": state[f"decay_{axis}"] + flown / safe * state[f"nu_out_p{axis}"] for axis in ("x", "y", "z")
    }
    return {**place, "decay2_t": state["decay_t"] + flight_time(flown, state["nu_out_e"], safe)}


def _second_forced(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The second decay happens inside `decay_region`, too; the factor is the probability of that."""
    momentum, length, near, far = _daughter_ray(params, state, params["second"]["ctau_n"])
    reached = far > near
    far = jnp.where(reached, far, near + 1.0)
    flown = decay_distance(u[0], near, far, length)
    return _second_place(state, flown, momentum), jnp.where(reached, decay_probability(near, far, length), 0.0)


def _second_free(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """The second decay happens where the exponential law puts it; `decay2_inside` says whether in `decay_region`."""
    momentum, length, near, far = _daughter_ray(params, state, params["second"]["ctau_n"])
    flown = -length * jnp.log1p(-u[0])
    inside = (flown >= near) & (flown < far)
    return {**_second_place(state, flown, momentum), "decay2_inside": inside.astype(jnp.int8)}, None


def _second_forced_density(params: Params, state: State) -> jax.Array:
    """Probability of the second decay in the cell of the daughter's path through `decay_region` where the event's
    is.
    """
    _, length, near, far = _daughter_ray(params, state, params["second"]["ctau_n"])
    return decay_in_cell(params, separation(state, "decay", "decay2"), near, far, length)


def _second_free_density(params: Params, state: State) -> jax.Array:
    """As forced, on a path without end."""
    _, length, _, _ = _daughter_ray(params, state, params["second"]["ctau_n"])
    zero, end = jnp.zeros_like(length), jnp.full_like(length, jnp.inf)
    return decay_in_cell(params, separation(state, "decay", "decay2"), zero, end, length)


def _escape_forced_density(params: Params, state: State) -> jax.Array:
    """The daughter does not decay visibly inside `decay_region`: 1 - branching ratio times probability, what the
    channels with two decays leave. params: `later`.
    """
    _, length, near, far = _daughter_ray(params, state, params["later"]["ctau_n"])
    density: jax.Array = 1 - params["later"]["branching"] * decay_probability(near, far, length)
    return density


def _escape_free_density(params: Params, state: State) -> jax.Array:
    """The daughter does not decay visibly anywhere."""
    return jnp.broadcast_to(1 - params["later"]["branching"], state["energy"].shape)


def _escapes(density: Callable[[Params, State], jax.Array], summed: bool) -> Stage:
    """Nothing is drawn: the factor is the probability."""

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
        return {}, density(params, state)

    return Stage("escape", (), run, density=density, summed=summed)


@lru_cache
def second_decay(mediator: str, made_by: Step, step: Step) -> Stage:
    """The stage of the second decay, of a daughter that was `made_by` the first. One object each: chains share their
    programs.
    """
    parent = _polarised_daughter(mediator, made_by)
    roles = roles_of_products("second_out", "2")
    return decay_stage(
        step, "branching2", roles, lambda params: params["second"], parent, "the state that decays second"
    )


_same_daughter = same(m_j="the mass (GeV) of the state that decays second")
SECOND_FORCED = Stage(
    "decay2",
    ("flight",),
    _second_forced,
    adapt=("flight",),
    density=_second_forced_density,
    summed=True,
    covers=_same_daughter,
)
SECOND_FREE = Stage(
    "decay2",
    ("flight",),
    _second_free,
    weighs=False,
    density=_second_free_density,
    summed=True,
    covers=_same_daughter,
)
ESCAPE_FORCED = _escapes(_escape_forced_density, summed=True)
ESCAPE_FREE = _escapes(_escape_free_density, summed=False)
