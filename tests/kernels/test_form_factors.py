import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scattering
from numpy.typing import NDArray
from scipy import integrate

from darkhorn.geometry.nuclides import fourier_bessel_of, nuclide
from darkhorn.kernels.constants import (
    AXIAL_COUPLING,
    DIPOLE_AXIAL_MASS,
    DIPOLE_VECTOR_MASS,
    HBAR_C_FM,
    MAGNETIC_MOMENT_NEUTRON,
    MAGNETIC_MOMENT_PROTON,
    MASS_PROTON,
    SIN2_THETA_W,
)
from darkhorn.kernels.form_factors import (
    dipole,
    fourier_bessel,
    neutral_current,
    nucleon_axial,
    nucleon_vector,
    weak_charge_of_nucleus,
)

Real = NDArray[np.float64]
series = jax.jit(fourier_bessel)
NUCLIDES = ("C12", "O16", "Ar40", "Pb208")


def evaluate(name: str, q2: Real) -> Real:
    radius, coefficients = fourier_bessel_of(nuclide(name), scattering.N_TERMS)
    return np.asarray(series(jnp.asarray(q2), jnp.asarray(radius), jnp.asarray(coefficients)))


@pytest.mark.parametrize("name", NUCLIDES)
def test_against_the_transform_of_the_density(name: str) -> None:
    """F(q) = int rho(r) j0(qr) r^2 dr / int rho r^2 dr by adaptive quadrature."""
    radius, coefficients = fourier_bessel_of(nuclide(name))
    order = np.arange(1, coefficients.size + 1)

    def moment(q: float) -> float:
        def integrand(r: float) -> float:
            return float(np.sum(coefficients * np.sinc(order * r / radius)) * np.sinc(q * r / np.pi) * r * r)

        value: float = integrate.quad(integrand, 0, radius, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        return value

    q = np.array([0.0, 0.1, 0.5, 1.1, 2.0, 3.3])
    expected = np.array([moment(x) for x in q]) / moment(0.0)
    np.testing.assert_allclose(evaluate(name, (q * HBAR_C_FM) ** 2), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", NUCLIDES)
def test_removable_poles(name: str) -> None:
    """At q R = n pi the series has 0/0; F(n pi/R) is the n-th coefficient alone. Across the pole it is smooth."""
    radius, coefficients = fourier_bessel_of(nuclide(name))
    order = np.arange(1, coefficients.size + 1)
    norm = np.sum((-1.0) ** order * coefficients / (order * np.pi) ** 2)
    q = np.asarray(order * np.pi / radius, np.float64)
    # j0(x) / ((n pi)^2 - x^2) -> -cos(n pi) / (2 (n pi)^2)
    exact = -coefficients / (2 * (order * np.pi) ** 2) / norm
    np.testing.assert_allclose(evaluate(name, (q * HBAR_C_FM) ** 2), exact, rtol=0, atol=1e-12)
    for step in (1e-12, 1e-9, 0.99e-3, 1.01e-3):  # on both sides of where the two branches meet
        x = q + step / radius
        below, above = evaluate(name, ((q - step / radius) * HBAR_C_FM) ** 2), evaluate(name, (x * HBAR_C_FM) ** 2)
        np.testing.assert_allclose((below + above) / 2, exact, rtol=0, atol=1e-11 + step**2)


def test_the_two_branches_join() -> None:
    """F changes by no more than its slope where the expansion about a pole takes over (|qR - n pi| = 1e-3)."""
    radius, _ = fourier_bessel_of(nuclide("Ar40"))
    for n in (1, 5, 12):
        q = (n * np.pi + 1e-3 * (1 + np.array([-1e-9, 1e-9]))) / radius
        inside, outside = evaluate("Ar40", (q * HBAR_C_FM) ** 2)
        assert inside == pytest.approx(outside, abs=2e-12)


@pytest.mark.parametrize("name", NUCLIDES)
def test_normalisation_radius_and_padding(name: str) -> None:
    assert evaluate(name, np.array([0.0]))[0] == pytest.approx(1.0, abs=1e-13)
    radius, coefficients = fourier_bessel_of(nuclide(name))
    order = np.arange(1, coefficients.size + 1) * np.pi
    charges = (-1.0) ** np.arange(coefficients.size) * coefficients / order**2
    mean_square = radius**2 * float(np.sum(charges * (1 - 6 / order**2)) / np.sum(charges))
    q2 = 1e-7
    slope = (1 - evaluate(name, np.array([q2]))[0]) * 6 * HBAR_C_FM**2 / q2
    assert slope == pytest.approx(mean_square, rel=1e-4)
    q2s = np.linspace(0, 0.5, 200)
    short = series(jnp.asarray(q2s), jnp.asarray(radius), jnp.asarray(coefficients))
    np.testing.assert_allclose(np.asarray(short), evaluate(name, q2s), rtol=0, atol=1e-15)
    scaled = series(jnp.asarray(q2s), jnp.asarray(radius), jnp.asarray(7 * coefficients))
    np.testing.assert_allclose(np.asarray(scaled), np.asarray(short), rtol=0, atol=1e-14)


def test_reference_form_factors() -> None:
    """`form_factor_F1` of every reference entry: absolute values for nuclei, the Dirac form factor of the proton."""
    chosen = [entry for entry in scattering.entries("dark_neutrino_xsec") if "form_factor_F1" in entry]
    assert len(chosen) == 64
    for entry in chosen:
        q2 = np.array(entry["Q2_GeV2"])
        if entry["regime"] == "coherent":
            found = np.abs(evaluate(entry["target"], q2))
            np.testing.assert_allclose(found, entry["form_factor_F1"], rtol=1e-8, atol=1e-11)
        else:
            one, moment = jnp.asarray(1.0), jnp.asarray(scattering.PEER_MAGNETIC_MOMENT)
            found = np.asarray(nucleon_vector(jnp.asarray(q2), jnp.asarray(MASS_PROTON), one, moment)[0])
            np.testing.assert_allclose(found, entry["form_factor_F1"], rtol=1e-12)


def test_gradient_of_the_series() -> None:
    radius, coefficients = fourier_bessel_of(nuclide("Ar40"))
    pole = (np.pi / radius * HBAR_C_FM) ** 2
    gradient = jax.jit(jax.vmap(jax.grad(fourier_bessel), in_axes=(0, None, None)))
    q2 = np.array([1e-3, pole, pole * 1.001, 0.1])
    found = np.asarray(gradient(jnp.asarray(q2), jnp.asarray(radius), jnp.asarray(coefficients)))
    step = 1e-5 * q2
    difference = (evaluate("Ar40", q2 + step) - evaluate("Ar40", q2 - step)) / (2 * step)
    np.testing.assert_allclose(found, difference, rtol=1e-6, atol=1e-7)
    zero = gradient(jnp.zeros(1), jnp.asarray(radius), jnp.asarray(coefficients))
    assert np.isfinite(np.asarray(zero)).all()


def test_dipole() -> None:
    q2 = jnp.asarray([0.0, DIPOLE_VECTOR_MASS**2, 1e4])
    found = np.asarray(dipole(q2, DIPOLE_VECTOR_MASS))
    np.testing.assert_allclose(found, [1.0, 0.25, (1 + 1e4 / DIPOLE_VECTOR_MASS**2) ** -2], rtol=1e-14)


@pytest.mark.parametrize(("charge", "moment"), [(1.0, MAGNETIC_MOMENT_PROTON), (0.0, MAGNETIC_MOMENT_NEUTRON)])
def test_sachs_form_factors_are_dipoles(charge: float, moment: float) -> None:
    q2 = jnp.asarray([0.0, 0.01, 0.3, 4.0])
    f1, f2 = nucleon_vector(q2, jnp.asarray(MASS_PROTON), jnp.asarray(charge), jnp.asarray(moment))
    tau, shape = q2 / (4 * MASS_PROTON**2), dipole(q2, DIPOLE_VECTOR_MASS)
    np.testing.assert_allclose(np.asarray(f1 - tau * f2), charge * np.asarray(shape), atol=1e-15)
    np.testing.assert_allclose(np.asarray(f1 + f2), moment * np.asarray(shape), rtol=1e-14)
    assert float(f1[0]) == charge
    assert float(f2[0]) == pytest.approx(moment - charge, rel=1e-15)


def test_axial_form_factor() -> None:
    q2 = jnp.asarray([0.0, DIPOLE_AXIAL_MASS**2])
    np.testing.assert_allclose(
        np.asarray(nucleon_axial(q2, jnp.asarray(0.5))), [AXIAL_COUPLING / 2, AXIAL_COUPLING / 8]
    )
    np.testing.assert_allclose(
        np.asarray(nucleon_axial(q2, jnp.asarray(-0.5))), -np.asarray(nucleon_axial(q2, jnp.asarray(0.5)))
    )


def test_neutral_current_is_made_of_weak_quark_charges() -> None:
    """At Q^2 = 0 a nucleon's weak charge is the sum of its quarks' T3 - 2 Q s^2: the vector current is conserved."""
    up, down = 0.5 - 4 / 3 * SIN2_THETA_W, -0.5 + 2 / 3 * SIN2_THETA_W
    one, zero = jnp.asarray(1.0), jnp.asarray(0.0)
    proton, neutron = float(neutral_current(one, zero)), float(neutral_current(zero, one))
    assert proton == pytest.approx(2 * up + down, rel=1e-14)
    assert neutron == pytest.approx(up + 2 * down, rel=1e-14)
    assert weak_charge_of_nucleus(18, 22) == pytest.approx(18 * proton + 22 * neutron, rel=1e-13)
    assert weak_charge_of_nucleus(1, 0) == pytest.approx(proton, rel=1e-14)
