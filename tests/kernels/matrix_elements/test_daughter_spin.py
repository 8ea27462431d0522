"""The spin that a daughter takes over, against explicit Dirac matrices for whole cascades, with every mediator.

Each decay is its amplitude as a product of 4x4 matrices, with kslash + m of the state in between: nothing of the traces
that made the formulas enters.
"""

from collections.abc import Callable
from typing import NamedTuple

import dirac
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.kernels.kinematics import FourVector, Vector, boost_from_rest, boost_to_rest, four
from darkhorn.kernels.matrix_elements.daughter_spin import (
    chiral_momentum,
    polarisation_of,
    spin_by_vector,
    spin_by_virtual_photon,
)

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
N = 50
PARENT, DAUGHTER, LAST, LEPTON = 0.3, 0.2, 0.1, 0.04
LEFT, RIGHT = dirac.LEFT, dirac.ONE - dirac.LEFT


def on_shell(rng: np.random.Generator, mass: float) -> Real:
    p = rng.normal(scale=0.3, size=(N, 3))
    return np.concatenate([np.sqrt(mass**2 + np.sum(p**2, axis=1))[:, None], p], axis=1)


def vector(p: Real) -> FourVector:
    return FourVector(*(jnp.asarray(p[:, i]) for i in range(4)))


def lower(tensor: Complex) -> Complex:
    metric = np.diag(dirac.METRIC)
    return tensor * metric[:, None] * metric[None, :]


def lepton_tensor(negative: Real, positive: Real) -> Complex:
    minus, plus = dirac.density(negative, LEPTON), dirac.density(positive, LEPTON, antiparticle=True)
    return lower(np.einsum("...ab,mbc,...cd,nda->...mn", minus, dirac.GAMMA, plus, dirac.bar(dirac.GAMMA)))


class Decay(NamedTuple):
    """The vertex of one decay, (n, 4, 4, 4) or (n, 1, 4, 4), and the tensor that closes its index, both indices down;
    and what came out beside the daughter.
    """

    vertex: Complex
    tensor: Complex
    seen: tuple[Real, ...]


def by_vector(rng: np.random.Generator) -> Decay:
    pair = on_shell(rng, LEPTON), on_shell(rng, LEPTON)
    return Decay(np.broadcast_to(dirac.GAMMA @ LEFT, (N, 4, 4, 4)), lepton_tensor(*pair), pair)


def sigma_q(q: Real) -> Complex:
    """sigma^{mu nu} q_mu P_R."""
    lowered = np.einsum("mn,...n->...m", dirac.METRIC, q)
    product: Complex = np.einsum("mnab,...m->...nab", dirac.SIGMA, lowered) @ RIGHT
    return product


def by_photon(rng: np.random.Generator) -> Decay:
    """The sum over the polarisations of a photon is -g."""
    q = on_shell(rng, 0.0)
    return Decay(sigma_q(q), np.broadcast_to(-dirac.METRIC + 0j, (N, 4, 4)), (q,))


def by_virtual_photon(rng: np.random.Generator) -> Decay:
    pair = on_shell(rng, LEPTON), on_shell(rng, LEPTON)
    return Decay(sigma_q(pair[0] + pair[1]), lepton_tensor(*pair), pair)


def by_scalar(rng: np.random.Generator) -> Decay:
    return Decay(np.broadcast_to(RIGHT, (N, 1, 4, 4)), np.ones((N, 1, 1), np.complex128), ())


def of_vector(chiral: FourVector, seen: tuple[Real, ...]) -> FourVector:
    return spin_by_vector(chiral, vector(seen[0]), vector(seen[1]), jnp.asarray(LEPTON))


def of_virtual_photon(chiral: FourVector, seen: tuple[Real, ...]) -> FourVector:
    return spin_by_virtual_photon(chiral, vector(seen[0]), vector(seen[1]), jnp.asarray(LEPTON))


# name -> (the decay, o of K = P + o h m S, Q)
KINDS: dict[
    str,
    tuple[
        Callable[[np.random.Generator], Decay], float, Callable[[FourVector, tuple[Real, ...]], FourVector]
    ],
] = {
    "vector": (by_vector, -1.0, of_vector),
    "photon": (by_photon, 1.0, lambda chiral, seen: vector(seen[0])),
    "virtual photon": (by_virtual_photon, 1.0, of_virtual_photon),
    "scalar": (by_scalar, 1.0, lambda chiral, seen: chiral),
}  # fmt: skip
CASCADES = [("vector", "vector"), ("photon", "photon"), ("photon", "virtual photon"), ("virtual photon", "photon"),
            ("virtual photon", "virtual photon"), ("scalar", "scalar")]  # fmt: skip


def trace(*matrices: Complex) -> Real:
    product = matrices[0]
    for matrix in matrices[1:]:
        product = product @ matrix
    return np.real(np.trace(product, axis1=-2, axis2=-1))


@pytest.mark.parametrize("polarisation", [-1.0, 0.6])
@pytest.mark.parametrize(("first", "second"), CASCADES)
def test_polarisation_of_the_daughter_is_that_of_the_whole_amplitude(
    first: str, second: str, polarisation: float, rng: np.random.Generator
) -> None:
    """|M|^2 of both decays, with kslash + m between them, is |M1|^2 summed over the spin times |M2|^2 with it."""
    parent, daughter, last = on_shell(rng, PARENT), on_shell(rng, DAUGHTER), on_shell(rng, LAST)
    make, orientation, spin_of = KINDS[first]
    one, two = make(rng), KINDS[second][0](rng)
    axis = rng.normal(size=(N, 3))
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    along = Vector(*(jnp.asarray(axis[:, i]) for i in range(3)))
    chiral = chiral_momentum(vector(parent), jnp.asarray(PARENT), jnp.asarray(polarisation), along, orientation)
    found = polarisation_of(spin_of(chiral, one.seen), vector(daughter), jnp.asarray(DAUGHTER))
    size = np.asarray(found.norm())
    assert (size <= 1 + 1e-9).all()
    assert size.min() > 0.1  # else the test would say nothing

    def seen_from_outside(direction: Vector, mother: Real, mass: float) -> Real:
        boosted = boost_from_rest(four(jnp.zeros(N), direction), vector(mother), jnp.asarray(mass))
        return np.stack([np.asarray(c) for c in boosted], axis=1)

    spin, middle = polarisation * seen_from_outside(along, parent, PARENT), dirac.density(daughter, DAUGHTER)
    made = np.einsum(
        "...mab,...bc,...ncd,...mn->...ad",
        one.vertex, dirac.density(parent, PARENT, spin), dirac.bar(one.vertex), one.tensor, optimize=True,
    )  # fmt: skip
    spent = np.einsum(
        "...mab,...bc,...ncd,...nm->...ad",
        dirac.bar(two.vertex), dirac.density(last, LAST), two.vertex, two.tensor, optimize=True,
    )  # fmt: skip
    whole = trace(spent, middle, made, middle)
    first_alone = trace(middle, made)

    def second_with(spin_vector: Real) -> Real:
        return trace(spent, middle @ (dirac.ONE + dirac.GAMMA5 @ dirac.slash(spin_vector)) / 2)

    taken_over = seen_from_outside(found, daughter, DAUGHTER)
    np.testing.assert_allclose(whole, first_alone * second_with(taken_over), rtol=1e-8)
    for wrong in (0 * taken_over, -taken_over):
        assert np.max(np.abs(whole / (first_alone * second_with(wrong)) - 1)) > 0.1


def test_after_a_photon_the_daughter_has_helicity_minus_one(rng: np.random.Generator) -> None:
    """In the frame of the parent: angular momentum leaves no choice, since the photon's helicity is fixed."""
    parent, photon = on_shell(rng, PARENT), on_shell(rng, 0.0)
    k = 0.5 * (PARENT - DAUGHTER**2 / PARENT)
    photon *= k / photon[:, :1]
    rest = np.zeros_like(parent)
    rest[:, 0] = PARENT
    daughter = vector(rest - photon)
    found = polarisation_of(vector(photon), daughter, jnp.asarray(DAUGHTER))
    flies = boost_to_rest(vector(rest), daughter, jnp.asarray(DAUGHTER)).p  # the parent moves against it
    cosine = found.dot(flies) / flies.norm()
    np.testing.assert_allclose(cosine, 1.0, rtol=1e-12)


def test_a_virtual_photon_of_small_mass_is_a_photon(rng: np.random.Generator) -> None:
    """Collinear leptons of next to no mass: the spin is along the photon."""
    photon, daughter = on_shell(rng, 0.0), vector(on_shell(rng, DAUGHTER))
    chiral = vector(on_shell(rng, PARENT))
    share = rng.uniform(0.1, 0.9, (N, 1))
    light = jnp.asarray(1e-7)
    pair = [p + np.array([0.5e-14, 0, 0, 0]) / p[:, :1] for p in (share * photon, (1 - share) * photon)]
    spin = jax.jit(spin_by_virtual_photon)(chiral, *(vector(p) for p in pair), light)
    one, other = (polarisation_of(q, daughter, jnp.asarray(DAUGHTER)) for q in (spin, vector(photon)))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
