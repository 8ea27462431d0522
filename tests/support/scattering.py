"""Targets, vertices and reference entries of nu A -> N A, as arrays for one vectorised call."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.geometry.nuclides import fourier_bessel_of, nuclide
from darkhorn.kernels.constants import MAGNETIC_MOMENT_NEUTRON, MASS_PROTON
from darkhorn.kernels.matrix_elements.upscattering import (
    CONSERVING,
    FLIPPING,
    Target,
    Vertices,
    dsigma_dq2,
    invariants,
)
from darkhorn.kernels.quadrature import gauss_legendre

Real = NDArray[np.float64]
REFERENCE = Path(__file__).resolve().parents[1] / "reference"
N_TERMS = 17
PEER_MAGNETIC_MOMENT = 2.792  # rounded so in the peer that the reference numbers were compared with


def entries(name: str) -> list[dict[str, Any]]:
    """Entries of a reference file."""
    loaded: list[dict[str, Any]] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["entries"]
    return loaded


def models(name: str) -> dict[str, dict[str, float]]:
    """Model points of a reference file."""
    loaded: dict[str, dict[str, float]] = json.loads((REFERENCE / f"{name}.json").read_text())["models"]
    return loaded


def scalar(value: float) -> jax.Array:
    """A number on the device."""
    return jnp.asarray(value, jnp.float64)


def nucleus(name: str, mass: float | None = None) -> Target:
    """A nucleus for coherent scattering."""
    known = nuclide(name)
    radius, coefficients = fourier_bessel_of(known, N_TERMS)
    numbers = (known.mass if mass is None else mass, 0.0, radius, coefficients, 0.0, 0.0, 0.0)
    return Target(*(jnp.asarray(number, jnp.float64) for number in numbers))


def nucleon(charge: float, magnetic: float, other: float, mass: float = MASS_PROTON) -> Target:
    """A nucleon; its Fourier-Bessel numbers are any valid ones, and must not matter."""
    numbers = (mass, 1.0, 5.0, np.eye(1, N_TERMS)[0], charge, magnetic, other)
    return Target(*(jnp.asarray(number, jnp.float64) for number in numbers))


def vertices(dark_lepton: float, dark_hadron: float, weak_lepton: float = 0.0, weak_hadron: float = 0.0) -> Vertices:
    """Four numbers as device scalars."""
    values = (dark_lepton, dark_hadron, weak_lepton, weak_hadron)
    return Vertices(*(jnp.asarray(value, jnp.float64) for value in values))


def centre_of_mass(energy: Real, m: Real, mass: Real, cosine: Real) -> tuple[Real, Real, Real, Real]:
    """k1, k2, k3, k4 in the centre-of-mass frame, by textbook formulas."""
    s = mass**2 + 2 * energy * mass
    root = np.sqrt(s)
    p1 = (s - mass**2) / (2 * root)
    e3 = (s + m**2 - mass**2) / (2 * root)
    p3 = np.sqrt(e3**2 - m**2)
    sine, zero = np.sqrt(1 - cosine**2), np.zeros_like(p1)
    k1 = np.stack([p1, zero, zero, p1], axis=-1)
    k2 = np.stack([root - p1, zero, zero, -p1], axis=-1)
    k3 = np.stack([e3, p3 * sine, zero, p3 * cosine], axis=-1)
    return k1, k2, k3, k1 + k2 - k3


class Points(NamedTuple):
    """Arguments of `dsigma_dq2` but for Q^2, stacked over entries."""

    energy: jax.Array
    m: jax.Array
    m_zprime: jax.Array
    helicity: jax.Array
    chirality: jax.Array
    target: Target
    vertices: Vertices


def points(selected: list[dict[str, Any]], with_z: bool = False) -> Points:
    """The reference entries as arrays, with their explicit vertices."""
    model = models("dark_neutrino_xsec")
    proton = nucleon(1.0, PEER_MAGNETIC_MOMENT, MAGNETIC_MOMENT_NEUTRON)

    def one(entry: dict[str, Any]) -> Points:
        parameters, vertex = model[entry["point"]], entry["vertices"]
        weak = (vertex["C_lep"], vertex["C_had"]) if with_z else (0.0, 0.0)
        coherent = entry["regime"] == "coherent"
        return Points(
            energy=scalar(entry["E_nu_GeV"]),
            m=scalar(parameters["m" + entry["upscattered"][1]]),
            m_zprime=scalar(parameters["mzprime"]),
            helicity=scalar(CONSERVING if entry["helicity"] == "conserving" else FLIPPING),
            chirality=scalar(1.0),
            target=nucleus(entry["target"], entry["m_target_GeV"]) if coherent else proton,
            vertices=vertices(vertex["V_lep"], vertex["V_had"], *weak),
        )

    stacked: Points = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(one, selected))
    return stacked


def _total(point: Points, q2_cut: jax.Array) -> jax.Array:
    cm = invariants(point.energy, point.m, point.target.mass)

    def integrand(log_q2: jax.Array) -> jax.Array:
        q2 = jnp.clip(jnp.exp(log_q2), cm.q2_min, cm.q2_max)
        return q2 * dsigma_dq2(
            point.energy,
            q2,
            point.m,
            point.m_zprime,
            point.helicity,
            point.chirality,
            point.target,
            point.vertices,
        )

    high = jnp.minimum(cm.q2_max, q2_cut)
    return gauss_legendre(integrand, jnp.log(cm.q2_min), jnp.log(high), 300)


totals = jax.jit(jax.vmap(_total))
"""Total cross sections (1e-38 cm^2) of stacked points up to a Q^2 each: 300-point Gauss-Legendre in ln Q^2."""


def values(selected: list[dict[str, Any]], *path: str) -> NDArray[np.float64]:
    """One number of each entry."""

    def follow(entry: Any) -> Any:
        for key in path:
            entry = entry[key]
        return entry

    return np.array([follow(entry) for entry in selected])
