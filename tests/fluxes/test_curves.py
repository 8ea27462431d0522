"""The spline of a flux curve against independent formulas."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import CubicSpline

from darkhorn.fluxes.curves import LogCurve, spline_matrix

KNOTS = np.array([0.0, 0.1, 0.35, 0.5, 1.2, 2.0])
VALUES = np.array([-20.0, -21.0, -20.5, -23.0, -22.0, -30.0])


def test_spline_is_the_natural_cubic_spline() -> None:
    points = np.linspace(0, 2, 77)
    expected = CubicSpline(KNOTS, VALUES, bc_type="natural")(points)
    np.testing.assert_allclose(spline_matrix(KNOTS, points) @ VALUES, expected, rtol=1e-12)


def test_spline_goes_on_in_a_straight_line_outside() -> None:
    spline = CubicSpline(KNOTS, VALUES, bc_type="natural")
    points = np.array([-0.5, -0.1, 2.5])
    expected = [VALUES[0] - 0.5 * spline(0, 1), VALUES[0] - 0.1 * spline(0, 1), VALUES[-1] + 0.5 * spline(2, 1)]
    np.testing.assert_allclose(spline_matrix(KNOTS, points) @ VALUES, expected, rtol=1e-12)


def test_density_follows_its_formula_and_vanishes_outside() -> None:
    curve = LogCurve(KNOTS, VALUES)
    energy = np.array([-1.0, 0.0, 0.03, 0.5, 2.0, 2.001, 50.0])
    inside = energy[2:5]
    expected = inside / (inside + 0.05) * np.exp(CubicSpline(KNOTS, VALUES, bc_type="natural")(inside))
    np.testing.assert_allclose(curve.density(energy), [0, 0, *expected, 0, 0], rtol=1e-12)


def test_bin_integrals_agree_with_quadrature() -> None:
    curve = LogCurve(KNOTS, VALUES)
    edges = np.linspace(0.0, 2.0, 201)
    bins = curve.integrate(edges)
    for i in (0, 1, 20, 50, 199):
        exact, _ = quad(lambda e: 1e12 * float(curve.density(np.array([e]))[0]), edges[i], edges[i + 1], epsrel=1e-11)
        assert bins[i] * 1e12 == pytest.approx(exact, rel=1e-6)
