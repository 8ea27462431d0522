"""Nuclides: nuclear masses, PDG codes and charge densities. Host side only; nothing here imports JAX.

Every charge density can be turned into Fourier-Bessel coefficients (`fourier_bessel_of`), so that one device kernel
serves all nuclides.
"""

import functools
import importlib.resources
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkhorn.kernels.errors import InputError, did_you_mean

ELECTRON_MASS = 0.51099895069e-3  # GeV, CODATA 2022
ATOMIC_MASS_UNIT = 0.93149410242  # GeV, CODATA 2018, the value AME2020 uses


@dataclass(frozen=True)
class FourierBessel:
    """rho(r) = sum_n a_n j0(n pi r/R) for r < R, else 0. `coefficients` a_1, a_2, ... in e/fm^3, `radius_fm` R."""

    radius_fm: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class SymmetrisedFermi:
    """rho(r) ~ sinh(r0/a) / [cosh(r0/a) + cosh(r/a)]: surface thickness a, half-density radius r0, both in fm."""

    a_fm: float
    r0_fm: float


@dataclass(frozen=True)
class Helm:
    """A uniform sphere of radius R folded with a Gaussian of width s, both in fm. R = 0: a Gaussian, rms sqrt(3) s."""

    s_fm: float
    r_fm: float


ChargeDensity = FourierBessel | SymmetrisedFermi | Helm


@dataclass(frozen=True)
class Nuclide:
    """A nuclide in its ground state.

    name            'Ar40'
    Z, A            protons, nucleons
    mass            mass of the bare NUCLEUS, GeV
    atomic_mass     mass of the neutral atom, GeV: what counts nuclei per gram of a material
    pdg             100ZZZAAA0, and 2212 for H1
    charge_density  normalised to Z
    """

    name: str
    Z: int
    A: int
    mass: float
    atomic_mass: float
    pdg: int
    charge_density: ChargeDensity


def electron_binding_energy(z: int) -> float:
    """Total binding energy of the electrons of a neutral atom, GeV: 14.4381 Z^2.39 + 1.55468e-6 Z^5.35 eV.

    Source: D. Lunney, J. M. Pearson, C. Thibault, Rev. Mod. Phys. 75 (2003) 1021, eq. (A4).
    """
    return (14.4381 * math.pow(z, 2.39) + 1.55468e-6 * math.pow(z, 5.35)) * 1e-9


def nuclear_mass(atomic_mass: float, z: int) -> float:
    """Mass of the nucleus from the mass of the neutral atom, GeV: M_atom - Z m_e + B_e(Z)."""
    return atomic_mass - z * ELECTRON_MASS + electron_binding_energy(z)


def helm(a: int) -> Helm:
    """Helm density with the parameters of J. D. Lewin, P. F. Smith, Astropart. Phys. 6 (1996) 87, section 4.

    s = 0.9 fm, R^2 = c^2 + 7/3 pi^2 (0.52 fm)^2 - 5 s^2, c = 1.23 A^(1/3) - 0.60 fm. Domain: A >= 3.
    """
    s, c = 0.9, 1.23 * a ** (1 / 3) - 0.60
    return Helm(s, math.sqrt(c**2 + 7 / 3 * math.pi**2 * 0.52**2 - 5 * s**2))


def symmetrised_fermi(a: int) -> SymmetrisedFermi:
    """Symmetrised Fermi density with a = 0.523 fm, r0 = 1.03 A^(1/3) fm. Meant for A > 11.

    Source: D. W. L. Sprung, J. Martorell, J. Phys. A 30 (1997) 6525 (form), A. M. Abdullahi et al., 2207.04137
    (parameters, DarkNews).
    """
    return SymmetrisedFermi(0.523, 1.03 * a ** (1 / 3))


@functools.cache
def _table() -> dict[str, tuple[int, int, float]]:
    """{name: (Z, A, atomic mass in GeV)} of every known nuclide."""
    text = importlib.resources.files("darkhorn.geometry").joinpath("data/nuclide_masses.csv").read_text()
    table = {}
    for line in text.splitlines()[2:]:
        z, a, symbol, mass = line.split(",")
        table[f"{symbol}{a}"] = (int(z), int(a), float(mass) * 1e-3)
    return table


@functools.cache
def _densities() -> dict[str, Any]:
    text = importlib.resources.files("darkhorn.geometry").joinpath("data/charge_densities.json").read_text()
    data: dict[str, Any] = json.loads(text)
    return data


def tabulated_nuclides() -> tuple[str, ...]:
    """Names of the nuclides whose charge density is measured and tabulated as Fourier-Bessel coefficients."""
    return tuple(_densities()["fourier_bessel"])


def _charge_density(name: str, a: int) -> ChargeDensity:
    """Tabulated where there is a table; a Gaussian of measured radius for the lightest; otherwise symmetrised Fermi."""
    data = _densities()
    if name in data["fourier_bessel"]:
        entry = data["fourier_bessel"][name]
        return FourierBessel(entry["radius_fm"], tuple(entry["coefficients"]))
    if name in data["gaussian"]:
        return Helm(data["gaussian"][name]["rms_fm"] / math.sqrt(3), 0.0)
    return symmetrised_fermi(a)


_SYMBOL_FIRST, _NUMBER_FIRST = re.compile(r"([A-Za-z]{1,2})-?(\d{1,3})"), re.compile(r"(\d{1,3})-?([A-Za-z]{1,2})")


def nuclide(name: str, where: str = "nuclide") -> Nuclide:
    """The nuclide called 'Ar40' ('40Ar', 'Ar-40' and 'ar40' are understood).

    Known are the 2939 nuclides of AME2020. Masses: better than 1e-7 relative (the electron binding energy is good
    to about 1 %, 3e-8 of the mass of lead). Raises InputError, naming `where`, for anything else.
    """
    text = name.strip() if isinstance(name, str) else ""
    if match := _SYMBOL_FIRST.fullmatch(text):
        key = match[1].capitalize() + match[2]
    elif match := _NUMBER_FIRST.fullmatch(text):
        key = match[2].capitalize() + match[1]
    else:
        key = text
    table = _table()
    if key not in table:
        raise InputError(
            where,
            name,
            "a nuclide of the atomic mass evaluation AME2020, such as `Ar40` or `40Ar`",
            did_you_mean(key, list(table)) + "Write the symbol of the element and the mass number.",
        )
    return _known_nuclide(key)


@functools.cache
def _known_nuclide(key: str) -> Nuclide:
    z, a, atomic_mass = _table()[key]
    pdg = 2212 if key == "H1" else 1_000_000_000 + z * 10_000 + a * 10
    return Nuclide(key, z, a, nuclear_mass(atomic_mass, z), atomic_mass, pdg, _charge_density(key, a))


def form_factor(density: ChargeDensity, q: ArrayLike) -> NDArray[np.float64]:
    """Charge form factor F(q) = int rho(r) j0(qr) d^3r / Z, signed, F(0) = 1.

    q in 1/fm, any shape, q >= 0. Reference implementation on the host (NumPy), absolute accuracy 1e-9.
      FourierBessel     F = S(q)/S(0), S = sum_n (-1)^n a_n j0(qR) / ((n pi)^2 - (qR)^2); singular only where qR = n pi,
                        where the limit is taken.
      SymmetrisedFermi  F = 3 pi a/(r0^2 + pi^2 a^2) [pi a coth(pi a q) sin(q r0) - r0 cos(q r0)] / (q r0 sinh(pi a q))
      Helm              F = 3 j1(qR)/(qR) exp(-q^2 s^2/2)
    Sources: de Vries et al., At. Data Nucl. Data Tables 36 (1987) 495; Sprung, Martorell, J. Phys. A 30 (1997) 6525;
    R. H. Helm, Phys. Rev. 104 (1956) 1466.
    """
    q = np.asarray(q, dtype=np.float64)
    if isinstance(density, FourierBessel):
        return _fourier_bessel_form_factor(density, q)
    if isinstance(density, Helm):
        x = q * density.r_fm
        # Below x = 0.01 the two terms of j1 cancel; the series is exact to x^4/280.
        safe = np.where(x < 1e-2, 1.0, x)
        sphere = np.where(x < 1e-2, 1 - x**2 / 10 + x**4 / 280, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)
        gauss: NDArray[np.float64] = sphere * np.exp(-((q * density.s_fm) ** 2) / 2)
        return gauss
    a, r0 = density.a_fm, density.r0_fm
    mean_square = 3 / 5 * r0**2 + 7 / 5 * (math.pi * a) ** 2
    small = q < 1e-3
    safe = np.where(small, 1.0, q)
    y = math.pi * a * safe
    inverse_sinh = 2 * np.exp(-y) / -np.expm1(-2 * y)  # 1/sinh y without overflow
    bracket = math.pi * a / np.tanh(y) * np.sin(safe * r0) - r0 * np.cos(safe * r0)
    exact = 3 * math.pi * a / (r0**2 + (math.pi * a) ** 2) * bracket * inverse_sinh / (safe * r0)
    return np.where(small, 1 - q**2 * mean_square / 6, exact)


def _fourier_bessel_form_factor(density: FourierBessel, q: NDArray[np.float64]) -> NDArray[np.float64]:
    a = np.array(density.coefficients)
    n = np.arange(1, a.size + 1)
    x = q[..., None] * density.radius_fm
    sign = (-1.0) ** n
    # Term n is sign j0(x) / ((n pi)^2 - x^2). Beyond x = 1 it is written with sin(n pi - x)/(n pi - x), regular at x =
    # n pi (np.sinc(t) is sin(pi t)/(pi t)); below, that form would lose the digits of sin x.
    direct = sign * np.sinc(np.minimum(x, 1.0) / math.pi) / ((n * math.pi) ** 2 - np.minimum(x, 1.0) ** 2)
    far = np.maximum(x, 1.0)
    regular = -np.sinc(n - far / math.pi) / (far * (n * math.pi + far))
    terms = np.where(x < 1, direct, regular)
    norm = np.sum(sign * a / (n * math.pi) ** 2)
    result: NDArray[np.float64] = (terms @ a) / norm
    return result


def charge_and_radius(density: FourierBessel) -> tuple[float, float]:
    """Total charge (units of e) and rms radius (fm) of a Fourier-Bessel density.

    Q = 4 pi R^3 sum_n (-1)^(n+1) a_n/(n pi)^2,  <r^2> = 4 pi R^5/Q sum_n (-1)^(n+1) a_n/(n pi)^2 [1 - 6/(n pi)^2].
    """
    radius, a = density.radius_fm, np.array(density.coefficients)
    x = np.arange(1, a.size + 1) * math.pi
    charges = 4 * math.pi * radius**3 * (-1.0) ** np.arange(a.size) * a / x**2
    charge = float(charges.sum())
    return charge, math.sqrt(float((charges * (1 - 6 / x**2)).sum()) * radius**2 / charge)


@functools.cache
def _expansion(density: SymmetrisedFermi | Helm, z: int) -> FourierBessel:
    """A density with closed form factor as Fourier-Bessel coefficients a_n = Z (n pi)^2 F(n pi/R) / (2 pi R^3)."""
    if isinstance(density, SymmetrisedFermi):
        # Outside R lies some exp(-17) of the density; F(q) ~ exp(-pi a q) is below exp(-15) beyond q = 9.4/fm.
        radius, q_last = density.r0_fm + 17 * density.a_fm, 15.5 / (math.pi * density.a_fm)
    else:
        # Gaussian tails, in r and in q: exp(-6.2^2/2) = 5e-9
        radius, q_last = density.r_fm + 6.2 * density.s_fm, 6.2 / density.s_fm
    n = np.arange(1, math.ceil(q_last * radius / math.pi) + 1)
    values = form_factor(density, n * math.pi / radius)
    coefficients = z * (n * math.pi) ** 2 * values / (2 * math.pi * radius**3)
    return FourierBessel(radius, tuple(float(value) for value in coefficients))


def fourier_bessel_of(what: Nuclide, n_max: int | None = None) -> tuple[float, NDArray[np.float64]]:
    """(R in fm, coefficients a_n in e/fm^3) of the charge density of any nuclide.

    A tabulated density is returned as published; the others are expanded, with |F_expanded - F_closed| < 1e-6 at every
    q. With `n_max` the coefficients have shape (n_max,), padded with zeros, so that nuclides share one compiled
    program.
    Raises ValueError if `n_max` is less than the density needs (17 for tables, up to 48 for heavy nuclei without one).
    """
    density = what.charge_density
    series = density if isinstance(density, FourierBessel) else _expansion(density, what.Z)
    coefficients = np.array(series.coefficients)
    if n_max is None:
        return series.radius_fm, coefficients
    if n_max < coefficients.size:
        raise ValueError(f"{what.name} needs {coefficients.size} Fourier-Bessel coefficients, n_max is {n_max}")
    return series.radius_fm, np.pad(coefficients, (0, n_max - coefficients.size))


def with_density(what: Nuclide, kind: str) -> Nuclide:
    """The nuclide with a model density in place of its table: kind 'helm' or 'symmetrised-fermi'. ValueError
    otherwise.
    """
    models: dict[str, Callable[[int], ChargeDensity]] = {"helm": helm, "symmetrised-fermi": symmetrised_fermi}
    if kind not in models:
        raise ValueError(f"{kind!r} is none of {tuple(models)}")
    return replace(what, charge_density=models[kind](what.A))
