import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from darkhorn.kernels.kinematics import FourVector, Vector, boost_from_rest
from darkhorn.kernels.location import Seen, massive_seen_from, muon_decay_factor, muon_spin_cosine, seen_from

PION, MUON = 0.13957039, 0.1056583755
STAR = (PION**2 - MUON**2) / (2 * PION)


def moving(px: float, py: float, pz: float, mass: float) -> FourVector:
    return FourVector(*map(jnp.asarray, (np.sqrt(mass**2 + px**2 + py**2 + pz**2), px, py, pz)))


def sphere(n: int = 400) -> tuple[Vector, NDArray[np.float64]]:
    """Directions and solid angles: Gauss-Legendre in the cosine, even steps in azimuth."""
    c, w = np.polynomial.legendre.leggauss(n)
    phi = 2 * np.pi * (np.arange(64) + 0.5) / 64
    cc, pp = np.meshgrid(c, phi, indexing="ij")
    s = np.sqrt(1 - cc**2)
    weight = np.repeat(w[:, None], 64, axis=1) * 2 * np.pi / 64
    return Vector(*(jnp.asarray(v.ravel()) for v in (s * np.cos(pp), s * np.sin(pp), cc))), weight.ravel()


@pytest.mark.parametrize("p", [(0.0, 0.0, 0.0), (0.1, -0.2, 0.5), (0.3, 0.1, -2.0)])
def test_all_daughters_go_somewhere(p: tuple[float, float, float]) -> None:
    """The probability is 1, and the mean energy that of the isotropic decay, E* gamma."""
    parent = moving(*p, PION)
    n, weight = sphere()
    energy, density = map(np.asarray, seen_from(parent, jnp.asarray(PION), jnp.asarray(STAR), n))
    assert (density * weight).sum() == pytest.approx(1.0, rel=1e-9)
    assert (density * weight * energy).sum() == pytest.approx(STAR * float(parent.e) / PION, rel=1e-9)


def test_the_energy_is_that_of_an_explicit_boost(rng: np.random.Generator) -> None:
    parent = moving(0.2, 0.1, 1.5, PION)
    d = rng.normal(size=(3, 50))
    d *= STAR / np.linalg.norm(d, axis=0)
    rest = FourVector(jnp.full(50, STAR), *map(jnp.asarray, d))
    lab = boost_from_rest(rest, parent, jnp.asarray(PION))
    n = lab.p.scale(1 / lab.p.norm())
    energy, _ = seen_from(parent, jnp.asarray(PION), jnp.asarray(STAR), n)
    np.testing.assert_allclose(np.asarray(energy), np.asarray(lab.e), rtol=1e-12)


def test_forward_daughters_of_a_fast_parent() -> None:
    """E -> E* 2 gamma, dP/dOmega -> gamma^2/pi for gamma >> 1."""
    parent = moving(0.0, 0.0, 20.0, PION)
    gamma = float(parent.e) / PION
    n = Vector(*map(jnp.asarray, (0.0, 0.0, 1.0)))
    energy, density = seen_from(parent, jnp.asarray(PION), jnp.asarray(STAR), n)
    assert float(energy) == pytest.approx(2 * gamma * STAR, rel=1e-4)
    assert float(density) == pytest.approx(gamma**2 / np.pi, rel=1e-4)


def test_the_axis_of_the_spin(rng: np.random.Generator) -> None:
    """A muon emitted along its pion has the pion behind it in its rest frame; the mean cosine of isotropic daughters
    is 0.
    """
    pion = moving(0.0, 0.0, 2.0, PION)
    p = np.sqrt(STAR**2)
    muon = boost_from_rest(FourVector(*map(jnp.asarray, (np.hypot(p, MUON), 0.0, 0.0, p))), pion, jnp.asarray(PION))
    ahead = Vector(*map(jnp.asarray, (0.0, 0.0, 1.0)))
    assert float(muon_spin_cosine(muon, pion, jnp.asarray(MUON), ahead)) == pytest.approx(-1.0, abs=1e-9)
    assert float(muon_spin_cosine(muon, muon, jnp.asarray(MUON), ahead)) == 0.0  # no axis: at rest with its parent
    n, weight = sphere()
    _, density = map(np.asarray, seen_from(muon, jnp.asarray(MUON), jnp.asarray(0.05), n))
    cosine = np.asarray(muon_spin_cosine(muon, moving(0.3, 0.0, 1.0, PION), jnp.asarray(MUON), n))
    assert (density * weight * cosine).sum() == pytest.approx(0.0, abs=1e-9)
    assert (density * weight * cosine**2).sum() == pytest.approx(1 / 3, rel=1e-9)


def test_the_neutrino_of_a_polarised_muon() -> None:
    """mu- -> e- anti-nu_e nu_mu from |M|^2 ~ [(p - m s).k_nuebar] [k_e.k_numu], integrated over the other two massless
    particles: Q^2 tensor [g Q^2 + 2 Q Q] for nu_mu, (p - m s).k for anti-nu_e, with the spin against the cosine here.
    """
    x = np.linspace(0.05, 0.95, 19)
    for c in (-1.0, -0.3, 0.4, 1.0):
        # anti-nu_e: (p - m s).k = m E (1 + cos theta_s), and theta_s is opposite
        np.testing.assert_allclose(np.asarray(muon_decay_factor(jnp.asarray(x), jnp.asarray(c), True)), 1 - c)
        # nu_mu: k_mu (p - m s)_nu (g Q^2 + 2 Q^mu Q^nu), Q = p - k, m = 1
        e = x / 2
        q2 = 1 - x
        q_k, s_dot_k, s_dot_q = e, e * c, -e * c  # spin along -n: s.k = E c (Minkowski), s.Q = -s.k
        for_c = q2 * (e - s_dot_k) + 2 * q_k * ((1 - e) - s_dot_q)
        isotropic = q2 * e + 2 * q_k * (1 - e)
        found = np.asarray(muon_decay_factor(jnp.asarray(x), jnp.asarray(c), False))
        np.testing.assert_allclose(found, for_c / isotropic, rtol=1e-12)


HEAVY = 0.02  # GeV, in pi -> mu N
HEAVY_STAR = np.sqrt((PION**2 - (MUON + HEAVY) ** 2) * (PION**2 - (MUON - HEAVY) ** 2)) / (2 * PION)


def heavy(parent: FourVector, n: Vector) -> tuple[Seen, Seen]:
    return massive_seen_from(parent, jnp.asarray(PION), jnp.asarray(HEAVY_STAR), jnp.asarray(HEAVY), n)


@pytest.mark.parametrize("p", [(0.0, 0.0, 0.0), (0.02, 0.0, 0.05), (0.1, -0.2, 0.5), (0.3, 0.1, -2.0)])
def test_heavy_daughters_are_those_of_explicit_boosts(p: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Each daughter of a boosted isotropic decay is one of the two solutions along its own direction."""
    parent = moving(*p, PION)
    d = rng.normal(size=(3, 400))
    d *= HEAVY_STAR / np.linalg.norm(d, axis=0)
    rest = FourVector(jnp.full(400, np.sqrt(HEAVY_STAR**2 + HEAVY**2)), *map(jnp.asarray, d))
    lab = boost_from_rest(rest, parent, jnp.asarray(PION))
    size = np.asarray(lab.p.norm())
    fast, slow = heavy(parent, lab.p.scale(1 / lab.p.norm()))
    off = np.minimum(*(np.abs(np.asarray(s.momentum) / size - 1) for s in (fast, slow)))
    assert off.max() < 1e-7  # at the largest angle both solutions meet, with half the digits
    assert np.median(off) < 1e-14
    both = np.asarray(slow.momentum) > 0
    quick = float(parent.p.norm()) / PION > HEAVY_STAR / HEAVY  # than the daughter in its rest frame
    assert both.all() if quick else not both.any()


@pytest.mark.parametrize(("pz", "within"), [(0.02, 1e-9), (2.0, 2e-4)])
def test_all_heavy_daughters_go_somewhere(pz: float, within: float) -> None:
    """Both solutions together have probability 1 and the mean energy gamma E*, also where there is a largest angle, at
    which the density has an integrable pole: sin theta = s sin(t) takes it away.
    """
    parent = moving(0.0, 0.0, pz, PION)
    largest = min(HEAVY_STAR * PION / (HEAVY * pz), 1.0)
    x, w = np.polynomial.legendre.leggauss(2000)
    t = (x + 1) * np.pi / (2 if largest == 1 else 4)
    sine = largest * np.sin(t)
    cosine = np.sqrt(1 - sine**2) * np.where(t < np.pi / 2, 1, -1)
    solid = 2 * np.pi * sine * largest * np.cos(t) / cosine * w * (np.pi / (2 if largest == 1 else 4))
    n = Vector(jnp.asarray(sine), jnp.zeros(2000), jnp.asarray(cosine))
    total = energy = 0.0
    for seen in heavy(parent, n):
        p, density = np.asarray(seen.momentum), np.asarray(seen.per_solid_angle)
        total += np.sum(density * solid)
        energy += np.sum(density * solid * np.sqrt(p**2 + HEAVY**2))
    assert total == pytest.approx(1, abs=within)
    expected = np.sqrt(HEAVY_STAR**2 + HEAVY**2) * float(parent.e) / PION
    assert energy == pytest.approx(expected, rel=within)


def test_a_massless_daughter_has_one_solution(rng: np.random.Generator) -> None:
    parent = moving(0.1, -0.2, 3.0, PION)
    d = rng.normal(size=(3, 200))
    n = Vector(*map(jnp.asarray, d / np.linalg.norm(d, axis=0)))
    fast, slow = massive_seen_from(parent, jnp.asarray(PION), jnp.asarray(STAR), jnp.asarray(0.0), n)
    energy, density = seen_from(parent, jnp.asarray(PION), jnp.asarray(STAR), n)
    np.testing.assert_allclose(np.asarray(fast.momentum), np.asarray(energy), rtol=1e-11)
    np.testing.assert_allclose(np.asarray(fast.per_solid_angle), np.asarray(density), rtol=1e-11)
    assert not np.asarray(slow.per_solid_angle).any()
