"""R(s) against values of the compilation of the PDG, the pion form factor and the branching ratios of a dark photon."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from darkhorn.kernels.constants import ALPHA, MASS_MUON, MASS_PION
from darkhorn.kernels.matrix_elements.hadron_ratio import hadron_ratio, pion_form_factor, strong_coupling
from darkhorn.kernels.matrix_elements.vector_hadrons import (
    visible_widths,
    width_through_vector_to_hadrons,
    width_vector_to_hadrons,
)

jax.config.update("jax_enable_x64", True)
RATIO = jax.jit(hadron_ratio)
SLOPE = jax.jit(jax.grad(hadron_ratio))

# sqrt(s) GeV, R, relative accuracy promised there: PDG, Prog. Theor. Exp. Phys. 2020, 083C01, data of the plot of R
MEASURED = [
    (0.405, 0.219, 0.08), (0.505, 0.512, 0.08), (0.605, 1.415, 0.08), (0.705, 5.10, 0.08), (0.755, 8.89, 0.08),
    (0.7818, 19.4, 0.08), (0.80, 6.80, 0.08), (0.90, 1.75, 0.08), (0.95, 1.16, 0.08), (1.01, 2.50, 0.20),
    (1.0195, 50.3, 0.08), (1.04, 1.63, 0.09), (1.10, 0.919, 0.09), (1.20, 0.927, 0.09), (1.40, 1.588, 0.09),
    (1.50, 2.096, 0.09), (1.65, 2.56, 0.09), (1.80, 2.194, 0.09), (2.0, 2.18, 0.09), (2.44, 2.175, 0.09),
    (3.05, 2.278, 0.09), (3.62, 2.218, 0.09), (3.9, 2.6, 0.26), (4.04, 4.4, 0.26), (4.16, 4.12, 0.26),
    (4.25, 2.9, 0.26), (4.6, 3.31, 0.08), (6.0, 3.44, 0.08), (8.0, 3.67, 0.08), (10.0, 3.6, 0.08), (34.0, 3.95, 0.12),
]  # fmt: skip


@pytest.mark.parametrize(("root_s", "expected", "accuracy"), MEASURED)
def test_ratio_is_that_of_the_compilation(root_s: float, expected: float, accuracy: float) -> None:
    np.testing.assert_allclose(RATIO(jnp.asarray(root_s)), expected, rtol=accuracy)


def test_pion_form_factor() -> None:
    np.testing.assert_allclose(jnp.abs(pion_form_factor(jnp.asarray(1e-7))), 1.0, atol=1e-5)
    e = jnp.linspace(0.6, 0.95, 3501)
    squared = np.abs(np.asarray(pion_form_factor(e * e))) ** 2
    assert 44 < squared.max() < 47  # BaBar 2012, figure of |F_pi|^2
    assert 0.77 < e[squared.argmax()] < 0.782
    after = (e > 0.781) & (e < 0.79)
    slope = np.diff(squared[np.asarray(after)]).min() / 1e-4
    assert slope < -1000  # the fall of rho-omega interference, 12 units within 8 MeV


def test_pion_charge_radius() -> None:
    """<r^2> = 6 dF/ds at 0 is (0.66 fm)^2 within 2 % (PDG 2024: 0.659(4) fm)."""
    step = 1e-3
    slope = (float(jnp.abs(pion_form_factor(jnp.asarray(step)))) - 1) / step
    np.testing.assert_allclose(np.sqrt(6 * slope) * 0.19733, 0.659, rtol=0.02)


def test_form_factor_is_continuous_at_threshold() -> None:
    s = (2 * MASS_PION) ** 2 + jnp.asarray([-1e-9, 1e-9])
    below, above = np.asarray(pion_form_factor(s))
    np.testing.assert_allclose(below, above, rtol=1e-6)


def test_strong_coupling() -> None:
    np.testing.assert_allclose(strong_coupling(jnp.asarray(91.188**2)), 0.118, rtol=1e-9)
    np.testing.assert_allclose(strong_coupling(jnp.asarray(1.77693**2)), 0.314, rtol=0.14)  # from tau decays, PDG 2024
    for step in (3.0, 9.4):
        below, above = np.asarray(strong_coupling((step + jnp.asarray([-1e-9, 1e-9])) ** 2))
        np.testing.assert_allclose(below, above, rtol=1e-7)


def test_area_of_a_narrow_resonance() -> None:
    """int R d sqrt(s) over the J/psi is 9 pi Gamma_ee Gamma_had/(2 alpha^2 Gamma)."""
    mass, width, ee = 3.0969, 92.6e-6, 5.53e-6
    half = np.arctan(200.0)
    t = np.linspace(-half, half, 20001)
    e = mass + 0.5 * width * np.tan(t)
    r = np.asarray(RATIO(jnp.asarray(e))) - float(RATIO(jnp.asarray(mass - 0.05)))
    area = np.trapezoid(r * 0.5 * width / np.cos(t) ** 2, t)
    expected = 9 * np.pi / 2 * ee * (width - 2 * ee) / (ALPHA**2 * width)
    np.testing.assert_allclose(area, expected, rtol=0.01)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.15, 40.0))
def test_ratio_is_positive_continuous_and_differentiable(root_s: float) -> None:
    here, near = np.asarray(RATIO(jnp.asarray([root_s, root_s * (1 + 1e-10)])))
    assert here >= 0
    assert abs(near - here) <= 1e-4 * max(here, 1e-3)
    assert np.isfinite(SLOPE(jnp.asarray(root_s)))


@pytest.mark.parametrize(
    ("mass", "expected", "tolerance"),
    [(0.05, 1.0, 1e-12), (0.13, 1.0, 1e-12), (0.4, 0.46, 0.02), (1.5, 0.245, 0.01), (10.0, 0.152, 0.003)],
)
def test_branching_ratio_to_electrons(mass: float, expected: float, tolerance: float) -> None:
    widths = visible_widths(jnp.asarray(mass), jnp.asarray(1e-3))
    np.testing.assert_allclose(widths.electrons / widths.total, expected, atol=tolerance)


def test_widths() -> None:
    m, g = jnp.asarray([0.1, 2 * MASS_MUON - 1e-6, 1.0, 3.5, 3.6]), jnp.asarray(2e-4)
    widths = visible_widths(m, g)
    np.testing.assert_array_equal(widths.muons[:2], 0.0)
    np.testing.assert_array_equal(widths.taus[:4], 0.0)
    assert widths.taus[4] > 0
    assert widths.hadrons[0] == 0
    np.testing.assert_allclose(width_vector_to_hadrons(m, g), g**2 * m / (12 * np.pi) * RATIO(m), rtol=1e-12)


def test_compiled_is_eager() -> None:
    e = jnp.asarray(np.geomspace(0.1, 30.0, 41))
    np.testing.assert_allclose(RATIO(e), hadron_ratio(e), rtol=1e-12)


def adaptive(m: float, m_j: float, mz: float, width: float, d: float, g: float) -> float:
    """The integral over the mass of the hadrons by scipy, from one peak to the next, with the formulas written out."""
    ratio = jax.jit(hadron_ratio)

    def integrand(q: float) -> float:
        x, r = (q / m) ** 2, m_j / m
        root = np.sqrt(max((1 - r * r - x) ** 2 - 4 * r * r * x, 0.0))
        first = d * d * m / (32 * np.pi * x) * root * ((1 - r * r) ** 2 + x * (1 + r * r) - 2 * x * x)
        second = g * g * q / (12 * np.pi) * float(ratio(jnp.asarray(q)))
        return 2 * q * first * q * second / ((q * q - mz * mz) ** 2 + (mz * width) ** 2) / np.pi

    top = m - m_j
    peaks = [0.2791, 0.78, 0.78266, 0.785, 1.015, 1.0195, 1.024, 2.0, 3.0, 3.5, 3.729, 3.77, mz]
    for mass, gamma in ((3.0969, 92.6e-6), (3.686097, 293e-6)):
        peaks += [mass + step * gamma for step in (-500, -50, -5, -0.5, 0.5, 5, 50) if mass + step * gamma < 3.7]
    edges = [0.135, *sorted(p for p in peaks if 0.135 < p < top), top]
    pieces = itertools.pairwise(edges)
    return float(sum(quad(integrand, low, high, limit=200, epsrel=1e-8)[0] for low, high in pieces))


@pytest.mark.parametrize(
    ("m", "m_j", "mz", "width"),
    [(0.4, 0.0, 1.25, 1e-3), (1.6, 0.1, 5.0, 1e-3), (1.2, 0.0, 0.9, 0.05), (4.0, 0.1, 6.0, 1e-3)],
)
def test_hadrons_through_a_virtual_vector_by_adaptive_quadrature(m: float, m_j: float, mz: float, width: float) -> None:
    """Below the rho, across omega and phi, on a broad pole, and across the J/psi, which is 93 keV wide."""
    numbers = [jnp.asarray(x, jnp.float64) for x in (m, m_j, mz, width, 0.7, 1e-3, 0.0)]
    found = float(jax.jit(width_through_vector_to_hadrons)(*numbers))
    assert found == pytest.approx(adaptive(m, m_j, mz, width, 0.7, 1e-3), rel=1e-6)
