"""N -> nu_j l- l+ through a vector of any mass and width: density and sampler, one formula on and off shell.

With a pure vector coupling the lepton current is conserved, so the q_mu q_nu term of the propagator drops out and, at
fixed q^2 = m_ll^2, the decay is that of an on-shell chain with a vector of mass q:

    dGamma = dq^2/pi Gamma_{N->jV}(q) q Gamma_{V->ll}(q) / [(q^2 - m_V^2)^2 + m_V^2 Gamma_V^2]  x  (chain density at q)

The width is `neutral_decays.width_off_shell(*model)`. Sources: as `neutral_decays`, whose notation is used.

Antiparticles: a Dirac N-bar made by an antineutrino is the CP image of N. Give the helicity of that image (-1 for the
one that conserves chirality, whatever the beam) and read l- as l+: the density does not change under the exchange of
the leptons, so the same call serves both.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.kernels.kinematics import FourVector, Vector, boost_to_rest, is_open
from darkhorn.kernels.matrix_elements.neutral_decays import (
    ChainAngles,
    ChainDecay,
    chain_density,
    sample_chain,
    width_to_vector,
    width_vector_to_leptons,
)


class DileptonModel(NamedTuple):
    """Numbers of one decay, in the order of `width_off_shell`: masses and total width of the vector in GeV, couplings d
    (nubar_j gamma^mu P_L N) and g (lbar gamma^mu l), majorana 0 or 1. Domain: m_lepton > 0, m_vector > 0.
    """

    m: jax.Array
    m_j: jax.Array
    m_vector: jax.Array
    width_vector: jax.Array
    m_lepton: jax.Array
    coupling: jax.Array
    lepton_coupling: jax.Array
    majorana: jax.Array

    def width_to_boson(self, q: jax.Array) -> jax.Array:
        """Gamma(N -> nu_j V) for a vector of mass q."""
        return width_to_vector(self.m, self.m_j, q, self.coupling, self.majorana)

    def width_to_leptons(self, q: jax.Array) -> jax.Array:
        """Gamma(V -> l- l+) for a vector of mass q."""
        return width_vector_to_leptons(q, self.m_lepton, self.lepton_coupling)

    def chain(self, angles: ChainAngles, q: jax.Array, helicity: jax.Array, spin_axis: Vector) -> ChainDecay:
        """The decay through a vector of mass q on shell, of weight 1."""
        one = jnp.ones_like(self.m)
        return sample_chain(angles, self.m, self.m_j, q, self.m_lepton, helicity, self.majorana, one, spin_axis)

    def angular_density(self, q: jax.Array, helicity: jax.Array, cosine: jax.Array, lepton: Vector) -> jax.Array:
        """Density d^4N/(dcos dphi dOmega_l) of what `chain` draws."""
        one = jnp.ones_like(self.m)
        masses = self.m, self.m_j, q, self.m_lepton
        return chain_density(*masses, helicity, self.majorana, one, cosine, lepton)


class DileptonUniforms(NamedTuple):
    """Uniform numbers of N -> nu_j l- l+: each (n,)."""

    mass: jax.Array
    polar: jax.Array
    azimuth: jax.Array
    lepton: jax.Array
    lepton_azimuth: jax.Array


class DileptonKinematics(NamedTuple):
    """What the density depends on: q^2 (GeV^2), cosine of nu_j to the spin axis, and the direction of l- in the rest
    frame of the pair (z' along nu_j, x' along the part of the spin axis across it).
    """

    q2: jax.Array
    cos_neutrino: jax.Array
    lepton: Vector


class DileptonDecay(NamedTuple):
    """Products in the rest frame of N (GeV); q^2 and q^2 - m_V^2 (GeV^2), the latter exact next to a narrow pole."""

    neutrino: FourVector
    negative: FourVector
    positive: FourVector
    cos_neutrino: jax.Array
    q2: jax.Array
    offset: jax.Array


def dilepton_spectrum(q2: jax.Array, model: DileptonModel) -> jax.Array:
    """dGamma/dq^2 in GeV^-1, zero outside 4 m_l^2 < q^2 < (m - m_j)^2; its integral is `width_off_shell`.

    Shapes broadcast; q2 in GeV^2. Accuracy: rounding times q^2/|q^2 - m_V^2|, at worst m_V/Gamma_V on the pole.
    """
    return _spectrum(q2, q2 - model.m_vector**2, model)


def _spectrum(q2: jax.Array, offset: jax.Array, model: DileptonModel) -> jax.Array:
    q = jnp.sqrt(q2)
    first, second = model.width_to_boson(q), model.width_to_leptons(q)
    scale = model.m_vector * model.width_vector
    return first * q * second / (offset * offset + scale * scale) / jnp.pi


def dilepton_density(kinematics: DileptonKinematics, model: DileptonModel, helicity: jax.Array) -> jax.Array:
    """d^5 Gamma/(dq^2 dcos dphi dOmega_l), GeV^-1: the one density that samples, weights and reweights.

    dGamma/dq^2 times the model's `angular_density` at m_V = q. helicity is the polarisation along the spin axis (any
    number in [-1, 1]), without effect for Majorana.

    Shapes broadcast. Zero outside the limits of q^2. Accuracy as `dilepton_spectrum`.
    """
    q2, cosine, e = kinematics
    low, high = _limits(model)
    inside = (q2 > low) & (q2 < high)
    q2 = jnp.where(inside, q2, 0.5 * (low + high))
    density = dilepton_spectrum(q2, model) * model.angular_density(jnp.sqrt(q2), helicity, cosine, e)
    return jnp.where(inside, density, 0.0)


def dilepton_kinematics(
    neutrino: FourVector, negative: FourVector, positive: FourVector, spin_axis: Vector
) -> DileptonKinematics:
    """Arguments of `dilepton_density` and `chain_density` of products given in the rest frame of N. Shapes (n,); GeV.

    Accuracy of q^2: rounding times E_ll^2/q^2.
    """
    pair = negative.plus(positive)
    q2 = pair.dot(pair)
    z_axis = _unit(neutrino.p)
    cosine = z_axis.dot(spin_axis)
    across = _unit(spin_axis.minus(z_axis.scale(cosine)))
    e = _unit(boost_to_rest(negative, pair, jnp.sqrt(q2)).p)
    y_axis = Vector(
        z_axis.y * across.z - z_axis.z * across.y,
        z_axis.z * across.x - z_axis.x * across.z,
        z_axis.x * across.y - z_axis.y * across.x,
    )
    return DileptonKinematics(q2, cosine, Vector(e.dot(across), e.dot(y_axis), e.dot(z_axis)))


def within_limits(q2: jax.Array, model: DileptonModel) -> jax.Array:
    """q^2 of products of this decay, brought back between the thresholds where rounding has put it on or beyond one."""
    low, high = _limits(model)
    margin = 8 * float(np.finfo(q2.dtype).eps)
    return jnp.clip(q2, low * (1 + margin), high * (1 - margin))


def _unit(v: Vector) -> Vector:
    square = v.dot(v)
    return v.scale(jnp.where(square > 0, 1 / jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0))


def sample_dilepton(
    u: DileptonUniforms, model: DileptonModel, helicity: jax.Array, spin_axis: Vector
) -> tuple[DileptonDecay, jax.Array]:
    """N -> nu_j l- l+ and its weight = density/pdf in GeV: the mean weight is Gamma, weights are nearly equal.

    q^2 comes from a piecewise linear proxy of its spectrum (`_proxy`); given q^2, the model's `chain` draws the angles
    from the exact density. Nothing depends on whether the boson can be on shell, or on its spin.

    Shapes: u and spin_axis (n,), model and helicity () (the proxy is made once per call; `vmap` for many models).
    Weight 0 where the decay is closed. The weight is bounded and continuous in u, so its derivative with respect to any
    mass, width or coupling, averaged, is that of Gamma. ESS/n > 0.99 for 1e-13 < Gamma_V/m_V < 1 and m_V < 1e4 m.
    """
    opened = is_open(model.m, model.m_j, 2 * model.m_lepton)
    safe = model._replace(m=jnp.where(opened, model.m, 2 * (model.m_j + 2 * model.m_lepton)))
    q2, offset, density = _draw_q2(u.mass, safe)
    weight = jnp.where(opened, _spectrum(q2, offset, safe) / density, 0.0)
    angles = ChainAngles(u.polar, u.azimuth, u.lepton, u.lepton_azimuth)
    chain = safe.chain(angles, jnp.sqrt(q2), helicity, spin_axis)
    return DileptonDecay(*chain, q2, offset), weight


def _limits(model: DileptonModel) -> tuple[jax.Array, jax.Array]:
    """Range of q^2, kept off the thresholds by a few ulp: a momentum there would be the root of a rounding error."""
    low, high = 4 * model.m_lepton**2, (model.m - model.m_j) ** 2
    margin = 8 * float(np.finfo(jnp.result_type(low, high)).eps)
    return low * (1 + margin), high * (1 - margin)


_POLE_CELLS, _SMOOTH_CELLS = 128, 64


def _proxy(model: DileptonModel) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """(q^2, q^2 - m_V^2, steps between them, spectrum up to a factor) at the nodes of the piecewise linear proxy.

    Two grids are merged: equal steps of asinh[(q^2 - m_V^2)/(m_V Gamma_V)], in which a pole is smooth however narrow
    and wherever it lies, and one that is dense at both thresholds. Both go over into an ordinary grid when the pole is
    far. The end nodes take the spectrum in the middle of their cells: the square roots at the thresholds stay bounded
    relative to the proxy.
    """
    low, high = _limits(model)
    pole = model.m_vector**2
    dtype = jnp.result_type(low, high, pole)
    # a vector without width, off shell, still needs a scale; q^2 has no digit beyond this one next to the pole
    scale = jnp.maximum(model.m_vector * model.width_vector, 4 * float(np.finfo(dtype).eps) * pole)
    s = jnp.asarray(np.arange(1, _POLE_CELLS) / _POLE_CELLS, dtype)
    start, stop = jnp.arcsinh((low - pole) / scale), jnp.arcsinh((high - pole) / scale)
    near_offset = scale * jnp.sinh(start + (stop - start) * s)
    s = jnp.asarray(np.arange(_SMOOTH_CELLS + 1) / _SMOOTH_CELLS, dtype)
    step = (high - low) * s * s * (3 - 2 * s)
    offset = jnp.concatenate([near_offset, (low - pole) + step])
    q2 = jnp.clip(jnp.concatenate([pole + near_offset, low + step]), low, high)
    order = jnp.argsort(offset)
    q2, offset = q2[order], offset[order]
    # the finer of the two differences: offsets next to the pole, q^2 where the pole is far away
    steps = jnp.where(jnp.abs(offset[:-1]) < q2[:-1], jnp.diff(offset), jnp.diff(q2))
    height = _spectrum(q2[1:-1], offset[1:-1], model)
    first, last = (
        _spectrum(0.5 * (q2[i] + q2[j]), 0.5 * (offset[i] + offset[j]), model) for i, j in ((0, 1), (-2, -1))
    )
    height = jnp.concatenate([first[None], height, last[None]])
    return q2, offset, jnp.maximum(steps, 0.0), height / jnp.max(height)


def _draw_q2(u: jax.Array, model: DileptonModel) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(q^2, q^2 - m_V^2, density of q^2 in GeV^-2) by inversion of the proxy's distribution function."""
    low, high = _limits(model)
    q2, offset, steps, height = _proxy(model)
    area = 0.5 * steps * (height[1:] + height[:-1])
    below = jnp.concatenate([jnp.zeros_like(area[:1]), jnp.cumsum(area)])
    total = below[-1]
    cell = jnp.clip(jnp.searchsorted(below, u * total, side="right") - 1, 0, area.shape[0] - 1)
    left, width = height[cell], steps[cell]
    slope = height[cell + 1] / left - 1
    # solve t + slope t^2/2 = filled on [0, 1], rationalised; the floor keeps the derivative of the root
    filled = (u * total - below[cell]) / (jnp.where(width > 0, width, 1.0) * left)
    t = 2 * filled / (1 + jnp.sqrt(jnp.maximum(1 + 2 * slope * filled, 1e-30)))
    t = jnp.clip(t, 0.0, 1.0)
    drawn = jnp.clip(q2[cell] + width * t, low, high)
    return drawn, offset[cell] + width * t, left * (1 + slope * t) / total
