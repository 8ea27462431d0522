"""Stages that any source, detector and long-lived particle share. Each is a pure function; the numbers come from
`params`.

Units: GeV, cm, ns. Positions and directions are in the detector frame. Groups of `params` are named in each docstring.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params, Stage, State, same
from darkhorn.kernels.backtracking import Displacement, Scattering, scattering_of
from darkhorn.kernels.constants import SPEED_OF_LIGHT
from darkhorn.kernels.flight import decay_distance, decay_length, decay_probability, flight_time
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.trigonometry import sincos2pi

FLUX_CELLS = 4096
MAP_CELLS = 1024


# ------------------------------------------------------------------------------------------------------------
# neutrino energy
def flux_tables(
    edges: NDArray[np.float64], content: NDArray[np.float64], lowest: float
) -> dict[str, NDArray[np.float64]]:
    """Tables of the stage `flux` for a histogram, for energies above `lowest` (GeV): host side.

    flux   (FLUX_CELLS,) per GeV, constant in each cell of a uniform grid from `low` in steps of `step`; integrals are
    conserved energy (MAP_CELLS + 1,) quantiles of the flux on a uniform grid of u: a proposal, so that its accuracy
    costs variance only
    """
    top = float(edges[-1])
    grid = np.linspace(lowest, top, FLUX_CELLS + 1)
    cumulative = np.interp(grid, edges, np.concatenate([[0.0], np.cumsum(content)]))
    flux = np.diff(cumulative) / np.diff(grid)
    # a floor of one part in a thousand keeps every energy reachable, also where a table has empty bins
    proposal = cumulative - cumulative[0]
    proposal = proposal / proposal[-1] + 1e-3 * (grid - lowest) / (top - lowest)
    energy = np.interp(np.linspace(0.0, proposal[-1], MAP_CELLS + 1), proposal, grid)
    return {"flux": flux, "low": np.asarray(lowest), "step": np.asarray((top - lowest) / FLUX_CELLS), "energy": energy}


def _flux(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Neutrino energy from the quantile table; the factor is flux times dE/du times the exposure: neutrinos per cm^2.

    params["flux"]: tables of `flux_tables` and `pot`.
    """
    p = params["flux"]
    position = u[0] * MAP_CELLS
    cell = jnp.clip(position.astype(jnp.int32), 0, MAP_CELLS - 1)
    left, right = p["energy"][cell], p["energy"][cell + 1]
    energy = left + (right - left) * (position - cell.astype(position.dtype))
    slot = jnp.clip(((energy - p["low"]) / p["step"]).astype(jnp.int32), 0, FLUX_CELLS - 1)
    return {"energy": energy}, p["flux"][slot] * ((right - left) * MAP_CELLS) * p["pot"]


def _flux_density(params: Params, state: State) -> jax.Array:
    """The exposure: all that may change of a source under events that exist."""
    return jnp.broadcast_to(params["flux"]["pot"], state["energy"].shape)


FLUX = Stage("flux", ("energy",), _flux, adapt=("energy",), density=_flux_density)


# ------------------------------------------------------------------------------------------------------------
# scattering place
def _targets(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Scattering point uniform in the region; the factor is the number of scatterers in it, in units of 1e38.

    params["region"]: a volume of `geometry.volumes`; params["scatterers_per_cm3"] in units of 1e38.
    """
    region = params["region"]
    x, y, z = region.sample_uniform(u[0], u[1], u[2])
    return {"scatter_x": x, "scatter_y": y, "scatter_z": z}, params["scatterers_per_cm3"] * region.volume()


TARGETS = Stage("targets", ("x", "y", "z"), _targets, adapt=("z",))


# ------------------------------------------------------------------------------------------------------------ line of
# sight
def _birth(params: Params, energy: jax.Array, u: Sequence[jax.Array]) -> tuple[Vector, jax.Array]:
    """Where a neutrino of this energy is born, and that place along the beam axis.

    z from a sum of exponentials, one per kind of parent, cut at the ends of the decay region; (x, y) uniform in a
    disc. u: along, radius, azimuth.

    params["beam"]: `share` and `length_cm` (k, n) on a uniform energy grid of `energy_step`, `start_cm`, `end_cm`,
    `radius_cm`; `origin` (3,) of the beam frame and its `axes` (3, 3) (rows) in the detector frame.
    """
    beam = params["beam"]
    last = beam["share"].shape[1] - 1
    slot = jnp.clip((energy / beam["energy_step"]).astype(jnp.int32), 0, last)
    share = beam["share"]
    # one uniform number chooses the parent and, rescaled inside its share, the place
    low, below, chosen = jnp.zeros_like(energy), u[0], jnp.zeros_like(slot)
    width = share[0][slot]
    for parent in range(1, share.shape[0]):
        beyond = below >= low + width
        next_width = share[parent][slot]
        chosen = jnp.where(beyond, parent, chosen)
        low = jnp.where(beyond, low + width, low)
        width = jnp.where(beyond, next_width, width)
    inside = jnp.clip((below - low) / jnp.where(width > 0, width, 1.0), 0.0, 1.0)
    length = beam["length_cm"].reshape(-1)[chosen * (last + 1) + slot]
    along = decay_distance(inside, beam["start_cm"], beam["end_cm"], length)
    sine, cosine = sincos2pi(u[2])
    radius = beam["radius_cm"] * jnp.sqrt(u[1])
    across_x, across_y = radius * cosine, radius * sine

    def component(i: int) -> jax.Array:
        axes = beam["axes"]
        place: jax.Array = beam["origin"][i] + across_x * axes[0, i] + across_y * axes[1, i] + along * axes[2, i]
        return place

    return Vector(component(0), component(1), component(2)), along


def parallel_or(params: Params, direction: Vector) -> Vector:
    """The direction, or that of the beam axis where params["beam"]["parallel"] is 1."""
    parallel, axis = params["beam"]["parallel"] > 0, params["beam"]["axes"][2]
    return Vector(*(jnp.where(parallel, axis[i], d) for i, d in enumerate(direction)))


def _reference_distance(params: Params, birth: Vector) -> jax.Array:
    """Distance from the birth point to the place for which the flux holds, params["beam"]["reference"] (3,)."""
    reference = params["beam"]["reference"]
    return Vector(*(reference[i] - b for i, b in enumerate(birth))).norm()


def _line_of_sight(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Birth point of the neutrino and its direction to the scattering; the factor is (reference distance / distance)^2.

    A neutrino beam spreads with the square of the distance from the birth point; the flux is that at the reference
    point. With params["beam"]["parallel"] = 1 the flux is the same, but every neutrino flies along the beam axis.
    """
    birth, along = _birth(params, state["energy"], u)
    flown = Vector(state["scatter_x"], state["scatter_y"], state["scatter_z"]).minus(birth)
    distance = flown.norm()
    unit = parallel_or(params, flown.scale(1 / distance))
    columns = {"nu_dx": unit.x, "nu_dy": unit.y, "nu_dz": unit.z, "baseline": distance, "birth_along": along}
    return columns, (_reference_distance(params, birth) / distance) ** 2


LINE_OF_SIGHT = Stage("line_of_sight", ("along", "radius", "azimuth"), _line_of_sight)


# ------------------------------------------------------------------------------------- backwards from the decay point
def _decay_place(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Decay point uniform in `decay_region`; the factor is scatterers per cm^3 of the region of scattering (1e38)
    times the volume of the decay
    region: the shift from scattering to decay point has a unit Jacobian for a fixed flight.
    """
    region = params["decay_region"]
    x, y, z = region.sample_uniform(u[0], u[1], u[2])
    return {"decay_x": x, "decay_y": y, "decay_z": z}, params["scatterers_per_cm3"] * region.volume()


def _sight_of_decay(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Birth point of the neutrino, chosen before the scattering point is known.

    The factor is (reference distance / distance to the decay point)^2; what is left of the spread is in `_backtrack`.
    """
    birth, along = _birth(params, state["energy"], u)
    line = Vector(state["decay_x"], state["decay_y"], state["decay_z"]).minus(birth)
    columns = {"birth_x": birth.x, "birth_y": birth.y, "birth_z": birth.z, "birth_along": along}
    return columns, _reference_distance(params, birth) ** 2 / line.dot(line)


def back_to_scattering(params: Params, state: State, shift: Displacement) -> tuple[State, Scattering, jax.Array]:
    """The scattering from which `shift` leads to the stored `decay_*`: (columns, the triangle, whether it lies in
    `region`). params: `region`, `beam`.
    """
    decay, birth = (Vector(*(state[f"{name}_{axis}"] for axis in "xyz")) for name in ("decay", "birth"))
    beam = Vector(*(params["beam"]["axes"][2, i] for i in range(3)))
    found = scattering_of(decay, birth, shift, beam, params["beam"]["parallel"] > 0)
    columns = {
        **{f"scatter_{axis}": value for axis, value in zip("xyz", found.place, strict=True)},
        **{f"nu_d{axis}": value for axis, value in zip("xyz", found.neutrino, strict=True)},
        "baseline": found.baseline,
    }
    return columns, found, found.possible & params["region"].contains(*found.place)


def _backtrack(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """From the decay point D back to the scattering point, with the angle of the scattering and its azimuth already
    chosen: the triangle of `kernels.backtracking`.

    l is exponential between the nearest and the farthest point of the region from D. The factor is the probability of
    that interval times the flux without the part L0^2/D0^2, which is that of `_sight_of_decay`, and 0 if the scattering
    is not in the region.

    params: `region`, `m_n`, `ctau_n`. state: n4_transverse, n4_along (GeV) with respect to the neutrino, azimuth
    (turns).
    """
    transverse, along = state["n4_transverse"], state["n4_along"]
    momentum = jnp.sqrt(transverse * transverse + along * along)
    length = decay_length(momentum, params["m_n"], params["ctau_n"])
    near, far = params["region"].distance_range(state["decay_x"], state["decay_y"], state["decay_z"])
    flown = decay_distance(u[0], near, far, length)
    sin_phi, cos_phi = sincos2pi(state["azimuth"])
    shift = Displacement(flown, transverse / momentum, along / momentum, cos_phi, sin_phi)
    columns, found, inside = back_to_scattering(params, state, shift)
    p = found.neutrino.scale(along).plus(found.side.scale(transverse))
    columns |= {"flight": flown, "n4_px": p.x, "n4_py": p.y, "n4_pz": p.z}
    return columns, jnp.where(inside, decay_probability(near, far, length) * found.spread, 0.0)


def separation(state: State, start: str, end: str) -> jax.Array:
    """Distance (cm) between two stored places, such as `scatter` and `decay`."""
    return Vector(*(state[f"{end}_{axis}"] - state[f"{start}_{axis}"] for axis in "xyz")).norm()


def _backtrack_density(params: Params, state: State) -> jax.Array:
    """exp(-l/L)/L of the flight l, with L from the momentum of N."""
    momentum = Vector(*(state[f"n4_p{axis}"] for axis in "xyz")).norm()
    length = decay_length(momentum, params["m_n"], params["ctau_n"])
    return jnp.exp(-separation(state, "scatter", "decay") / length) / length


SAME_N = same(m_n="the mass (GeV) of the state that the beam makes")
DECAY_PLACE = Stage("targets", ("x", "y", "z"), _decay_place, adapt=("z",))
SIGHT_OF_DECAY = Stage("line_of_sight", ("along", "radius", "azimuth"), _sight_of_decay)
BACKTRACK = Stage("decay", ("flight",), _backtrack, adapt=("flight",), density=_backtrack_density, covers=SAME_N)


# ------------------------------------------------------------------------------------------------------------ flight
# and decay
def _ray(params: Params, state: State, volume: str) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """(momentum, decay length, near, far) of the long-lived particle's ray through a volume; near = far where it
    misses.
    """
    px, py, pz = state["n4_px"], state["n4_py"], state["n4_pz"]
    momentum = jnp.sqrt(px * px + py * py + pz * pz)
    near, far = params[volume].ray_interval(
        state["scatter_x"], state["scatter_y"], state["scatter_z"], px / momentum, py / momentum, pz / momentum
    )
    near = jnp.maximum(near, 0.0)
    return momentum, decay_length(momentum, params["m_n"], params["ctau_n"]), near, jnp.maximum(far, near)


def _decay_point(state: State, flown: jax.Array, momentum: jax.Array) -> State:
    scale = flown / momentum
    return {
        "flight": flown,
        "decay_x": state["scatter_x"] + scale * state["n4_px"],
        "decay_y": state["scatter_y"] + scale * state["n4_py"],
        "decay_z": state["scatter_z"] + scale * state["n4_pz"],
    }


def _decay_forced(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The decay happens inside `decay_region`; the factor is the probability of that.

    params: `decay_region`, `m_n` (GeV), `ctau_n` (cm).
    """
    momentum, length, near, far = _ray(params, state, "decay_region")
    reached = far > near
    far = jnp.where(reached, far, near + 1.0)
    flown = decay_distance(u[0], near, far, length)
    return _decay_point(state, flown, momentum), jnp.where(reached, decay_probability(near, far, length), 0.0)


def _decay_free(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """The decay happens where the exponential law puts it, in or out of `decay_region`. No factor.

    The column `decay_inside` says whether it is in the region.
    """
    momentum, length, near, far = _ray(params, state, "decay_region")
    flown = -length * jnp.log1p(-u[0])
    inside = (flown >= near) & (flown < far)
    return {**_decay_point(state, flown, momentum), "decay_inside": inside.astype(jnp.int8)}, None


def decay_in_cell(params: Params, flown: jax.Array, near: jax.Array, far: jax.Array, length: jax.Array) -> jax.Array:
    """Probability of a decay in that cell of the path, from near to far, where the event's is, after `flown`.

    The cells are `flight_resolution` (cm) long: nothing that does not see where in its cell a particle decayed can tell
    this from the density exp(-l/L)/L, its limit for short cells, whose ratio for two short lives says more of
    micrometres than of events.
    """
    cell = params["flight_resolution"]
    first = jnp.minimum(near + cell * jnp.floor(jnp.maximum(flown - near, 0.0) / cell), flown)
    width = jnp.maximum(jnp.minimum(first + cell, far) - first, 1e-3 * cell)  # rounding at the far end
    return decay_probability(first, first + width, length)


def _decay_forced_density(params: Params, state: State) -> jax.Array:
    """Probability of a decay in the cell of the path through `decay_region` where the event's is."""
    _, length, near, far = _ray(params, state, "decay_region")
    return decay_in_cell(params, separation(state, "scatter", "decay"), near, far, length)


def _decay_free_density(params: Params, state: State) -> jax.Array:
    """As forced, on a path without end."""
    _, length, _, _ = _ray(params, state, "decay_region")
    zero, end = jnp.zeros_like(length), jnp.full_like(length, jnp.inf)
    return decay_in_cell(params, separation(state, "scatter", "decay"), zero, end, length)


DECAY_FORCED = Stage(
    "decay",
    ("flight",),
    _decay_forced,
    density=_decay_forced_density,
    summed=True,
    covers=SAME_N,
)
DECAY_FREE = Stage(
    "decay",
    ("flight",),
    _decay_free,
    weighs=False,
    density=_decay_free_density,
    summed=True,
    covers=SAME_N,
)


# ------------------------------------------------------------------------------------------------------------ time
def proton_time(params: Params, u: jax.Array) -> jax.Array:
    """Time (ns) at which a proton hits the target, in one of the filled buckets.

    One uniform number (n,) chooses the bucket and, rescaled, the place in its Gaussian. params["spill"]: `buckets`,
    `spacing_ns`, `sigma_ns`.
    """
    spill = params["spill"]
    position = u * spill["buckets"]
    bucket = jnp.floor(position)
    inside = jnp.clip(position - bucket, 1e-16, 1 - 1e-16)
    time: jax.Array = bucket * spill["spacing_ns"] + spill["sigma_ns"] * _normal_quantile(inside)
    return time


def parent_time(params: Params, energy: jax.Array, along: jax.Array) -> jax.Array:
    """Time (ns) from the proton at z = 0 of the beam to the birth of a neutrino at `along` (cm), for a flux table: the
    parent flies at the speed of a charged pion that sends a neutrino of this energy forward.

    params["beam"]["start_cm"]; params["parent_gamma_per_gev"]. Shapes broadcast.
    """
    gamma = jnp.maximum(energy * params["parent_gamma_per_gev"], 1.05)
    beta = jnp.sqrt(1 - 1 / (gamma * gamma))
    start = params["beam"]["start_cm"]
    time: jax.Array = (along - start) / (beta * SPEED_OF_LIGHT) + start / SPEED_OF_LIGHT
    return time


def _time(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Times of scattering and decay: proton on target in one of the filled buckets, then parent, neutrino and N fly.

    The birth of the neutrino is at `birth_t` where rays tell it, else as `parent_time` has it. No factor.

    params["spill"], see `proton_time`; those of `parent_time`.
    """
    proton = proton_time(params, u[0])
    parent = state["birth_t"] if "birth_t" in state else parent_time(params, state["energy"], state["birth_along"])
    scatter = proton + parent + state["baseline"] / SPEED_OF_LIGHT
    px, py, pz = state["n4_px"], state["n4_py"], state["n4_pz"]
    momentum = jnp.sqrt(px * px + py * py + pz * pz)
    decay = scatter + flight_time(state["flight"], state["n4_e"], momentum)
    return {"scatter_t": scatter, "decay_t": decay}, None


def _normal_quantile(p: jax.Array) -> jax.Array:
    return jax.scipy.special.ndtri(p)


TIME = Stage("time", ("proton",), _time, weighs=False)
