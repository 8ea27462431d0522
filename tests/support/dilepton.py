"""Decays N -> nu_j l l of the tests: model points in every regime, compiled functions, samples."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.kinematics import Vector
from darkhorn.kernels.matrix_elements.dilepton_decay import (
    DileptonDecay,
    DileptonModel,
    DileptonUniforms,
    dilepton_density,
    dilepton_kinematics,
    dilepton_spectrum,
    sample_dilepton,
)
from darkhorn.kernels.matrix_elements.neutral_decays import width_off_shell

Real = NDArray[np.float64]
REFERENCE = Path(__file__).resolve().parents[1] / "reference"
EVENTS = 16_384
# name: (m_V relative to m - m_j, Gamma_V/m_V); a vector of 10^-2 (m - m_j) lies below the threshold of the leptons
REGIMES = {
    "narrow": (0.5, 1e-9),
    "very narrow": (0.5, 1e-13),
    "contact": (20.0, 1e-9),
    "very heavy": (2e4, 1e-3),
    "above": (1.05, 1e-9),
    "just above": (1 + 1e-6, 1e-9),
    "at the end": (1.0, 1e-9),
    "just below": (1 - 1e-6, 1e-9),
    "below": (0.95, 1e-9),
    "broad": (0.5, 0.1),
    "broad at the end": (1.0, 0.1),
    "broad above": (1.3, 0.1),
    "light": (0.01, 1e-9),
}
sample, total_width = jax.jit(sample_dilepton), jax.jit(lambda model: width_off_shell(*model))
density, spectrum, kinematics = jax.jit(dilepton_density), jax.jit(dilepton_spectrum), jax.jit(dilepton_kinematics)


def number(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def model_of(m: float, m_j: float, m_vector: float, width: float, m_lepton: float, majorana: float) -> DileptonModel:
    return DileptonModel(*map(number, (m, m_j, m_vector, width, m_lepton, 0.7, 3e-4, majorana)))


def in_regime(name: str, m_j: float = 0.0, m_lepton: float = MASS_ELECTRON, majorana: float = 0.0) -> DileptonModel:
    ratio, width = REGIMES[name]
    m = 0.2
    return model_of(m, m_j, ratio * (m - m_j), ratio * (m - m_j) * width, m_lepton, majorana)


def entries(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["entries"]
    return entries


def uniforms(rng: np.random.Generator, n: int = EVENTS) -> DileptonUniforms:
    return DileptonUniforms(*map(jnp.asarray, rng.random((5, n))))


def tilted(n: int) -> Vector:
    """A spin axis along none of the coordinate axes."""
    return Vector(*(jnp.full(n, x) for x in (0.48, -0.6, 0.64)))


def draw(
    model: DileptonModel, rng: np.random.Generator, helicity: float = -1.0, n: int = EVENTS
) -> tuple[DileptonDecay, Real]:
    decay, weight = sample(uniforms(rng, n), model, number(helicity), tilted(n))
    return decay, np.asarray(weight)


def error_of_mean(x: Real) -> float:
    return float(np.std(x) / np.sqrt(x.size))
