"""A Z' that flies: N decays at one place, its Z' at another, and the second has to lie in `decay_in`.

Two exponential flights, l1 of N along n1 with mean L1 and l2 of the Z' along n2 with mean L2. Names of columns:
`decay_*` where N decays, `zprime_decay_*` where the Z' does. Units: GeV, cm, ns; detector frame.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params, Stage, State, same
from darkhorn.generator.stages import back_to_scattering, decay_in_cell, separation
from darkhorn.kernels.backtracking import Displacement
from darkhorn.kernels.flight import decay_distance, decay_length, decay_probability, flight_time
from darkhorn.kernels.kinematics import Vector

_FLIGHTS = (("scatter", "decay"), ("decay", "zprime_decay"))


def _momentum(state: State, role: str) -> tuple[Vector, jax.Array]:
    """(unit vector, size) of a momentum."""
    p = Vector(*(state[f"{role}_p{axis}"] for axis in "xyz"))
    size = p.norm()
    still = size <= 0
    unit = p.scale(1 / jnp.where(still, 1.0, size))
    return Vector(unit.x, unit.y, jnp.where(still, 1.0, unit.z)), size


def _lengths(params: Params, state: State) -> tuple[Vector, Vector, jax.Array, jax.Array]:
    """(n1, n2, L1, L2)."""
    first, p_1 = _momentum(state, "n4")
    second, p_2 = _momentum(state, "zprime")
    length_1 = decay_length(p_1, params["m_n"], params["ctau_n"])
    length_2 = decay_length(p_2, params["m_zprime"], params["ctau_zprime"])
    return first, second, jnp.maximum(length_1, 1e-12), jnp.maximum(length_2, 1e-12)


def _place(state: State, name: str) -> Vector:
    return Vector(*(state[f"{name}_{axis}"] for axis in "xyz"))


def _columns(name: str, place: Vector) -> State:
    return {f"{name}_{axis}": value for axis, value in zip("xyz", place, strict=True)}


def _end(params: Params, state: State, first: Vector, second: Vector) -> jax.Array:
    """The longest first flight from which a second one gets to `decay_region`."""
    _, farthest = params["decay_region"].distance_range(*_place(state, "scatter"))
    cosine = jnp.minimum(first.dot(second), 0.0)
    end: jax.Array = farthest / jnp.sqrt(jnp.maximum(1 - cosine * cosine, 1e-12))
    return end


def _way(params: Params, start: Vector, direction: Vector) -> tuple[jax.Array, jax.Array]:
    """(near, far) of a ray through `decay_region`, from `start` on; far < near where it misses."""
    near, far = params["decay_region"].ray_interval(*start, *direction)
    return jnp.maximum(near, 0.0), far


def _flights_forced_density(params: Params, state: State) -> jax.Array:
    """Probability of both decays in their cells: of the way of N, and of that of the Z' through `decay_region`."""
    first, second, length_1, length_2 = _lengths(params, state)
    end = _end(params, state, first, second)
    near, far = _way(params, _place(state, "decay"), second)
    one, two = (separation(state, *ends) for ends in _FLIGHTS)
    flown = decay_in_cell(params, one, jnp.zeros_like(end), end, length_1)
    return flown * decay_in_cell(params, two, near, jnp.maximum(far, near), length_2)


def _flights_density(params: Params, state: State) -> jax.Array:
    """The same on paths without end: in the limit of short cells of c cm, c^2 exp(-l1/L1 - l2/L2)/(L1 L2)."""
    _, _, *lengths = _lengths(params, state)
    density = jnp.ones_like(lengths[0])
    for ends, length in zip(_FLIGHTS, lengths, strict=True):
        zero, end = jnp.zeros_like(length), jnp.full_like(length, jnp.inf)
        density = density * decay_in_cell(params, separation(state, *ends), zero, end, length)
    return density


def _flights_forced(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """N decays where a Z' can still get to `decay_region`, the Z' decays inside; the factor is the probability.

    With c = n1.n2 the place D of the second decay has |D - S|^2 = l1^2 + l2^2 + 2 c l1 l2 >= l1^2 (c >= 0) or l1^2 (1 -
    c^2) (c < 0), so that no l1 beyond the farthest point of the region, over sqrt(1 - c^2) for c < 0, leads into it:
    l1 is exponential below that, l2 exponential on the ray's way through the region. params: `decay_region`, `m_n`,
    `m_zprime`, `ctau_n`, `ctau_zprime`.
    """
    first, second, length_1, length_2 = _lengths(params, state)
    end = _end(params, state, first, second)
    zero = jnp.zeros_like(end)
    l_1 = decay_distance(u[0], zero, end, length_1)
    decay = _place(state, "scatter").plus(first.scale(l_1))
    near, far = _way(params, decay, second)
    reached = far > near
    far = jnp.where(reached, far, near + 1.0)
    l_2 = decay_distance(u[1], near, far, length_2)
    factor = decay_probability(zero, end, length_1) * decay_probability(near, far, length_2)
    columns = {**_columns("decay", decay), **_columns("zprime_decay", decay.plus(second.scale(l_2)))}
    return {**columns, "flight": l_1, "zprime_flight": l_2}, jnp.where(reached, factor, 0.0)


def _flights_free(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Both decays where the exponential laws put them; `decay_inside` and `zprime_decay_inside` say whether in
    `decay_region`. No factor.
    """
    first, second, length_1, length_2 = _lengths(params, state)
    l_1, l_2 = (-length * jnp.log1p(-x) for length, x in ((length_1, u[0]), (length_2, u[1])))
    decay = _place(state, "scatter").plus(first.scale(l_1))
    last = decay.plus(second.scale(l_2))
    inside = {
        f"{name}_inside": params["decay_region"].contains(*place).astype(jnp.int8)
        for name, place in (("decay", decay), ("zprime_decay", last))
    }
    columns = {**_columns("decay", decay), **_columns("zprime_decay", last), **inside}
    return {**columns, "flight": l_1, "zprime_flight": l_2}, None


def _zprime_time(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Time of the decay of the Z'. No factor."""
    _, momentum = _momentum(state, "zprime")
    momentum = jnp.where(momentum > 0, momentum, 1.0)
    return {"zprime_decay_t": state["decay_t"] + flight_time(state["zprime_flight"], state["zprime_e"], momentum)}, None


def two_flights(
    u: Sequence[jax.Array], near: jax.Array, far: jax.Array, length_1: jax.Array, length_2: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(l1, l2, weight): two exponential flights with near < l1 + l2 < far; density of the law / density drawn.

    The sum t is exponential with the longer of the lengths, cut at near and far; given t, l1 is exponential with the
    rate 1/L1 - 1/L2 (of any sign) on [0, t], which is exact. The weight is P (1 - exp(-k t))/(k L<), P the probability
    of the interval with the longer length, L< the shorter, k = 1/L< - 1/L>: within a factor 1/(k L<) of constant. Its
    mean is the probability that the sum lies between near and far. Shapes (n,); cm.
    """
    short, long = jnp.minimum(length_1, length_2), jnp.maximum(length_1, length_2)
    t = decay_distance(u[0], near, far, long)
    k = (long - short) / (short * long)
    equal = k * t < 1e-9
    safe = jnp.where(equal, 1.0, k)
    within = jnp.where(equal, t, -jnp.expm1(-safe * t) / safe)
    early = jnp.where(equal, u[1] * t, -jnp.log1p(u[1] * jnp.expm1(-safe * t)) / safe)
    early = jnp.clip(early, 0.0, t)
    l_1 = jnp.where(length_1 <= length_2, early, t - early)
    return l_1, t - l_1, decay_probability(near, far, long) * within / short


def _local(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, None]:
    """Backwards, the decays are made before the direction of the neutrino is known: along z for the time being."""
    zero = jnp.zeros_like(state["energy"])
    return {"nu_dx": zero, "nu_dy": zero, "nu_dz": zero + 1}, None


_TURNED = ("n4", "struck", "remnant", "recoil", "nu_out", "zprime", "em", "ep")


def _backtrack_flights(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """As `stages.BACKTRACK`, with the displacement l1 n1 + l2 n2 in place of l n: it is a rigid body together with the
    neutrino's direction, so that the same triangle holds for its length and its angle.

    The momenta come with the neutrino along z and leave turned into the detector frame. D is in `decay_*`, and becomes
    `zprime_decay_*`. A displacement between the nearest and the farthest point of the region needs near < l1 + l2 <
    far sqrt[2/(1 + n1.n2)].
    """
    first, second, length_1, length_2 = _lengths(params, state)
    last = _place(state, "decay")
    near, far = params["region"].distance_range(*last)
    bend = jnp.maximum(1 + first.dot(second), 1e-9)
    l_1, l_2, weight = two_flights(u, near, far * jnp.sqrt(2 / bend), length_1, length_2)
    shift = first.scale(l_1).plus(second.scale(l_2))
    flown = shift.norm()
    some = flown > 0
    flat = jnp.sqrt(shift.x * shift.x + shift.y * shift.y)
    sine, cosine = (jnp.where(some, part / jnp.where(some, flown, 1.0), d) for part, d in ((flat, 0.0), (shift.z, 1.0)))
    upright = flat > 0
    safe = jnp.where(upright, flat, 1.0)
    cos_phi, sin_phi = jnp.where(upright, shift.x / safe, 1.0), jnp.where(upright, shift.y / safe, 0.0)

    columns, found, inside = back_to_scattering(params, state, Displacement(flown, sine, cosine, cos_phi, sin_phi))
    neutrino, side = found.neutrino, found.side
    normal = Vector(
        neutrino.y * side.z - neutrino.z * side.y,
        neutrino.z * side.x - neutrino.x * side.z,
        neutrino.x * side.y - neutrino.y * side.x,
    )

    def turned(v: Vector) -> Vector:
        lean, rest = v.x * cos_phi + v.y * sin_phi, v.y * cos_phi - v.x * sin_phi
        return side.scale(lean).plus(normal.scale(rest)).plus(neutrino.scale(v.z))

    momenta: State = {}
    for role in (role for role in _TURNED if f"{role}_px" in state):
        p = turned(Vector(*(state[f"{role}_p{component}"] for component in "xyz")))
        momenta |= {f"{role}_p{component}": value for component, value in zip("xyz", p, strict=True)}
    columns |= {
        **momenta,
        **{f"nu_p{component}": state["energy"] * value for component, value in zip("xyz", neutrino, strict=True)},
        **_columns("decay", found.place.plus(turned(first.scale(l_1)))),
        **_columns("zprime_decay", last),
        "flight": l_1,
        "zprime_flight": l_2,
    }
    return columns, jnp.where(inside, weight * found.spread, 0.0)


FLIGHTS = ("flight", "zprime_flight")
_same_flyers = same(
    m_n="the mass (GeV) of the state that the beam makes", m_zprime="the mass (GeV) of the Z', which is on its shell,"
)
FLIGHTS_FORCED = Stage(
    "decay",
    FLIGHTS,
    _flights_forced,
    adapt=("flight",),
    density=_flights_forced_density,
    summed=True,
    covers=_same_flyers,
)
FLIGHTS_FREE = Stage(
    "decay", FLIGHTS, _flights_free, weighs=False, density=_flights_density, summed=True, covers=_same_flyers
)
LOCAL = Stage("local", (), _local, weighs=False)
BACKTRACK_FLIGHTS = Stage(
    "decay", FLIGHTS, _backtrack_flights, adapt=FLIGHTS, density=_flights_density, covers=_same_flyers
)
ZPRIME_TIME = Stage("zprime_time", (), _zprime_time, weighs=False)
