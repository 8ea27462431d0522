import dataclasses
import importlib.resources
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate

from darkhorn.geometry import nuclides
from darkhorn.geometry.nuclides import (
    FourierBessel,
    Helm,
    SymmetrisedFermi,
    charge_and_radius,
    form_factor,
    fourier_bessel_of,
    helm,
    nuclide,
    symmetrised_fermi,
    tabulated_nuclides,
)
from darkhorn.kernels.errors import InputError

DATA = json.loads(importlib.resources.files("darkhorn.geometry").joinpath("data/charge_densities.json").read_text())

# Masses of bare nuclei, GeV. Left: AME2020 minus electrons as computed elsewhere, 8 digits. C12 and Ar40 again with all
# digits of an independent calculation.
MASSES = {
    "C12": 11.174864,
    "O16": 14.895083,
    "Al27": 25.126508,
    "Si28": 26.053196,
    "Ar40": 37.215541,
    "Ca40": 37.214716,
    "Fe56": 52.089811,
    "H1": 0.938272088,
    "He4": 3.7273794,
    "H2": 1.8756129,
}


@pytest.mark.parametrize(("name", "mass"), MASSES.items())
def test_nuclear_masses(name: str, mass: float) -> None:
    # An atomic mass would be off by Z m_e, 2.4e-4 relative.
    assert nuclide(name).mass == pytest.approx(mass, rel=3e-8)


@pytest.mark.parametrize(("name", "mass"), [("C12", 11.17486428081798), ("Ar40", 37.21554066538719)])
def test_masses_of_the_reference_points(name: str, mass: float) -> None:
    assert nuclide(name).mass == pytest.approx(mass, rel=5e-9)


def test_the_carbon_atom_defines_the_unit() -> None:
    assert nuclide("C12").atomic_mass / nuclides.ATOMIC_MASS_UNIT == pytest.approx(12, rel=1e-8)


def test_masses_agree_with_the_table_of_particle() -> None:
    particle = pytest.importorskip("particle")
    for name in ("Li7", "Cl35", "Fe56", "W184", "Pb208", "U238"):
        known = nuclide(name)
        atom = particle.Particle.from_pdgid(known.pdg).mass * 1e-3
        assert known.atomic_mass == pytest.approx(atom, rel=1e-10)
        assert known.mass == pytest.approx(atom - known.Z * 0.51099895e-3, rel=4e-6)
        assert known.mass > atom - known.Z * 0.51099895e-3  # the binding of the electrons adds


def test_electron_binding_energy_of_lead() -> None:
    # 568 keV in all (G. C. Rodrigues et al., At. Data Nucl. Data Tables 86 (2004) 117)
    assert nuclides.electron_binding_energy(82) == pytest.approx(568e-6, rel=0.01)
    assert nuclides.electron_binding_energy(1) == pytest.approx(13.6e-9, rel=0.1)


@given(st.sampled_from(sorted(nuclides._table())))
def test_every_nuclide_of_the_table(name: str) -> None:
    known = nuclide(name)
    assert known.name == name
    assert 0 < known.Z <= known.A
    assert 0.92 * known.A < known.mass < 0.95 * known.A
    assert known.mass < known.atomic_mass
    assert known.pdg == (2212 if name == "H1" else 1_000_000_000 + 10_000 * known.Z + 10 * known.A)
    assert hash(known) == hash(dataclasses.replace(known))


@pytest.mark.parametrize("spelling", ["Ar40", "40Ar", "ar40", "AR-40", "40-Ar", " Ar40 "])
def test_spellings(spelling: str) -> None:
    assert nuclide(spelling) is nuclide("Ar40")


@pytest.mark.parametrize("wrong", ["Ar", "40", "Xx12", "Ar400", "argon", "", 40, None, ["Ar40"]])
def test_unknown_nuclides_are_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"card\.target") as error:
        nuclide(wrong, "card.target")  # type: ignore[arg-type]
    assert error.value.exit_code == 3


def test_the_nearest_nuclide_is_suggested() -> None:
    with pytest.raises(InputError, match="Did you mean `Ar"):
        nuclide("Ar400")


def test_neither_jax_nor_particle_is_imported() -> None:
    code = (
        "import sys; from darkhorn.geometry import materials, nuclides, detector_specs; nuclides.nuclide('Pb208');"
        "assert not {'jax', 'particle'} & set(sys.modules), 'slow import'"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- tabulated densities ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tabulated_nuclides())
def test_tabulated_density(name: str) -> None:
    density, entry = nuclide(name).charge_density, DATA["fourier_bessel"][name]
    assert isinstance(density, FourierBessel)
    charge, rms = charge_and_radius(density)
    assert charge == pytest.approx(nuclide(name).Z, rel=3e-4)
    assert rms == pytest.approx(entry["measured_rms_fm"], rel=0.015)
    assert entry["source"] in DATA["sources"]
    r = np.linspace(1e-6, density.radius_fm, 300)
    rho = _rho(density, r)
    assert rho.min() > -0.005 * rho.max()
    assert abs(rho[-1]) < 1e-9 * rho.max()


def test_the_nuclei_of_the_detectors_are_tabulated() -> None:
    assert {"C12", "O16", "Al27", "Si28", "Ar40", "Ca40", "Fe56", "Cu63", "Pb208"} <= set(tabulated_nuclides())
    argon = nuclide("Ar40").charge_density
    assert argon == FourierBessel(9.0, tuple(DATA["fourier_bessel"]["Ar40"]["coefficients"]))
    assert argon.coefficients[0] == 0.030451


def test_the_charge_check_sees_errors_of_transcription() -> None:
    # Errors met in circulating copies: the sign of a_3 in Ni60, R = 9.2 for 9.25 in Sm152, a power of ten in Bi209.
    def charge_off(name: str, change: dict[int, float], radius: float | None = None) -> float:
        good = nuclide(name).charge_density
        assert isinstance(good, FourierBessel)
        coefficients = tuple(change.get(i + 1, value) for i, value in enumerate(good.coefficients))
        return abs(charge_and_radius(FourierBessel(radius or good.radius_fm, coefficients))[0] / nuclide(name).Z - 1)

    assert charge_off("Ni60", {3: 0.51001e-2}) > 3e-4
    assert charge_off("Sm152", {}, 9.2) > 3e-4
    assert charge_off("Bi209", {4: -0.27927e-2}) > 3e-4
    assert charge_off("O16", {7: 0.34036e-2}) > 3e-4
    assert charge_off("Si28", {6: 4.93248e-3}) > 3e-4


def _rho(density: object, r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charge densities written down independently of the form factors (up to normalisation for the last two)."""
    if isinstance(density, FourierBessel):
        n = np.arange(1, len(density.coefficients) + 1)[:, None]
        series = np.array(density.coefficients)[:, None] * np.sinc(n * r / density.radius_fm)
        return np.where(r < density.radius_fm, series.sum(0), 0.0)
    if isinstance(density, SymmetrisedFermi):
        a, r0 = density.a_fm, density.r0_fm
        return np.asarray(np.sinh(r0 / a) / (np.cosh(r0 / a) + np.cosh(r / a)))
    assert isinstance(density, Helm)
    from scipy.special import erf

    s, big = density.s_fm, density.r_fm
    plus, minus = (r + big) / (math.sqrt(2) * s), (r - big) / (math.sqrt(2) * s)
    tails = s / (math.sqrt(2 * math.pi) * r) * (np.exp(-(plus**2)) - np.exp(-(minus**2)))
    return np.asarray(0.5 * (erf(plus) - erf(minus)) + tails)


@pytest.mark.parametrize(
    ("density", "r_max"),
    [
        (nuclide("Ar40").charge_density, 9.0),
        (nuclide("Pb208").charge_density, 11.0),
        (symmetrised_fermi(184), 30.0),
        (symmetrised_fermi(19), 25.0),
        (helm(131), 20.0),
    ],
)
def test_form_factor_is_the_transform_of_the_density(density: nuclides.ChargeDensity, r_max: float) -> None:
    def transform(q: float) -> float:
        return float(
            integrate.quad(
                lambda r: r * r * np.sinc(q * r / math.pi) * _rho(density, np.array([r]))[0], 1e-9, r_max, limit=400,
                epsabs=1e-12, epsrel=1e-11,
            )[0]
        )  # fmt: skip

    norm = transform(0.0)
    assert form_factor(density, 0.0) == pytest.approx(1, abs=1e-14)
    for q in (1e-6, 5e-4, 2e-3, 0.1, 0.7, 1.9, math.pi / 9, 7 * math.pi / 9, 3.3):
        assert form_factor(density, q) == pytest.approx(transform(q) / norm, abs=2e-9)


@pytest.mark.parametrize("name", ["W184", "Cl35", "Na23", "K39", "Xe132", "U238", "F19", "Mg24", "He4", "H1"])
def test_expansion_of_densities_without_a_table(name: str) -> None:
    known = nuclide(name)
    assert not isinstance(known.charge_density, FourierBessel)
    radius, coefficients = fourier_bessel_of(known)
    expanded = FourierBessel(radius, tuple(coefficients))
    q = np.linspace(0, 12, 3001)
    assert np.abs(form_factor(expanded, q) - form_factor(known.charge_density, q)).max() < 1e-6
    assert charge_and_radius(expanded)[0] == pytest.approx(known.Z, rel=1e-6)


def test_expansion_of_a_helm_density() -> None:
    xenon = dataclasses.replace(nuclide("Xe132"), charge_density=helm(132))
    radius, coefficients = fourier_bessel_of(xenon)
    q = np.linspace(0, 8, 2001)
    assert np.abs(form_factor(FourierBessel(radius, tuple(coefficients)), q) - form_factor(helm(132), q)).max() < 1e-8


def test_every_nuclide_fits_in_the_padding() -> None:
    assert max(fourier_bessel_of(nuclide(name))[1].size for name in nuclides._table()) == 48
    radius, padded = fourier_bessel_of(nuclide("Ar40"), n_max=48)
    assert padded.shape == (48,)
    q = np.linspace(0, 5, 501)
    np.testing.assert_allclose(
        form_factor(FourierBessel(radius, tuple(padded)), q),
        form_factor(nuclide("Ar40").charge_density, q),
        rtol=0,
        atol=1e-14,
    )
    with pytest.raises(ValueError, match="W184 needs"):
        fourier_bessel_of(nuclide("W184"), n_max=20)


def test_radii_of_the_lightest_nuclei() -> None:
    # F(q) = 1 - q^2 <r^2>/6: the Gaussian has the measured radius; a Fermi surface of 0.5 fm would give 2.3 fm for He4.
    for name, rms in {"H1": 0.84075, "He4": 1.6755, "Be9": 2.519}.items():
        slope = (1 - form_factor(nuclide(name).charge_density, 1e-3)) / 1e-6
        assert math.sqrt(6 * slope) == pytest.approx(rms, rel=1e-5)
