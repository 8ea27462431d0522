"""Dark neutrinos: couplings, widths and branching ratios as pure functions of the model's parameters.

The beam makes one heavy neutral lepton N of mass `m_n`: N4, decaying to a light neutrino (m_j = 0), or, with two
states, N5, decaying to N4 (m_j = m4). `model` is a pytree of arrays: m_n, m_j, mzprime (GeV), mixing_sq (3,) of N
with e, mu, tau, epsilon, gD, majorana (0 or 1), and `vertices`, those that the card gives in place of what these make;
what is known before compilation is in `Scheme`. The same functions serve the host (widths, header) and the compiled
chain (gradients, scans).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Params
from darkhorn.kernels.constants import (
    ELECTRIC_CHARGE,
    HBAR_C,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_PION,
    MASS_TAU,
    WEAK_NEUTRAL_COUPLING,
)
from darkhorn.kernels.errors import InputError, PhysicsWarning
from darkhorn.kernels.flight import ctau
from darkhorn.kernels.matrix_elements.neutral_decays import (
    width_three_neutrinos,
    width_through_vector,
    width_to_vector,
    width_vector_to_leptons,
    width_vector_to_neutrinos,
    width_weak_dilepton,
)
from darkhorn.kernels.matrix_elements.upscattering import Vertices
from darkhorn.kernels.matrix_elements.vector_hadrons import width_vector_to_hadrons

LEPTONS = {"e": MASS_ELECTRON, "mu": MASS_MUON, "tau": MASS_TAU}
NARROW = 100.0
MASSLESS_PAIR = 1e-6  # GeV: where the integral over the mass of a neutrino pair begins
FIRST_HADRONS = 0.134  # GeV: no hadronic final state of a vector below m_pi0
Widths = dict[str, dict[str, jax.Array]]  # particle -> channel -> partial width, GeV


@dataclass(frozen=True)
class Scheme:
    """What of a model is known before compilation: which decays its program holds.

    dual      two states: N is N5 and its daughter N4; else N is N4 and its daughter a neutrino
    on_shell  the Z' is made on shell: the chain has it as a particle; else N -> daughter l+ l- through a virtual Z'
    hadrons   the Z' is heavy enough for hadrons
    """

    dual: bool
    on_shell: bool
    hadrons: bool

    @property
    def produced(self) -> str:
        """Name of the state that the beam makes."""
        return "N5" if self.dual else "N4"

    @property
    def daughter(self) -> str:
        """Name of what it decays to."""
        return "N4" if self.dual else "nu"


def scheme_of(card: Any) -> Scheme:
    """The scheme of a checked card. Raises InputError where this version has no physics for it.

    The Z' counts as on shell when it is lighter than the mass difference by more than NARROW of its widths; closer to
    the threshold, or broad, its line shape matters and the formula with the propagator is taken, which holds
    everywhere.
    """
    m = card.model
    dual = m.m5 is not None
    room = m.m5 - m.m4 if dual else m.m4
    scheme = Scheme(dual, m.mzprime < room, m.mzprime > FIRST_HADRONS)
    if scheme.hadrons and m.vertices.n_V:
        raise InputError(
            "model.vertices.n_V",
            f"{m.vertices.n_V:g}, with an mzprime of {1e3 * m.mzprime:g} MeV",
            f"only below {1e3 * FIRST_HADRONS:g} MeV",
            "Its decays to hadrons are known for a Z' that couples to electric charge: remove n_V, or lower mzprime.",
        )
    if scheme.on_shell:
        width = float(total_width(host_widths(model_of(card), scheme), "Zprime"))
        scheme = replace(scheme, on_shell=room - m.mzprime > NARROW * width)
    if not scheme.on_shell and room > 2 * MASS_PION:
        raise InputError(
            "model.mzprime",
            f"{1e3 * m.mzprime:g} MeV, off shell or broad, with {1e3 * room:g} MeV for the pair",
            f"a narrow Z' on shell, or less than two charged-pion masses ({2e3 * MASS_PION:.2f} MeV) for the pair",
            "Above, hadrons compete with e+e- off shell, which this version does not have.",
        )
    if not scheme.on_shell and not card.physics.zprime_polarisation:
        raise InputError(
            "physics.zprime_polarisation",
            "false",
            "true where the Z' is off shell",
            "Remove it: there is no Z' to unpolarise.",
        )
    return scheme


def warn_of_limits(model: Params, scheme: Scheme) -> None:
    """Say (PhysicsWarning) where a card leaves what this version describes: a broad N, a Z' that flies."""
    widths = host_widths(model, scheme)
    mass, width = float(model["m_n"]), float(total_width(widths, scheme.produced))
    if width > 0.01 * mass:
        warnings.warn(
            f"{scheme.produced} is {1e3 * width:.3g} MeV wide ({100 * width / mass:.2g} % of its mass): it is put on "
            "its mass shell all the same, and its line shape is not generated",
            PhysicsWarning,
            stacklevel=2,
        )
    if scheme.on_shell:
        flown = HBAR_C / float(total_width(widths, "Zprime")) / float(model["mzprime"])  # at a momentum of 1 GeV
        if flown > 1.0:
            warnings.warn(
                f"a Z' of 1 GeV flies {flown:.3g} cm on average, but it is made to decay where {scheme.produced} does",
                PhysicsWarning,
                stacklevel=2,
            )


def model_of(card: Any) -> dict[str, jax.Array]:
    """Parameters of a checked card's model."""
    m = card.model
    dual = m.m5 is not None
    mixing = (m.ue5_sq, m.umu5_sq, m.utau5_sq) if dual else (m.ue4_sq, m.umu4_sq, m.utau4_sq)
    numbers = {
        "m_n": m.m5 if dual else m.m4,
        "m_j": m.m4 if dual else 0.0,
        "mzprime": m.mzprime,
        "mixing_sq": mixing,
        "epsilon": m.epsilon or 0.0,
        "gD": m.gD,
        "majorana": float(m.hnl == "majorana"),
    }
    state = "5" if dual else "4"
    given = {name: value for name, value in m.vertices if value is not None}
    own = {name.removesuffix(state) if name[-1] in "45" and name != "d_54" else name: given[name] for name in given}
    arrays: dict[str, Any] = {key: jnp.asarray(value, jnp.float64) for key, value in numbers.items()}
    return {**arrays, "vertices": {name: jnp.asarray(value, jnp.float64) for name, value in own.items()}}


def beam_vertices(model: Params) -> jax.Array:
    """Vertices (3,) of nu_e, nu_mu, nu_tau with N at the Z': d = -g_D |U| (paper notation), or those given."""
    mixing = model["mixing_sq"]
    root = jnp.where(mixing > 0, jnp.sqrt(jnp.where(mixing > 0, mixing, 1.0)), 0.0)
    flavours = enumerate(("d_e", "d_mu", "d_tau"))
    return jnp.stack([model["vertices"].get(name, -model["gD"] * root[i]) for i, name in flavours])


def matter_vertex(model: Params, name: str) -> jax.Array:
    """Vertex of Z' with matter, e_V, mu_V, tau_V, p_V or n_V: e epsilon times the charge, or that given."""
    charge = {"p_V": 1.0, "n_V": 0.0}.get(name, -1.0)
    vertex: jax.Array = model["vertices"].get(name, ELECTRIC_CHARGE * model["epsilon"] * charge)
    return vertex


PartialWidth = Callable[[jax.Array], jax.Array]


def _zprime_channels(model: Params, scheme: Scheme) -> list[tuple[str, float | jax.Array, PartialWidth]]:
    """(name, mass of the final state, partial width as a function of the mass of the Z') of every decay of a Z'."""
    charge = matter_vertex(model, "p_V")
    to_neutrinos = model["gD"] * jnp.sum(model["mixing_sq"])

    def leptons(name: str, mass: float) -> PartialWidth:
        return lambda q: width_vector_to_leptons(q, jnp.full_like(q, mass), matter_vertex(model, f"{name}_V"))

    def pair(mass: jax.Array) -> PartialWidth:
        return lambda q: _dark_pair(q, mass, model["gD"], model["majorana"])

    def hadrons(q: jax.Array) -> jax.Array:
        return width_vector_to_hadrons(q, charge)

    def neutrinos(q: jax.Array) -> jax.Array:
        return width_vector_to_neutrinos(q, to_neutrinos)

    dark = {"N4": model["m_j"], "N5": model["m_n"]} if scheme.dual else {"N4": model["m_n"]}
    return [
        *((f"{name}+ {name}-", 2 * mass, leptons(name, mass)) for name, mass in LEPTONS.items()),
        *((("hadrons", FIRST_HADRONS, hadrons),) if scheme.hadrons else ()),
        ("nu nu", MASSLESS_PAIR, neutrinos),
        *((f"{name} {name}", 2 * mass, pair(mass)) for name, mass in dark.items()),
    ]


def zprime_widths(model: Params, scheme: Scheme) -> dict[str, jax.Array]:
    """Partial widths of the Z' in GeV: leptons, hadrons through R(s), light neutrinos, pairs of dark states."""
    return {name: partial(model["mzprime"]) for name, _, partial in _zprime_channels(model, scheme)}


def _dark_pair(m_vector: jax.Array, mass: jax.Array, coupling: jax.Array, majorana: jax.Array) -> jax.Array:
    """Gamma(V -> N N) for d Nbar gamma^mu P_L N: d^2 m_V/(24 pi) sqrt(1 - 4y) (1 - y) Dirac, d^2 m_V/(24 pi) (1 -
    4y)^(3/2) Majorana.
    """
    y = (mass / m_vector) ** 2
    opened = y < 0.25
    y = jnp.where(opened, y, 0.0)
    root = jnp.sqrt(1 - 4 * y)
    shape = root * jnp.where(majorana > 0, 1 - 4 * y, 1 - y)
    return jnp.where(opened, coupling**2 * m_vector / (24 * jnp.pi) * shape, 0.0)


def _dark_coupling(model: Params, scheme: Scheme) -> jax.Array:
    """Vertex daughter-N-Z': g_D for N5 -> N4, g_D sqrt(sum |U|^2) for N4 -> nu, or made of those given."""
    if scheme.dual:
        between: jax.Array = model["vertices"].get("d_54", model["gD"])
        return between
    return _to_neutrino(model)


def _to_neutrino(model: Params) -> jax.Array:
    """Vertex of N with the light neutrinos, all together."""
    return jnp.sqrt(jnp.sum(beam_vertices(model) ** 2))


def partial_widths(model: Params, scheme: Scheme) -> Widths:
    """Partial widths (GeV) of the produced state and of the Z' in every channel; zero where closed. Scalars;
    differentiable.
    """
    m, m_j, mz, majorana = model["m_n"], model["m_j"], model["mzprime"], model["majorana"]
    mixing_sq = model["mixing_sq"]
    total_mixing = jnp.sum(mixing_sq)
    zero = jnp.zeros_like(m)
    zprime = zprime_widths(model, scheme)
    n: dict[str, jax.Array] = {}
    if scheme.on_shell:
        n[f"{scheme.daughter} Zprime"] = width_to_vector(m, m_j, mz, _dark_coupling(model, scheme), majorana)
        if scheme.dual:
            n["nu Zprime"] = width_to_vector(m, zero, mz, _to_neutrino(model), majorana)
    else:
        width = sum(zprime.values(), zero)

        def through(lightest: float | jax.Array, partial: Callable[[jax.Array], jax.Array]) -> jax.Array:
            least = jnp.broadcast_to(jnp.asarray(lightest, m.dtype), m.shape)
            return width_through_vector(m, m_j, mz, width, least, _dark_coupling(model, scheme), majorana, partial)

        # what fits into less than two pion masses; every integral costs a second of compilation
        fitting = {"e+ e-", "mu+ mu-", "nu nu", *(("N4 N4",) if scheme.dual else ())}
        for name, lightest, partial in _zprime_channels(model, scheme):
            if name in fitting:
                n[f"{scheme.daughter} {name}"] = through(lightest, partial)
    for flavour, (name, mass) in enumerate(LEPTONS.items()):
        same = mixing_sq[flavour]
        weak = width_weak_dilepton(m, jnp.full_like(m, mass), same, total_mixing - same, majorana)
        n[f"nu {name}+ {name}- (W, Z)"] = weak
    n["nu nu nu (Z)"] = width_three_neutrinos(m, total_mixing, majorana)
    return {scheme.produced: n, "Zprime": zprime}


def total_width(widths: Widths, particle: str) -> jax.Array:
    """Sum of the partial widths of a particle, GeV."""
    return sum(widths[particle].values(), jnp.zeros(()))


host_widths = jax.jit(partial_widths, static_argnums=1)


def vertices_of(params: Params) -> Vertices:
    """Couplings at both ends of both propagators for a projectile and a scatterer.

    params: `model`; `flavour` (3,), one at the projectile's; `charge`, `neutrons` and `weak_charge` of the scatterer
    (units e, 1 and g/2c_W; of a nucleon: 1, 0 and 1); `z_exchange` (0 or 1). Both leptonic vertices
    carry a minus sign (paper notation: d = -g_D U, c = -(g/2c_W) U), so that epsilon > 0 makes the interference of Z'
    and Z on nuclei destructive.
    """
    model = params["model"]
    own = jnp.sum(params["flavour"] * model["mixing_sq"])
    mixing = jnp.where(own > 0, jnp.sqrt(jnp.where(own > 0, own, 1.0)), 0.0)
    return Vertices(
        jnp.sum(params["flavour"] * beam_vertices(model)),
        matter_vertex(model, "p_V") * params["charge"] + matter_vertex(model, "n_V") * params["neutrons"],
        -WEAK_NEUTRAL_COUPLING * mixing * params["z_exchange"],
        WEAK_NEUTRAL_COUPLING * params["weak_charge"],
        matter_vertex(model, "n_V"),
    )


@lru_cache
def prepare(scheme: Scheme) -> Any:
    """The function that derives, inside the compiled program, what the stages read from what a card sets. One per
    scheme.
    """

    def prepared(params: Params) -> Params:
        """params: as `vertices_of`, with `q2_scale` (GeV^2) and `signs` (2,), the shares of N -> daughter and ->
        anti-daughter.
        """
        model = params["model"]
        widths = partial_widths(model, scheme)
        total, zprime = total_width(widths, scheme.produced), total_width(widths, "Zprime")
        beam = beam_vertices(model) ** 2
        share = beam / jnp.sum(beam)
        mz2, scale = model["mzprime"] * model["mzprime"], params["q2_scale"]
        derived: dict[str, Any] = {
            "m_n": model["m_n"],
            "m_j": model["m_j"],
            "m_zprime": model["mzprime"],
            "majorana": model["majorana"],
            "width_n": total,
            "width_zprime": zprime,
            "decay_coupling": _dark_coupling(model, scheme),
            "charge_coupling": matter_vertex(model, "e_V"),
            "ctau_n": ctau(total),
            "vertices": vertices_of(params),
            "flavour_share": jnp.concatenate([share * params["signs"][0], share * params["signs"][1]]),
            # where the propagator or the form factor falls off, whichever is first; fixed under differentiation: it
            # only steers
            "q2_pole": mz2 * scale / (mz2 + scale),
        }
        if scheme.on_shell:
            first = widths[scheme.produced][f"{scheme.daughter} Zprime"] / total
            derived["branching"] = first * widths["Zprime"]["e+ e-"] / zprime
        return {**params, **derived}

    return prepared


def width_rows(model: Params, scheme: Scheme) -> list[dict[str, Any]]:
    """Rows of `darkhorn widths`: one per open channel, then one per particle."""
    widths = host_widths(model, scheme)
    rows: list[dict[str, Any]] = []
    for particle, channels in widths.items():
        total = float(total_width(widths, particle))
        rows += [
            {"particle": particle, "channel": name, "width_GeV": float(w), "branching_ratio": float(w) / total}
            for name, w in channels.items()
            if w > 0
        ]
    for particle in widths:
        total = float(total_width(widths, particle))
        rows.append({"particle": particle, "total_width_GeV": total, "ctau_cm": HBAR_C / total})
    return rows
