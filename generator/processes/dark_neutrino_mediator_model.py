"""Dark neutrinos without a Z': couplings, widths and branching ratios as pure functions of the model's parameters.

The mediator is the photon, by a transition magnetic moment ("dipole"), or a dark scalar h' ("scalar"). The beam makes
one heavy neutral lepton N of mass `m_n`: N4, which decays to a light neutrino (m_j = 0), or, with two states, N5, which
decays to N4 (m_j = m4). `model` is a pytree of arrays: m_n, m_j (GeV), majorana (0 or 1), `beam` (3,), the couplings of
N with nu_e, nu_mu, nu_tau, `decay`, that with N4 (moments in GeV^-1, or Yukawa couplings); a scalar has mhprime (GeV),
theta (radian) and `vertices`, those of its couplings to matter that are given directly.
"""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.generator.card_mediators import DipoleNeutrino, ScalarNeutrino
from darkhorn.generator.chain import Params
from darkhorn.generator.processes.dark_neutrino_model import LEPTONS, Widths, total_width
from darkhorn.kernels.constants import (
    ELECTRIC_CHARGE,
    HBAR_C,
    HIGGS_NUCLEON,
    HIGGS_VEV,
    MASS_ELECTRON,
    MASS_MUON,
    MASS_NEUTRON,
    MASS_PION,
    MASS_PROTON,
    MASS_TAU,
)
from darkhorn.kernels.errors import InputError, PhysicsWarning
from darkhorn.kernels.flight import ctau
from darkhorn.kernels.matrix_elements.exchange import MomentExchange, ScalarExchange
from darkhorn.kernels.matrix_elements.neutral_decays import width_through_vector
from darkhorn.kernels.matrix_elements.radiative_decay import (
    moment_dilepton,
    width_radiative,
    width_radiative_dilepton,
)
from darkhorn.kernels.matrix_elements.scalar_decays import (
    ScalarDilepton,
    width_scalar_to_leptons,
    width_scalar_to_neutral_pair,
    width_scalar_to_photons,
    width_scalar_to_pions,
    width_to_scalar,
)

# what the coupling of h' to matter is with the Higgs boson's, sin(theta) times: mass of the particle over v
HIGGS_LIKE = {
    "e_S": MASS_ELECTRON / HIGGS_VEV,
    "mu_S": MASS_MUON / HIGGS_VEV,
    "tau_S": MASS_TAU / HIGGS_VEV,
    "p_S": HIGGS_NUCLEON * MASS_PROTON / HIGGS_VEV,
    "n_S": HIGGS_NUCLEON * MASS_NEUTRON / HIGGS_VEV,
}
NARROW = 100.0  # widths below the threshold, from which h' counts as on shell
BROAD = 0.01  # width over mass from which a state is told to be broad
HEAVIEST_PAIR = 0.6  # GeV: up to here the decays of h' to hadrons are known well enough
LIGHTEST_PHOTONS = 1e-6  # GeV: where the integral over the mass of a pair of photons begins


@dataclass(frozen=True)
class Scheme:
    """What of a model is known before compilation.

    mediator  "dipole" or "scalar"
    dual      two states: N is N5 and its daughter N4; else N is N4 and its daughter a neutrino
    on_shell  names of the daughters ("nu", "N4") that come with an h' on shell; the others come with a virtual one
    light     h' is light enough for its decays to hadrons to be known
    """

    mediator: str
    dual: bool
    on_shell: tuple[str, ...] = ()
    light: bool = True

    @property
    def produced(self) -> str:
        """Name of the state that the beam makes."""
        return "N5" if self.dual else "N4"

    @property
    def daughter(self) -> str:
        """Name of what it decays to, visibly."""
        return "N4" if self.dual else "nu"

    @property
    def daughters(self) -> tuple[str, ...]:
        """Names of all that it decays to."""
        return ("N4", "nu") if self.dual else ("nu",)


FINALS = {"gamma": "", "e+e-": "e", "mu+mu-": "mu"}  # word of a card -> lepton
NEGLIGIBLE = 1e-6  # of the visible decays: such a decay is not generated


@dataclass(frozen=True)
class Decay:
    """A decay of the produced state that is generated: to which daughter ("nu" or "N4"), to what (word of FINALS)."""

    daughter: str
    final: str

    def form(self, scheme: Scheme) -> str:
        """What of it is known before compilation: "photon", "scalar" (h' on shell), "pair" (through a virtual h' or
        photon).
        """
        if self.final == "gamma":
            return "photon"
        return "scalar" if self.daughter in scheme.on_shell else "pair"


def decays_of(card: Any, model: Params, scheme: Scheme) -> list[Decay]:
    """The decays to the final states of `generate.visible`, but for those with less than NEGLIGIBLE of their sum.

    Raises InputError where none is open.
    """
    widths = host_widths(model, scheme)
    wanted = card.generate.final_states
    every = {Decay(daughter, final): 0.0 for daughter in scheme.daughters for final in FINALS if final in wanted}
    found = {decay: float(visible_width(widths, scheme, decay)) for decay in every}
    total = sum(found.values())
    if not total > 0:
        raise InputError(
            "generate.visible",
            f"{' and '.join(wanted)}, to which {scheme.produced} cannot decay",
            "a final state that is lighter than the mass difference, and than an h' on shell",
            "`darkhorn widths CARD` shows what is open.",
        )
    return [decay for decay, width in found.items() if width > NEGLIGIBLE * total]


def visible_width(widths: Widths, scheme: Scheme, decay: Decay) -> jax.Array:
    """Partial width (GeV) of a decay; 0 where there is none."""
    n, lepton = widths[scheme.produced], FINALS[decay.final]
    zero = jnp.zeros(())
    if not lepton:
        return n.get(f"{decay.daughter} gamma", zero)
    if decay.daughter in scheme.on_shell:
        hprime = widths["Hprime"]
        return n[f"{decay.daughter} Hprime"] / total_width(widths, "Hprime") * hprime[f"{lepton}+ {lepton}-"]
    return n.get(f"{decay.daughter} {lepton}+ {lepton}-", zero)


def decay_params(scheme: Scheme, decay: Decay) -> Any:
    """Zeros and a one (daughters, FINALS) that choose a decay."""
    return np.array([[float(decay == Decay(daughter, final)) for final in FINALS] for daughter in scheme.daughters])


def scheme_of(card: Any) -> Scheme:
    """The scheme of a checked card. Raises InputError where this version has no physics for it.

    h' counts as on shell when it is lighter than the mass difference by more than NARROW of its widths; closer to the
    threshold the formula with the propagator is taken, which holds everywhere.
    """
    m = card.model
    dual = m.m5 is not None
    if isinstance(m, DipoleNeutrino):
        return Scheme("dipole", dual)
    room = {"N4": m.m5 - m.m4, "nu": m.m5} if dual else {"nu": m.m4}
    scheme = Scheme("scalar", dual, light=m.mhprime < HEAVIEST_PAIR)
    width = float(sum(scalar_widths(model_of(card), scheme).values()))
    on_shell = tuple(name for name in scheme.daughters if room[name] - m.mhprime > NARROW * width)
    for name in scheme.daughters:
        heaviest = m.mhprime if name in on_shell else room[name]
        if heaviest >= HEAVIEST_PAIR:
            raise InputError(
                "model.mhprime",
                f"an h' or a pair of up to {1e3 * heaviest:g} MeV in {scheme.produced} -> {name}",
                f"less than {1e3 * HEAVIEST_PAIR:g} MeV, above which the decays of h' to hadrons are not known",
                "Lower the masses.",
            )
    return replace(scheme, on_shell=on_shell)


def model_of(card: Any) -> dict[str, Any]:
    """Parameters of a checked card's model."""
    m = card.model
    dual = m.m5 is not None
    numbers: dict[str, Any] = {
        "m_n": m.m5 if dual else m.m4,
        "m_j": m.m4 if dual else 0.0,
        "majorana": float(m.hnl == "majorana"),
        "beam": m.beam_couplings,
        "decay": m.decay_coupling,
    }
    if isinstance(m, ScalarNeutrino):
        given = {name: getattr(m.vertices, name) for name in HIGGS_LIKE}
        own = {name: value for name, value in given.items() if value is not None}
        numbers |= {"mhprime": m.mhprime, "theta": m.theta, "vertices": own}
    vertices = {name: jnp.asarray(value, jnp.float64) for name, value in numbers.pop("vertices", {}).items()}
    arrays = {name: jnp.asarray(value, jnp.float64) for name, value in numbers.items()}
    return {**arrays, "vertices": vertices}


def matter_coupling(model: Params, name: str) -> jax.Array:
    """Coupling of h' to matter: sin(theta) times the Higgs boson's, or the one that the card gives."""
    coupling: jax.Array = model["vertices"].get(name, jnp.sin(model["theta"]) * HIGGS_LIKE[name])
    return coupling


def coupling_to(model: Params, daughter: str) -> jax.Array:
    """Coupling of N to a daughter: `decay` for N4, the root of the sum of the squares of `beam` for light neutrinos."""
    coupling: jax.Array = model["decay"] if daughter == "N4" else jnp.sqrt(jnp.sum(model["beam"] ** 2))
    return coupling


def _pairs(model: Params, scheme: Scheme) -> dict[str, tuple[float, Any]]:
    """(mass of the final state, partial width as a function of the mass of h') of its decays to ordinary particles."""

    def leptons(name: str, mass: float) -> Any:
        return lambda q: width_scalar_to_leptons(q, jnp.full_like(q, mass), matter_coupling(model, f"{name}_S"))

    found = {f"{name}+ {name}-": (2 * mass, leptons(name, mass)) for name, mass in LEPTONS.items()}
    if scheme.light:
        sine = jnp.sin(model["theta"])
        found["gamma gamma"] = (LIGHTEST_PHOTONS, lambda q: width_scalar_to_photons(q, sine))
        found["pi pi"] = (2 * MASS_PION, lambda q: width_scalar_to_pions(q, sine))
    return found


def scalar_widths(model: Params, scheme: Scheme) -> dict[str, jax.Array]:
    """Partial widths of h' in GeV: leptons, photons, pions, neutrinos with N, and N4 N5."""
    mass, majorana = model["mhprime"], model["majorana"]
    found = {name: partial(mass) for name, (_, partial) in _pairs(model, scheme).items()}
    for name in scheme.daughters:
        m_j = model["m_j"] if name == "N4" else jnp.zeros_like(mass)
        pair = width_scalar_to_neutral_pair(mass, m_j, model["m_n"], coupling_to(model, name), majorana)
        found[f"{name} {scheme.produced}"] = pair
    return found


def partial_widths(model: Params, scheme: Scheme) -> Widths:
    """Partial widths (GeV) of the produced state and of h' in every channel; zero where closed. Scalars;
    differentiable.
    """
    return _dipole_widths(model, scheme) if scheme.mediator == "dipole" else _all_scalar_widths(model, scheme)


def _mass_of(model: Params, daughter: str) -> jax.Array:
    return model["m_j"] if daughter == "N4" else jnp.zeros_like(model["m_n"])


def _dipole_widths(model: Params, scheme: Scheme) -> Widths:
    m, majorana = model["m_n"], model["majorana"]
    n: dict[str, jax.Array] = {}
    for daughter in scheme.daughters:
        m_j, moment = _mass_of(model, daughter), coupling_to(model, daughter)
        n[f"{daughter} gamma"] = width_radiative(m, m_j, moment, majorana)
        pairs = width_radiative_dilepton(m, m_j, jnp.asarray([*LEPTONS.values()]), moment, majorana)
        n |= {f"{daughter} {name}+ {name}-": pair for name, pair in zip(LEPTONS, pairs, strict=True)}
    return {scheme.produced: n}


def _all_scalar_widths(model: Params, scheme: Scheme) -> Widths:
    m, majorana, mass = model["m_n"], model["majorana"], model["mhprime"]
    hprime = scalar_widths(model, scheme)
    n: dict[str, jax.Array] = {}
    virtual = [name for name in scheme.daughters if name not in scheme.on_shell]
    for name in scheme.on_shell:
        n[f"{name} Hprime"] = width_to_scalar(m, _mass_of(model, name), mass, coupling_to(model, name), majorana)
    if virtual:
        light = {name: value for name, value in _pairs(model, replace(scheme, light=True)).items() if "tau" not in name}
        lowest = jnp.asarray([least for least, _ in light.values()])

        def each(q: jax.Array) -> jax.Array:
            """One partial width for each row of q (daughters, pairs, cells, nodes): one integral to compile."""
            return jnp.stack([partial(q[:, i]) for i, (_, partial) in enumerate(light.values())], axis=1)

        def column(values: list[jax.Array]) -> jax.Array:
            return jnp.broadcast_to(jnp.stack(values)[:, None], (len(virtual), len(light)))

        total = sum(hprime.values(), jnp.zeros_like(m))
        masses, couplings = (column([f(model, name) for name in virtual]) for f in (_mass_of, coupling_to))
        through = width_through_vector(
            m, masses, mass, total, lowest, couplings, majorana, each, width_to_boson=width_to_scalar
        )
        for i, daughter in enumerate(virtual):
            n |= {f"{daughter} {name}": through[i, k] for k, name in enumerate(light)}
    return {scheme.produced: n, "Hprime": hprime}


host_widths = jax.jit(partial_widths, static_argnums=1)


def warn_of_limits(model: Params, scheme: Scheme) -> None:
    """Say (PhysicsWarning) where a card leaves what this version describes: a broad N, an h' that flies."""
    widths = host_widths(model, scheme)
    mass, width = float(model["m_n"]), float(total_width(widths, scheme.produced))
    if width > BROAD * mass:
        warnings.warn(
            f"{scheme.produced} is {1e3 * width:.3g} MeV wide ({100 * width / mass:.2g} % of its mass): it is put on "
            "its mass shell all the same, and its line shape is not generated",
            PhysicsWarning,
            stacklevel=2,
        )
    if scheme.on_shell:
        flown = HBAR_C / float(total_width(widths, "Hprime")) / float(model["mhprime"])  # at a momentum of 1 GeV
        if flown > 1.0:
            warnings.warn(
                f"an h' of 1 GeV flies {flown:.3g} cm on average, but it is made to decay where {scheme.produced} does",
                PhysicsWarning,
                stacklevel=2,
            )


def exchange_of(params: Params, mediator: str) -> MomentExchange | ScalarExchange:
    """What is exchanged, with the product of the couplings at both ends, for a projectile and a scatterer.

    dipole  mu e Z for a nucleus, mu e for a nucleon (its form factors hold its charge), GeV^-1
    scalar  s (Z g_p + N g_n)
    params: `model`; `flavour` (3,), one at the projectile's; `target`; `protons` and `neutrons` of the scatterer.
    """
    model = params["model"]
    own: jax.Array = jnp.sum(params["flavour"] * model["beam"])
    if mediator == "dipole":
        return MomentExchange(
            own * ELECTRIC_CHARGE * jnp.where(params["target"].is_nucleon > 0.5, 1.0, params["protons"])
        )
    of_matter = params["protons"] * matter_coupling(model, "p_S") + params["neutrons"] * matter_coupling(model, "n_S")
    return ScalarExchange(model["mhprime"], own * of_matter)


@lru_cache
def prepare(scheme: Scheme, form: str) -> Any:
    """The function that derives, inside the compiled program, what the stages read from what a card sets. One per
    scheme and `Decay.form`.
    """

    def prepared(params: Params) -> Params:
        """params: as `exchange_of`, with `decay` of `decay_params`, and `signs` (2,), the shares of N -> daughter and
        -> anti-daughter.
        """
        model, chosen = params["model"], params["decay"]
        widths = host_widths(model, scheme)
        total = total_width(widths, scheme.produced)
        share = model["beam"] ** 2 / jnp.sum(model["beam"] ** 2)
        visible = jnp.stack(
            [jnp.stack([visible_width(widths, scheme, Decay(d, f)) for f in FINALS]) for d in scheme.daughters]
        )

        def of_daughter(quantity: Any) -> jax.Array:
            return jnp.sum(chosen * jnp.stack([quantity(model, name) for name in scheme.daughters])[:, None])

        def of_pair(values: list[Any]) -> jax.Array:
            return jnp.sum(chosen * jnp.stack([jnp.zeros(()), *map(jnp.asarray, values)])[None])

        m_j, coupling = of_daughter(_mass_of), of_daughter(coupling_to)
        m_lepton = of_pair([LEPTONS[name] for name in FINALS.values() if name])
        derived: dict[str, Any] = {
            "m_n": model["m_n"],
            "m_j": m_j,
            "m_lepton": m_lepton,
            "majorana": model["majorana"],
            "width_n": total,
            "ctau_n": ctau(total),
            "branching": jnp.sum(chosen * visible) / total,
            "exchange": exchange_of(params, scheme.mediator),
            "flavour_share": jnp.concatenate([share * params["signs"][0], share * params["signs"][1]]),
        }
        if scheme.mediator == "scalar":
            derived["m_scalar"] = model["mhprime"]
        if form == "pair" and scheme.mediator == "dipole":
            derived["dilepton"] = moment_dilepton(model["m_n"], m_j, m_lepton, coupling, model["majorana"])
        elif form == "pair":
            matter = of_pair([matter_coupling(model, f"{name}_S") for name in FINALS.values() if name])
            derived["dilepton"] = ScalarDilepton(
                model["m_n"], m_j, model["mhprime"], total_width(widths, "Hprime"), m_lepton, coupling, matter,
                model["majorana"],
            )  # fmt: skip
        return {**params, **derived}

    return prepared
