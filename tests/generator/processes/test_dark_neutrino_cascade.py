"""The spin that a daughter takes over, against explicit Dirac matrices for the whole cascade."""

import dirac
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.generator.processes.dark_neutrino_cascade import daughter_polarisation
from darkhorn.kernels.kinematics import FourVector, boost_from_rest, four

Real = NDArray[np.float64]
N = 50
PARENT, DAUGHTER, LAST, LEPTON = 0.3, 0.2, 0.1, 0.04


def on_shell(rng: np.random.Generator, mass: float) -> Real:
    p = rng.normal(scale=0.3, size=(N, 3))
    return np.concatenate([np.sqrt(mass**2 + np.sum(p**2, axis=1))[:, None], p], axis=1)


def vector(p: Real) -> FourVector:
    return FourVector(*(jnp.asarray(p[:, i]) for i in range(4)))


def lepton_tensor(negative: Real, positive: Real) -> NDArray[np.complex128]:
    minus, plus = dirac.density(negative, LEPTON), dirac.density(positive, LEPTON, antiparticle=True)
    tensor: NDArray[np.complex128] = np.einsum(
        "...ab,mbc,...cd,nda->...mn", minus, dirac.GAMMA, plus, dirac.bar(dirac.GAMMA)
    )
    lower = np.diag(dirac.METRIC)
    return tensor * lower[:, None] * lower[None, :]


@pytest.mark.parametrize("helicity", [-1.0, 1.0])
def test_polarisation_of_the_daughter_is_that_of_the_whole_amplitude(helicity: float, rng: np.random.Generator) -> None:
    """|M|^2 of both decays, with kslash + m between them, is |M1|^2 summed over the spin times |M2|^2 with it."""
    parent, daughter, last = on_shell(rng, PARENT), on_shell(rng, DAUGHTER), on_shell(rng, LAST)
    l1, l2, l3, l4 = (on_shell(rng, LEPTON) for _ in range(4))
    spin = dirac.helicity_spin(parent, PARENT)
    chiral = parent - helicity * PARENT * spin
    found = daughter_polarisation(
        vector(chiral), vector(l1), vector(l2), jnp.asarray(LEPTON), vector(daughter), jnp.asarray(DAUGHTER)
    )
    size = np.asarray(found.norm())
    assert (size <= 1 + 1e-9).all()
    assert size.min() > 0.3  # else the test would say nothing
    boosted = boost_from_rest(four(jnp.zeros(N), found), vector(daughter), jnp.asarray(DAUGHTER))
    polarisation = np.stack([np.asarray(c) for c in boosted], axis=1)

    left = dirac.GAMMA @ dirac.LEFT
    middle = dirac.density(daughter, DAUGHTER)
    made = np.einsum(
        "mab,...bc,ncd,...mn->...ad",
        left, dirac.density(parent, PARENT, helicity * spin), dirac.bar(left), lepton_tensor(l1, l2),
    )  # fmt: skip
    spent = np.einsum(
        "mab,...bc,ncd,...mn->...ad", dirac.bar(left), dirac.density(last, LAST), left, lepton_tensor(l3, l4)
    )

    def trace(*matrices: NDArray[np.complex128]) -> Real:
        product = matrices[0]
        for matrix in matrices[1:]:
            product = product @ matrix
        return np.real(np.trace(product, axis1=-2, axis2=-1))

    whole = trace(spent, middle, made, middle)
    first = trace(middle, made)

    def second(spin_vector: Real) -> Real:
        return trace(spent, middle @ (dirac.ONE + dirac.GAMMA5 @ dirac.slash(spin_vector)) / 2)

    np.testing.assert_allclose(whole, first * second(polarisation), rtol=1e-8)
    wrong = first * second(0 * polarisation)
    assert np.max(np.abs(whole / wrong - 1)) > 0.1
