"""Decays of dark neutrinos that are generated, with any mediator: which final states a card asks for, and the numbers
of each.

A path is N -> daughter l+ l- or N -> daughter gamma, or two such decays one after the other. Every path of every state
that couples to the beam is a set of channels of its own. Those of one form share their compiled program: what
distinguishes them (masses, couplings, widths) is chosen by arrays of zeros and ones, `params["path"]`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from darkhorn.generator.chain import Params
from darkhorn.generator.processes.dark_neutrino_line_shape import line_shape
from darkhorn.generator.processes.dark_neutrino_states import (
    FINALS,
    LEPTONS,
    States,
    Step,
    Transition,
    Transitions,
    Widths,
    mass_key,
    total_width,
    visible_widths_of,
)
from darkhorn.kernels.constants import HBAR_C
from darkhorn.kernels.errors import InputError
from darkhorn.kernels.flight import ctau
from darkhorn.kernels.matrix_elements.neutral_decays import width_to_vector

NEGLIGIBLE = 1e-6  # of the visible decays of a state: such a path is not generated
READS = {  # mediator -> parameters from which `prepare` derives others, beside the model
    "vector": (
        "path", "signs", "daughter_pdg", "polarised", "chirality", "flavour", "produced", "charge", "neutrons",
        "weak_charge", "z_exchange",
    ),
    "dipole": ("path", "signs", "daughter_pdg", "polarised", "flavour", "produced", "protons", "target"),
    "scalar": ("path", "signs", "daughter_pdg", "polarised", "flavour", "produced", "protons", "neutrons"),
}  # fmt: skip
REACH = 1e4  # cm: a second decay that hardly ever happens within it is not generated


@dataclass(frozen=True)
class Path:
    """Decays that are generated: transitions and final states of one or two steps, the first of the state that the
    beam makes.

    escapes  the daughter of the only step decays visibly, too, in paths of two steps; here it does not, or elsewhere
    """

    transitions: tuple[Transition, ...]
    finals: tuple[str, ...]
    escapes: bool = False

    @property
    def produced(self) -> str:
        """Name of the state that the beam makes."""
        return self.transitions[0][0]

    @property
    def daughters(self) -> tuple[str, ...]:
        """Name of the daughter of every step."""
        return tuple(daughter for _, daughter in self.transitions)

    @property
    def label(self) -> str:
        """Text that tells it from other paths, such as `N6>N5>N4/e+e-/mu+mu-`."""
        return "/".join((">".join((self.produced, *self.daughters)), *self.finals))


def suffix(path: Path, scheme: States) -> str:
    """What a path adds to the names of its channels: nothing for the usual one of one or two states, whose names (which
    seed their random numbers) are older than the other paths.
    """
    first = {("N4",): ("N4", "nu"), ("N4", "N5"): ("N5", "N4")}.get(scheme.states)
    return "" if path.transitions == (first,) and path.finals == scheme.finals[:1] else f"/{path.label}"


def paths_of(card: Any, model: Params, scheme: States) -> list[Path]:
    """The paths to the final states of `generate.visible`, of every state that couples to the beam.

    Left out are those with less than NEGLIGIBLE of the visible decays of their state, and second decays with less than
    that share within REACH for a momentum of 1 GeV. Raises InputError where nothing is left.
    """
    widths = scheme.widths(model)
    wanted = card.generate.final_states
    ratios: dict[str, dict[tuple[Transition, str], float]] = {name: {} for name in scheme.states}
    for transition in scheme.transitions:
        total = float(total_width(widths, transition[0]))
        visible = visible_widths_of(widths, scheme, transition)
        for pair, width in zip(scheme.finals, visible, strict=True):
            if pair in wanted and float(width) > 0:
                ratios[transition[0]][transition, pair] = float(width) / total
    kept = {
        name: {key: ratio for key, ratio in found.items() if ratio > NEGLIGIBLE * max(found.values())}
        for name, found in ratios.items()
    }

    def seconds(daughter: str) -> list[tuple[Transition, str]]:
        if daughter == "nu" or not kept[daughter]:
            return []
        length = HBAR_C / float(total_width(widths, daughter)) / float(model[mass_key(daughter)])
        within = -np.expm1(-REACH / length)
        return [key for key, ratio in kept[daughter].items() if ratio * within > NEGLIGIBLE]

    paths = []
    made = np.any(np.asarray(scheme.beam_couplings(model)) != 0, axis=1)
    for state, mixes in zip(scheme.states, made, strict=True):
        for transition, pair in kept[state] if mixes else ():
            later = seconds(transition[1])
            paths.append(Path((transition,), (pair,), bool(later)))
            paths += [Path((transition, second), (pair, other)) for second, other in later]
    if not paths:
        names = ", ".join(name for name, mixes in zip(scheme.states, made, strict=True) if mixes)
        raise InputError(
            "generate.visible",
            f"{' and '.join(wanted)}, to which {names} cannot decay",
            f"a final state that is lighter than the mass difference, and than a {scheme.symbol} on shell",
            "`darkhorn widths CARD` shows what is open.",
        )
    return paths


def path_params(scheme: States, path: Path, paths: Iterable[Path]) -> dict[str, Any]:
    """Zeros and ones that choose a path: `transition` (t,) and `final` (f,) of the first step, those of the second, and
    of the second decays that `escapes` leaves to other paths.
    """
    found: dict[str, Any] = {}
    for name, transition, pair in zip(("first", "second"), path.transitions, path.finals, strict=False):
        found[name] = {
            "transition": np.array([float(t == transition) for t in scheme.transitions]),
            "final": np.array([float(other == pair) for other in scheme.finals]),
        }
    if path.escapes:
        later = {
            (other.transitions[1], other.finals[1])
            for other in paths
            if len(other.transitions) == 2 and other.transitions[0] == path.transitions[0]
        }
        found["later"] = np.array([[float((t, p) in later) for p in scheme.finals] for t in scheme.transitions])
    return found


@dataclass(frozen=True)
class Form:
    """What of a path is known before compilation.

    steps     how each decay goes
    escapes   as in `Path`
    displaced  the Z' of the only step flies
    line_shape the mass of the state that the beam makes is drawn
    """

    steps: tuple[Step, ...]
    escapes: bool = False
    displaced: bool = False
    line_shape: bool = False


def form_of(path: Path, scheme: States) -> Form:
    """The form of a path: paths of one form share one compiled program."""
    steps = tuple(scheme.step(t, final) for t, final in zip(path.transitions, path.finals, strict=True))
    drawn = path.transitions[0] in scheme.on_shell and path.produced in scheme.broad
    return Form(steps, path.escapes, scheme.displaced and steps == ("vector",), drawn)


def _step(
    model: Params, scheme: States, widths: Widths, path: Params, signs: jax.Array, virtual: bool
) -> dict[str, Any]:
    """What the stages read of one step. path: `transition`, `final`; signs (2,): shares of daughter, antidaughter."""
    every = scheme.numbers(model, scheme.transitions)
    chosen, pair = path["transition"], path["final"]
    totals = jnp.stack([total_width(widths, name) for name in scheme.states])[scheme.parents]
    mixing = jnp.sum((chosen[:, None] * scheme.beam_couplings(model)[scheme.parents]) ** 2, axis=0)
    some = jnp.sum(mixing) > 0
    share = jnp.where(some, mixing / jnp.where(some, jnp.sum(mixing), 1.0), 1 / 3)  # 1/3: not a neutrino
    total = jnp.sum(chosen * totals)
    visible = jnp.stack([jnp.stack(visible_widths_of(widths, scheme, t)) for t in scheme.transitions])
    numbers = Transitions(*(jnp.sum(chosen * array) for array in every))
    leptons = [LEPTONS[FINALS[final]] if FINALS[final] else 0.0 for final in scheme.finals]
    m_lepton = jnp.sum(pair * jnp.array(leptons, pair.dtype))
    found: dict[str, Any] = {
        "m_n": numbers.m,
        "m_j": numbers.m_j,
        "m_lepton": m_lepton,
        "majorana": model["majorana"],
        "width_n": total,
        "ctau_n": ctau(total),
        "branching": jnp.sum(chosen[:, None] * pair[None] * visible) / total,
        "flavour_share": jnp.concatenate([share * signs[0], share * signs[1]]),
        **scheme.boson_numbers(model, widths),
    }
    if virtual:
        lepton_coupling = jnp.sum(pair * scheme.lepton_couplings(model))
        found["dilepton"] = scheme.dilepton(model, numbers, m_lepton, lepton_coupling)
    return found


def _shape(model: Params, scheme: States, widths: Widths, path: Params, first: Params) -> dict[str, Any]:
    """Numbers of the line shape of the parent of the first step, which decays to a Z' on shell."""
    every = scheme.numbers(model, scheme.transitions)
    own = (jnp.asarray(scheme.parents) == jnp.argmax(path["transition"] @ _parents_matrix(scheme))).astype(
        every.m.dtype
    )
    real = jnp.array([float(t in scheme.on_shell) for t in scheme.transitions], every.m.dtype)
    coupling, mz, majorana = every.coupling * own * real, first["m_zprime"], model["majorana"]
    each = width_to_vector(first["m_n"], every.m_j, mz, coupling, majorana)
    shape = line_shape(first["m_n"], jnp.sum(each), every.m_j, coupling, first["m_j"] + mz, majorana, mz)
    pairs = jnp.stack([widths["Zprime"][f"{FINALS[final]}+ {FINALS[final]}-"] for final in scheme.finals])
    ratio = jnp.sum(path["final"] * pairs) / total_width(widths, "Zprime")
    return {**shape, "chosen": path["transition"], "zprime_branching": ratio}


def _parents_matrix(scheme: States) -> jax.Array:
    """(t, k): one at the parent of every transition."""
    return jnp.asarray(scheme.parents[:, None] == np.arange(len(scheme.states))[None], jnp.float64)


@lru_cache
def prepare(scheme: States, form: Form) -> Callable[[Params], Params]:
    """The function that derives, inside the compiled program, what the stages read from what a card sets. One per
    scheme and form.
    """

    def prepared(params: Params) -> Params:
        """params: as `States.exchange`, with `path` of `path_params`, `signs` (2,), the
        shares of N -> daughter and -> anti-daughter, and `daughter_pdg` (steps, 6).
        """
        return {**params, **derived(params, scheme.widths(params["model"]))}

    @jax.jit  # apart from the widths, whose program all forms share
    def derived(params: Params, widths: Widths) -> Params:
        model, path = params["model"], params["path"]
        numbers: dict[str, Any] = {
            **_step(model, scheme, widths, path["first"], params["signs"], form.steps[0] == "pair"),
            "exchange": scheme.exchange(params),
            "daughter_pdg": params["daughter_pdg"][0],
        }
        if len(form.steps) == 2:
            second = _step(model, scheme, widths, path["second"], params["signs"], form.steps[1] == "pair")
            numbers["second"] = {**second, "daughter_pdg": params["daughter_pdg"][1], "polarised": params["polarised"]}
        if form.line_shape:
            numbers["shape"] = _shape(model, scheme, widths, path["first"], numbers)
        if form.escapes:
            visible = jnp.stack([jnp.stack(visible_widths_of(widths, scheme, t)) for t in scheme.transitions])
            totals = jnp.stack([total_width(widths, name) for name in scheme.states])
            parent = jnp.argmax(jnp.sum(path["later"], axis=1))
            total = totals[jnp.asarray(scheme.parents)[parent]]
            numbers["later"] = {"branching": jnp.sum(path["later"] * visible) / total, "ctau_n": ctau(total)}
        return numbers

    return prepared
