"""Explicit 4x4 Dirac matrices in NumPy: squared amplitudes by multiplying matrices, with no trace identity.

Metric (+,-,-,-), Dirac representation, gamma5 = i gamma^0 gamma^1 gamma^2 gamma^3, sigma^{mu nu} = (i/2)[gamma^mu, gamma^nu].
Four-vectors are arrays (..., 4) of contravariant components; matrices are (..., 4, 4); currents (4, 4, 4) or (..., 4, 4, 4) with
the Lorentz index first of the last three. Nothing here uses darkhorn.
"""

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

METRIC: Real = np.diag([1.0, -1.0, -1.0, -1.0])
ONE: Complex = np.eye(4, dtype=np.complex128)
_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], np.complex128)
_ZERO2 = np.zeros((2, 2), np.complex128)
GAMMA: Complex = np.stack(
    [np.diag([1, 1, -1, -1]).astype(np.complex128)] + [np.block([[_ZERO2, s], [-s, _ZERO2]]) for s in _PAULI]
)
GAMMA5: Complex = 1j * GAMMA[0] @ GAMMA[1] @ GAMMA[2] @ GAMMA[3]
LEFT: Complex = (ONE - GAMMA5) / 2
SIGMA: Complex = 0.5j * (
    np.einsum("mab,nbc->mnac", GAMMA, GAMMA) - np.einsum("nab,mbc->mnac", GAMMA, GAMMA)
)  # (mu, nu, 4, 4), both indices up


def dot(a: Real, b: Real) -> Real:
    """Minkowski product over the last axis."""
    product: Real = np.einsum("...m,mn,...n->...", a, METRIC, b)
    return product


def slash(p: Real) -> Complex:
    """gamma^mu p_mu."""
    matrix: Complex = np.einsum("...m,mn,nab->...ab", p, METRIC, GAMMA)
    return matrix


def helicity_spin(k: Real, mass: Real | float) -> Real:
    """Spin four-vector of helicity +1: (|k|, E khat) / m."""
    momentum = np.linalg.norm(k[..., 1:], axis=-1)
    return np.concatenate([momentum[..., None], (k[..., 0] / momentum)[..., None] * k[..., 1:]], axis=-1) / (
        np.broadcast_to(mass, momentum.shape)[..., None]
    )


def density(k: Real, mass: Real | float, spin: Real | None = None, antiparticle: bool = False) -> Complex:
    """sum u ubar = kslash + m (v vbar = kslash - m); with a spin four-vector, of that one spin state only."""
    sign = -1.0 if antiparticle else 1.0
    matrix = slash(k) + sign * np.broadcast_to(mass, k.shape[:-1])[..., None, None] * ONE
    if spin is not None:
        matrix = matrix @ (ONE + GAMMA5 @ slash(spin)) / 2
    return matrix


def bar(current: Complex) -> Complex:
    """gamma^0 J^dagger gamma^0 of every component."""
    out: Complex = GAMMA[0] @ np.conj(np.swapaxes(current, -1, -2)) @ GAMMA[0]
    return out


def tensor(out: Complex, current: Complex, incoming: Complex) -> Complex:
    """T^{mu nu} = Tr[out J^mu incoming Jbar^nu]: |amplitude|^2 of one fermion line, summed over the spins left open."""
    current = np.broadcast_to(current, (*out.shape[:-2], 4, 4, 4))
    traces: Complex = np.einsum(
        "...ab,...mbc,...cd,...nda->...mn", out, current, incoming, bar(current), optimize=True
    )
    return traces


def contract(a: Complex, b: Complex) -> Real:
    """a^{mu nu} b_{mu nu}: real for the product of two squared lines."""
    value: Complex = np.einsum("...mn,mr,ns,...rs->...", a, METRIC, METRIC, b, optimize=True)
    return value.real


def nucleon_current(q: Real, mass: Real | float, f1: Real, f2: Real, axial: Real) -> Complex:
    """gamma^mu F1 + i sigma^{mu nu} q_nu F2 / 2M - gamma^mu gamma5 G_A, q the momentum given to the nucleon."""
    lowered = np.einsum("mn,...n->...m", METRIC, q)
    pauli = 1j * np.einsum("mnab,...n->...mab", SIGMA, lowered) / (2 * mass)
    wide = (..., None, None, None)
    current: Complex = f1[wide] * GAMMA + f2[wide] * pauli - axial[wide] * (GAMMA @ GAMMA5)
    return current
