"""Every public kernel: compiled equals eager at sizes on, beside and off the tile, and one program serves every value.

jaxlib 0.10.2 returned wrong last rows at n = 16385 for one pattern on the CPU (jax-ml/jax issue 39103).
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scattering import nucleus, vertices

from darkhorn.kernels import (
    flight,
    form_factors,
    kinematics,
    pair_proposal,
    quadrature,
    sampling,
    trigonometry,
    vegas,
    visible,
)
from darkhorn.kernels.kinematics import FourVector, Vector
from darkhorn.kernels.matrix_elements import neutral_decays, upscattering, upscattering_flip

MODULES = (
    flight,
    form_factors,
    kinematics,
    quadrature,
    sampling,
    trigonometry,
    vegas,
    neutral_decays,
    upscattering,
    upscattering_flip,
    pair_proposal,
    visible,
)
# width_through_vector takes a function: width_off_shell is its case; dipole_contraction: dsigma_dq2_dipole
HOST_OR_HELPER = {"weak_charge_of_nucleus", "flat_map", "width_through_vector", "dipole_contraction"}
PROPOSAL = (0.0011, 1.0, 6.0, 0.8, 0.03, 0.1)
SIZES = (1, 3, 16_384, 16_385, 65_537)


class Case(NamedTuple):
    """How to call a kernel with n rows, and how closely the two ways must agree, relative to the largest value."""

    arguments: Callable[[np.random.Generator, int], tuple[Any, ...]]
    sizes: tuple[int, ...] = SIZES
    tolerance: float = 1e-12
    call: Callable[..., Any] | None = None


def between(low: float, high: float) -> Callable[[np.random.Generator, int], jax.Array]:
    return lambda rng, n: jnp.asarray(rng.uniform(low, high, n))


def rows(*ranges: tuple[float, float]) -> Callable[[np.random.Generator, int], tuple[jax.Array, ...]]:
    return lambda rng, n: tuple(jnp.asarray(rng.uniform(low, high, n)) for low, high in ranges)


def scalar(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float64)


def unit(rng: np.random.Generator, n: int) -> Vector:
    raw = rng.normal(size=(3, n))
    return Vector(*map(jnp.asarray, raw / np.linalg.norm(raw, axis=0)))


def on_shell(rng: np.random.Generator, n: int, mass: float) -> FourVector:
    p = rng.normal(size=(3, n))
    return FourVector(*map(jnp.asarray, (np.sqrt(mass**2 + np.sum(p * p, axis=0)), *p)))


def boost(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return on_shell(rng, n, 0.1), on_shell(rng, n, 0.5), scalar(0.5)


def masses(*values: float) -> tuple[jax.Array, ...]:
    return tuple(map(scalar, values))


def chain(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    u = neutral_decays.ChainAngles(*map(jnp.asarray, rng.random((4, n))))
    return u, *masses(0.2, 0.1, 0.06, 0.02, -1.0, 0.0, 1.0), unit(rng, n)


def amplitude(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    products = upscattering.Products(*(jnp.asarray(rng.uniform(0.1, 1.0, n)) for _ in upscattering.Products._fields))
    return products, scalar(0.938), upscattering.FormFactors(*masses(1.0, 1.8, 0.6)), scalar(1.0)


ARGON, VERTICES = nucleus("Ar40"), vertices(-1e-3, 4e-3, -3e-4, -0.4)
LENGTHS = rows((0.0, 100.0), (100.0, 200.0), (1.0, 1e4))
CASES: dict[str, Case] = {
    "ctau": Case(rows((1e-12, 1e-10))),
    "decay_length": Case(rows((0.1, 1.0), (0.1, 1.0), (0.1, 10.0))),
    "decay_probability": Case(LENGTHS),
    "decay_distance": Case(lambda rng, n: (between(0, 1)(rng, n), *LENGTHS(rng, n))),
    "decay_distance_cdf": Case(rows((100.0, 150.0), (50.0, 100.0), (150.0, 200.0), (1.0, 1e4))),
    "flight_time": Case(rows((0.0, 1e5), (1.0, 2.0), (0.5, 1.0))),
    "fourier_bessel": Case(lambda rng, n: (between(0, 1)(rng, n), ARGON.radius, ARGON.coefficients[:6])),
    "dipole": Case(rows((0.0, 5.0)), call=lambda q2: form_factors.dipole(q2, 0.843)),
    "nucleon_vector": Case(lambda rng, n: (between(0, 5)(rng, n), *masses(0.938, 1.0, 2.79))),
    "nucleon_axial": Case(lambda rng, n: (between(0, 5)(rng, n), scalar(0.5))),
    "neutral_current": Case(rows((0.0, 1.0), (0.0, 1.0))),
    "four": Case(lambda rng, n: (between(0, 5)(rng, n), unit(rng, n))),
    "two_body_momentum": Case(rows((0.5, 2.0), (0.0, 0.6), (0.0, 0.6))),
    "is_open": Case(rows((0.5, 2.0), (0.0, 0.6), (0.0, 0.6))),
    "boost_from_rest": Case(boost),
    "boost_to_rest": Case(boost),
    "transverse_axes": Case(lambda rng, n: (unit(rng, n),)),
    "along": Case(lambda rng, n: (unit(rng, n), *rows((-1, 1), (-1, 1), (-1, 1))(rng, n))),
    "direction": Case(rows((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0))),
    "gauss_legendre": Case(
        rows((0.0, 1.0), (1.0, 2.0)), call=lambda low, high: quadrature.gauss_legendre(jnp.exp, low, high, 8)
    ),
    "linear_cosine": Case(rows((0.0, 1.0), (-1.0, 1.0))),
    "squared_cosine": Case(rows((0.0, 1.0))),
    "split": Case(rows((0.0, 1.0), (0.0, 1.0)), tolerance=1e-10),
    "table_lookup": Case(lambda rng, n: (jnp.asarray(rng.random(50)), between(-1, 52)(rng, n))),
    "sincos2pi": Case(rows((-2.0, 2.0))),
    "warp": Case(lambda rng, n: (vegas.flat_map(3, 20) ** 2, jnp.asarray(rng.random((3, n))))),
    "refine": Case(lambda rng, n: (vegas.flat_map(3, 20), jnp.asarray(rng.random((3, n))), between(0, 1)(rng, n))),
    "power": Case(
        lambda rng, n: (jnp.asarray(rng.random((3, n))), between(0, 1)(rng, n)), call=lambda u, w: vegas.power(u, w, 20)
    ),
    "regrid": Case(lambda rng, n: (vegas.flat_map(3, 20), jnp.asarray(rng.random((3, 20)))), sizes=(1, 2, 3)),
    "width_to_vector": Case(rows((0.2, 0.6), (0.0, 0.3), (0.01, 0.3), (0.1, 1.0), (0.0, 1.0))),
    "width_vector_to_leptons": Case(rows((0.01, 1.0), (0.0, 0.2), (0.1, 1.0))),
    "width_vector_to_pair": Case(rows((0.1, 1.0), (0.0, 0.2), (0.0, 0.2), (0.1, 1), (-1.0, 1.0), (0.5, 2.0))),
    "width_vector_to_neutrinos": Case(rows((0.01, 1.0), (0.1, 1.0))),
    "width_three_neutrinos": Case(rows((0.01, 1.0), (0.1, 1.0), (0.0, 1.0))),
    "width_weak_dilepton": Case(rows((0.01, 1.0), (0.001, 0.2), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0))),
    # 1300 nodes a row: the large sizes would need gigabytes
    "width_off_shell": Case(
        rows((0.2, 0.6), (0.0, 0.1), (0.01, 0.3), (1e-9, 1e-6), (0.001, 0.004), (0.1, 1), (0.1, 1), (0, 1)),
        sizes=(1, 3, 129),
    ),
    "moment_bracket": Case(rows((0.2, 0.6), (0.0, 0.1), (0.01, 0.1))),
    "neutrino_slope": Case(lambda rng, n: (between(0.2, 0.6)(rng, n), *masses(0.05, 0.1, -1.0))),
    "chain_density_terms": Case(lambda rng, n: (*masses(0.2, 0.1, 0.06, 0.02, -1.0, 0.0), between(-1, 1)(rng, n))),
    "chain_density": Case(
        lambda rng, n: (*masses(0.2, 0.1, 0.06, 0.02, -1.0, 0.0, 1.0), between(-1, 1)(rng, n), unit(rng, n))
    ),
    # rounding decides which side of a split a number near it falls: then a row may differ, none did for these
    "sample_chain": Case(chain, tolerance=1e-8),
    "pair_observables": Case(
        lambda rng, n: (on_shell(rng, n, 0.1), on_shell(rng, n, 0.1), scalar(0.1)), tolerance=1e-10
    ),
    "sample_pair": Case(
        lambda rng, n: (
            pair_proposal.PairUniforms(*rows(*[(0.0, 1.0)] * 6)(rng, n)),
            pair_proposal.PairProposal(*map(scalar, PROPOSAL)),
            scalar(0.0005),
        ),
        tolerance=1e-9,
    ),
    "pair_density": Case(
        lambda rng, n: (
            *rows((0.0, 4.0), (0.0, 2.0), (-7.0, 0.0))(rng, n),
            pair_proposal.PairProposal(*map(scalar, PROPOSAL)),
        )
    ),
    "threshold": Case(rows((0.0, 1.0), (0.9, 40.0))),
    "invariants": Case(rows((0.5, 5.0), (0.0, 0.8), (0.9, 40.0)), tolerance=1e-9),
    "effective_form_factors": Case(lambda rng, n: (*rows((0.001, 0.1))(rng, n), scalar(0.03), ARGON, VERTICES)),
    "nucleon_form_factors": Case(lambda rng, n: (*rows((0.001, 0.1))(rng, n), scalar(0.03), ARGON, VERTICES)),
    "amplitude_squared": Case(amplitude),
    "dsigma_dq2": Case(
        lambda rng, n: (*rows((0.1, 3.0), (0.001, 0.1))(rng, n), *masses(0.14, 0.03, -1.0, 1.0), ARGON, VERTICES)
    ),
    "helicity_products": Case(
        lambda rng, n: (*rows((0.1, 3.0), (0.001, 0.1))(rng, n), scalar(0.14), ARGON.mass, scalar(-1.0))
    ),
    "to_density": Case(lambda rng, n: (*rows((0.0, 1.0), (0.1, 3.0))(rng, n), ARGON.mass, rng.random(n) < 0.5)),
    "dsigma_dq2_dipole": Case(
        lambda rng, n: (*rows((0.1, 3.0), (0.001, 0.1))(rng, n), scalar(0.14), scalar(1.0), ARGON, scalar(1e-6))
    ),
    "dsigma_dq2_scalar": Case(
        lambda rng, n: (*rows((0.1, 3.0), (0.001, 0.1))(rng, n), *masses(0.14, 0.03, 1.0), ARGON, scalar(1e-6))
    ),
    "flat_in_inverse": Case(rows((0.0, 1.0), (1e-6, 1e-3), (0.1, 3.0), (1e-4, 1.0))),
    "flat_in_log": Case(rows((0.0, 1.0), (1e-6, 1e-3), (0.1, 3.0), (1e-2, 1.0)), tolerance=1e-11),
}


def public_kernels() -> dict[str, Callable[..., Any]]:
    """Every public function that a kernel module defines itself."""
    return {
        name: function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and name not in HOST_OR_HELPER
    }


def test_every_public_kernel_has_a_case() -> None:
    assert set(public_kernels()) == set(CASES)


@pytest.mark.parametrize("every_size", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "every size"])
@pytest.mark.parametrize("name", CASES)
def test_compiled_equals_eager(name: str, every_size: bool, rng: np.random.Generator) -> None:
    case = CASES[name]
    function = case.call or public_kernels()[name]
    compiled = jax.jit(function)
    for n in case.sizes:
        if (n in (case.sizes[0], case.sizes[-2])) == every_size:
            continue
        arguments = case.arguments(rng, n)
        eager, jitted = function(*arguments), compiled(*arguments)
        for one, other in zip(jax.tree.leaves(eager), jax.tree.leaves(jitted), strict=True):
            assert one.dtype == other.dtype
            expected = np.asarray(one, float)
            assert np.all(np.isfinite(expected)), n
            scale = np.max(np.abs(expected))
            difference = np.abs(np.asarray(other, float) - expected)
            worst = int(np.argmax(difference))
            assert difference.flat[worst] <= case.tolerance * scale, f"n = {n}, element {worst}"
