"""A broad N: the mass with which it is made and decays, drawn from its line shape.

    dsigma = sigma(mu) rho(mu^2) dmu^2,   rho = (1/pi N) mu Gamma(mu) / [(mu^2 - m^2)^2 + mu^2 Gamma(mu)^2]

Gamma(mu) is the width at the mass mu, the sum over the decays to a lighter state and an on-shell Z'; N makes the
integral of rho from the threshold to infinity 1, as the sum rule of the propagator asks. GeV.
Source: relativistic Breit-Wigner with energy-dependent width (PDG Review, "Resonances").
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params, Stage, State
from darkhorn.kernels.matrix_elements.fermi_gas import heaviest
from darkhorn.kernels.matrix_elements.neutral_decays import width_to_vector
from darkhorn.kernels.quadrature import gauss_legendre

NODES = 400  # of the integral N: 1e-6 for widths of 1e-9 to 1 of the mass
_MARGIN = 1e-9  # off both ends, where a momentum would be the root of a rounding error


def widths_at(mass: jax.Array, shape: Params, majorana: jax.Array, m_zprime: jax.Array) -> list[jax.Array]:
    """Gamma(N -> j Z') at the mass `mass` (any shape) for every transition; zero for those of other states."""
    columns = zip(shape["m_j"], shape["coupling"], strict=True)
    return [width_to_vector(mass, m_j, m_zprime, coupling, majorana) for m_j, coupling in columns]


def spectral_density(mass: jax.Array, shape: Params, majorana: jax.Array, m_zprime: jax.Array) -> jax.Array:
    """mu Gamma(mu)/{pi [(mu^2 - m^2)^2 + mu^2 Gamma(mu)^2]}, GeV^-2, not yet normalised. Shapes: any."""
    m: jax.Array = shape["m"]
    absorbed = mass * sum(widths_at(mass, shape, majorana, m_zprime), jnp.zeros_like(mass))
    density: jax.Array = absorbed / (jnp.pi * (((mass - m) * (mass + m)) ** 2 + absorbed * absorbed))
    return density


def line_shape(
    m: jax.Array, width: jax.Array, m_j: jax.Array, coupling: jax.Array, lower: jax.Array, majorana: jax.Array,
    m_zprime: jax.Array,
) -> dict[str, Any]:  # fmt: skip
    """The numbers of a line shape: m, width (GeV) on the mass shell, `lower` end of the mass; m_j, coupling (t,) of the
    transitions; and `norm`, the integral of the spectral density from `lower` to infinity.

    Gauss-Legendre in y = atan[(mu^2 - m^2)/(m Gamma)]; accuracy 1e-6.
    """
    shape: dict[str, Any] = {"m": m, "width": width, "lower": lower, "m_j": m_j, "coupling": coupling}
    scale = m * width

    def integrand(y: jax.Array) -> jax.Array:
        tangent = jnp.tan(y)
        mass = jnp.sqrt(jnp.maximum(m * m + scale * tangent, lower * lower))
        return spectral_density(mass, shape, majorana, m_zprime) * scale * (1 + tangent * tangent)

    low = jnp.arctan((lower * lower - m * m) / scale)
    return {**shape, "norm": gauss_legendre(integrand, low, jnp.full_like(low, 0.5 * jnp.pi), NODES)}


def _stored_density(params: Params, state: State) -> jax.Array:
    """rho(mu^2), GeV^-2, at the mass mu of the event. params: `shape` of `line_shape`, `majorana`, `m_zprime`."""
    shape = params["shape"]
    density = spectral_density(state["n4_mass"], shape, params["majorana"], params["m_zprime"])
    normalised: jax.Array = density / shape["norm"]
    return normalised


def _draw(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array]:
    """The mass between the threshold of the decay and what the neutrino's energy allows, flat in atan[(mu^2 - m^2)/(m
    Gamma)]; the factor is rho dmu^2/du. params: `shape` of `line_shape`, `majorana`, `m_zprime`, `target`.
    """
    shape, target = params["shape"], params["target"].mass
    m, scale = shape["m"], shape["m"] * shape["width"]
    top = jnp.sqrt(target * (target + 2 * state["energy"])) - target
    if "gas" in params:
        top = heaviest(state["energy"], target, params["gas"])
    low, high = shape["lower"] * (1 + _MARGIN), top * (1 - _MARGIN)
    opened = high > low
    high = jnp.where(opened, high, low * (1 + _MARGIN))
    start, stop = (jnp.arctan((end * end - m * m) / scale) for end in (low, high))
    tangent = jnp.tan(start + (stop - start) * u[0])
    mass = jnp.clip(jnp.sqrt(jnp.maximum(m * m + scale * tangent, low * low)), low, high)
    rho = _stored_density(params, {"n4_mass": mass})
    factor = rho * scale * (1 + tangent * tangent) * (stop - start)
    return {"n4_mass": mass}, jnp.where(opened, factor, 0.0)


def at_drawn_mass(params: Params, state: State) -> Params:
    """The parameters with the drawn mass of N and the branching ratio at it; as they are for a stage before the draw,
    which may not depend on the mass (rays: where the scattering is comes before the energy, and that before the mass).
    """
    if "n4_mass" not in state:
        return params
    shape, mass = params["shape"], state["n4_mass"]
    widths = widths_at(mass, shape, params["majorana"], params["m_zprime"])
    total = sum(widths, jnp.zeros_like(mass))
    chosen = sum((c * w for c, w in zip(shape["chosen"], widths, strict=True)), jnp.zeros_like(mass))
    safe = jnp.where(total > 0, total, 1.0)
    return {**params, "m_n": mass, "branching": chosen / safe * shape["zprime_branching"]}


@lru_cache
def at_mass(stage: Stage) -> Stage:
    """The stage with the drawn mass in place of the one on the mass shell."""

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array | None]:
        return stage.run(at_drawn_mass(params, state), state, u)

    changed: dict[str, Any] = {"run": run}
    for name in ("density", "expected"):
        function = getattr(stage, name)
        if function is not None:
            changed[name] = _at_its_mass(function)
    if stage.covers is not None:
        changed["covers"] = _whatever_its_mass(stage.covers)
    return dataclasses.replace(stage, **changed)


def _at_its_mass(function: Callable[[Params, State], jax.Array]) -> Callable[[Params, State], jax.Array]:
    return lambda params, state: function(at_drawn_mass(params, state), state)


def _whatever_its_mass(covers: Callable[[Params, Params], Sequence[str]]) -> Callable[[Params, Params], Sequence[str]]:
    """Every event has a mass of its own, which both models can draw."""
    return lambda old, new: covers(old, {**new, "m_n": old["m_n"]})


LINE_SHAPE = Stage("line_shape", ("mass",), _draw, adapt=("mass",), density=_stored_density)
