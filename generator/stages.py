"""Stages that any source, detector and long-lived particle share. Each is a pure function; the numbers come from
`params`.

Units: GeV, cm, ns. Positions and directions are in the detector frame. Groups of `params` are named in each docstring.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Params, Stage, State
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


FLUX = Stage("flux", ("energy",), _flux, adapt=("energy",))


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
def _line_of_sight(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Birth point of the neutrino and its direction; the factor is (distance of the reference point / distance)^2.

    The flux is that at the reference point of the detector; a neutrino born at z has spread over the square of the
    distance by then. Birth points: z from a sum of exponentials, one per parent, cut at the ends of the decay region;
    (x, y) uniform in a disc.

    params["beam"]: `share` and `length_cm` (4, n) on a uniform energy grid of `energy_step`, `start_cm`, `end_cm`,
    `radius_cm`, `origin` (3,) of the beam frame and its axes `axes` (3, 3) (rows) in the detector frame, `reference`
    (3,).
    """
    beam = params["beam"]
    energy = state["energy"]
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

    birth = Vector(component(0), component(1), component(2))
    flown = Vector(state["scatter_x"], state["scatter_y"], state["scatter_z"]).minus(birth)
    distance = flown.norm()
    to_reference = Vector(*(beam["reference"][i] - b for i, b in enumerate(birth)))
    unit = flown.scale(1 / distance)
    columns = {"nu_dx": unit.x, "nu_dy": unit.y, "nu_dz": unit.z, "baseline": distance, "birth_along": along}
    return columns, to_reference.dot(to_reference) / (distance * distance)


LINE_OF_SIGHT = Stage("line_of_sight", ("along", "radius", "azimuth"), _line_of_sight)


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


def _decay_free(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The decay happens where the exponential law puts it, in or out of `decay_region`; the factor is 1.

    The column `decay_inside` says whether it is in the region.
    """
    momentum, length, near, far = _ray(params, state, "decay_region")
    flown = -length * jnp.log1p(-u[0])
    inside = (flown >= near) & (flown < far)
    return {**_decay_point(state, flown, momentum), "decay_inside": inside.astype(jnp.int8)}, jnp.ones_like(flown)


DECAY_FORCED = Stage("decay", ("flight",), _decay_forced)
DECAY_FREE = Stage("decay", ("flight",), _decay_free)


# ------------------------------------------------------------------------------------------------------------ time
def _time(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """Times of scattering and decay: proton on target in one of the filled buckets, then parent, neutrino and N fly.

    One uniform number chooses the bucket and, rescaled, the place in its Gaussian. The parent flies at the speed of a
    charged pion that sends a neutrino of this energy forward. The factor is 1.

    params["spill"]: `buckets`, `spacing_ns`, `sigma_ns`; params["beam"]["start_cm"]; params["parent_gamma_per_gev"].
    """
    spill = params["spill"]
    position = u[0] * spill["buckets"]
    bucket = jnp.floor(position)
    inside = jnp.clip(position - bucket, 1e-16, 1 - 1e-16)
    proton = bucket * spill["spacing_ns"] + spill["sigma_ns"] * _normal_quantile(inside)
    gamma = jnp.maximum(state["energy"] * params["parent_gamma_per_gev"], 1.05)
    parent_beta = jnp.sqrt(1 - 1 / (gamma * gamma))
    flown = state["birth_along"] - params["beam"]["start_cm"]
    parent = flown / (parent_beta * SPEED_OF_LIGHT) + params["beam"]["start_cm"] / SPEED_OF_LIGHT
    scatter = proton + parent + state["baseline"] / SPEED_OF_LIGHT
    px, py, pz = state["n4_px"], state["n4_py"], state["n4_pz"]
    momentum = jnp.sqrt(px * px + py * py + pz * pz)
    decay = scatter + flight_time(state["flight"], state["n4_e"], momentum)
    return {"scatter_t": scatter, "decay_t": decay}, jnp.ones_like(scatter)


def _normal_quantile(p: jax.Array) -> jax.Array:
    return jax.scipy.special.ndtri(p)


TIME = Stage("time", ("proton",), _time)
