"""The schema of a run card, version 1: one class per section. All values are in GeV, cm, ns, g/cm3, POT.

A new model or kind of source is a `ModelSection` or `SourceSection` of its own, announced by `register_model` or
`register_source`; nothing here has to change. Detector, volumes, materials and spill are in `card_places`, the switches
of the physics in `card_physics`.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from darkhorn.fluxes.table_units import CONTENT, UNIT, energy_counted, to_per_cm2
from darkhorn.generator.card_errors import CardErrors, shown
from darkhorn.generator.card_places import BEAMS, DecayLine, Spill
from darkhorn.generator.card_sections import Section
from darkhorn.generator.card_values import (
    Energy,
    Flag,
    listed,
    number,
    one_or_more,
    text_like,
    understood,
    whole,
    word,
)
from darkhorn.generator.card_vertices import VectorVertices
from darkhorn.kernels.constants import MASS_ELECTRON
from darkhorn.kernels.errors import InputError, did_you_mean

Flavour = Literal["nu_mu", "nu_mu_bar", "nu_e", "nu_e_bar", "nu_tau", "nu_tau_bar"]
Mode = Literal["neutrino", "antineutrino"]
Content = Annotated[str, understood(energy_counted, f"per-bin|{CONTENT.pattern}")]
FluxUnit = Annotated[str, understood(to_per_cm2, UNIT.pattern)]
Hnl = Literal["dirac", "majorana"]
BeamName = Literal["bnb"]
FilePath = Annotated[str, text_like(r"[^\x00]{1,4096}", "the path of a file")]
MixingSquared = Annotated[float, number(low=0.0, high=1.0)]
Coupling = Annotated[float, number(low=0.0, high=1.0, above=True)]
# 4 pi is where perturbation theory has certainly ended.
DarkCoupling = Annotated[float, number(low=0.0, high=4 * math.pi)]
FlavourList = Annotated[tuple[Annotated[Flavour, word(Flavour)], ...], listed(unique=True, example="[nu_mu, nu_e]")]

MAX_EVENTS = 2**48
MAX_SEED = 2**63 - 1
# Codes that a dark state must not take: every detector simulation would track them as ordinary particles.
_TAKEN_CODES = frozenset((11, 12, 13, 14, 15, 16, 21, 22, 111, 130, 211, 310, 321, 2112, 2212))


class SourceSection(Section):
    """Base of every kind of neutrino source. A subclass has a field `kind` with its own word."""

    kind: str


class ModelSection(Section):
    """Base of every model. A subclass has a field `name` with its own word.

    particles       name -> default PDG code of each new state: the keys that `output.pdg_map` may have
    visible_states  the final states that `generate.visible` may ask for; the first is its default
    process         name of the process that makes its events, if it is not `name`
    """

    particles: ClassVar[dict[str, int]] = {}
    visible_states: ClassVar[tuple[str, ...]] = ()

    process: ClassVar[str] = ""

    name: str


SOURCES: dict[str, type[Section]] = {}
MODELS: dict[str, type[Section]] = {}
MEDIATORS: dict[str, type[Section]] = {}  # of dark neutrinos: word of `mediator` -> section


def register_source(kind: str, section: type[SourceSection]) -> None:
    """Let cards say `source: {kind: <kind>, ...}`, checked by `section`. ValueError if another class has that word."""
    _register(SOURCES, kind, section)


def register_model(name: str, section: type[ModelSection]) -> None:
    """Let cards say `model: {name: <name>, ...}`, checked by `section`. ValueError if another class has that word."""
    _register(MODELS, name, section)


def _register(table: dict[str, type[Section]], key: str, section: type[Section]) -> None:
    if table.get(key, section) is not section:
        raise ValueError(f"{key!r} is already registered by {table[key].__qualname__}")
    table[key] = section


class HistogramSource(SourceSection):
    """A table of the flux per flavour: one that ships with darkhorn (`beam`, `mode`) or your own (`file`)."""

    kind: Annotated[Literal["histogram"], word(Literal["histogram"])] = Field(description="this kind of source")
    beam: Annotated[BeamName, word(BeamName)] | None = Field(
        None, description="name of the beam: chooses the shipped flux, and the defaults of decay_line and spill"
    )
    mode: Annotated[Mode, word(Mode)] | None = Field(None, description="polarity of the horn")
    flavours: FlavourList = Field(
        ("nu_mu", "nu_mu_bar", "nu_e", "nu_e_bar"),
        description="flavours of the beam that take part; nu_tau and nu_tau_bar only if named",
    )
    file: FilePath | None = Field(
        None,
        description="your own flux: a text table, ROOT histograms, or what `darkhorn flux -o` wrote; a relative path "
        "starts at the folder of the card",
        examples=["flux.dat"],
    )
    content: Content | None = Field(
        None, description="what a number of `file` counts: per-bin, per-GeV, per-50-MeV (needed with `file`)"
    )
    unit: FluxUnit | None = Field(
        None,
        description="area and exposure that a number of `file` refers to, such as cm^-2 POT^-1 or m^-2 / 1e6 POT "
        "(needed with `file`)",
    )
    flavour: Annotated[Flavour, word(Flavour)] | None = Field(
        None, description="flavour of a `file` with two columns, energy and flux"
    )
    histograms: dict[Annotated[Flavour, word(Flavour)], FilePath] = Field(
        {},
        description="which histogram of a ROOT `file` is which flavour; without it numu, numubar, nue, nuebar",
        examples=[{"nu_mu": "h501"}],
    )
    decay_line: DecayLine | None = Field(
        None,
        description="where the parents decay; from the beam if not given; null: neutrinos parallel to the beam axis",
    )
    spill: Spill | None = Field(
        None, description="time structure; from the beam if not given; null: all protons at t = 0"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        with_file = self.file is not None
        for key in ("content", "unit") if with_file else ("beam", "mode"):
            if getattr(self, key) is None:
                allowed = "a value, as there is a `file`" if with_file else "a value, as there is no `file`"
                words = {"content": "per-bin or per-GeV", "unit": "cm^-2 POT^-1", "beam": "bnb", "mode": "neutrino"}
                problems.append(InputError(key, "nothing", allowed, f"Add `{key}: {words[key]}`."))
        for key in () if with_file else ("content", "unit", "flavour"):
            if getattr(self, key) is not None:
                problems.append(
                    InputError(key, shown(getattr(self, key)), "only with `file`", "Remove it, or add `file`.")
                )
        if self.histograms and not with_file:
            problems.append(InputError("histograms", "names", "only with a ROOT `file`", "Remove it, or add `file`."))
        if problems:
            raise CardErrors(problems)
        if self.beam is not None:
            defaults = BEAMS[self.beam]
            # An explicit null stays: it means "none", not "the default".
            self.fill(**{k: getattr(defaults, k) for k in ("decay_line", "spill") if k not in self.model_fields_set})
        return self


class DarkNeutrino(ModelSection):
    """Heavy neutral leptons made in upscattering by a dark photon Z'.

    One to three states: N4, with m5 also N5, with m6 also N6. The beam makes those that have a mixing; each decays to
    lighter states, or to a neutrino, and a pair of leptons.
    """

    particles: ClassVar[dict[str, int]] = {"N4": 5914, "N5": 5915, "N6": 5916, "Zprime": 5921}
    visible_states: ClassVar[tuple[str, ...]] = ("e+e-", "mu+mu-")
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        *((f"u{flavour}{i}_sq", f"u{flavour}{i}") for i in "456" for flavour in ("mu", "e", "tau")),
        ("gD", "alphaD"),
    )

    name: Annotated[Literal["dark-neutrino"], word(Literal["dark-neutrino"])] = Field(description="this model")
    mediator: Annotated[Literal["vector"], word(Literal["vector"])] = Field(
        "vector", description="a dark photon Z'; others have other keys: see the sections after this one"
    )
    hnl: Annotated[Hnl, word(Hnl)] = Field(description="nature of the heavy neutral leptons: dirac or majorana")
    m4: Energy = Field(description="mass of the heavy neutral lepton N4", examples=["106 MeV"])
    mzprime: Energy = Field(description="mass of the dark photon Z'", examples=["30 MeV"])
    umu4_sq: MixingSquared = Field(0.0, description="|U_mu4|^2, mixing of N4 with nu_mu", examples=[2.0e-10])
    umu4: MixingSquared = Field(0.0, exclude=True, description="|U_mu4|, instead of umu4_sq")
    ue4_sq: MixingSquared = Field(0.0, description="|U_e4|^2, mixing of N4 with nu_e")
    ue4: MixingSquared = Field(0.0, exclude=True, description="|U_e4|, instead of ue4_sq")
    utau4_sq: MixingSquared = Field(0.0, description="|U_tau4|^2, mixing of N4 with nu_tau")
    utau4: MixingSquared = Field(0.0, exclude=True, description="|U_tau4|, instead of utau4_sq")
    m5: Energy | None = Field(None, description="mass of a second, heavier state N5", examples=["200 MeV"])
    umu5_sq: MixingSquared = Field(0.0, description="|V_mu5|^2, mixing of N5 with nu_mu (needs m5)")
    umu5: MixingSquared = Field(0.0, exclude=True, description="|V_mu5|, instead of umu5_sq")
    ue5_sq: MixingSquared = Field(0.0, description="|V_e5|^2, mixing of N5 with nu_e (needs m5)")
    ue5: MixingSquared = Field(0.0, exclude=True, description="|V_e5|, instead of ue5_sq")
    utau5_sq: MixingSquared = Field(0.0, description="|V_tau5|^2, mixing of N5 with nu_tau (needs m5)")
    utau5: MixingSquared = Field(0.0, exclude=True, description="|V_tau5|, instead of utau5_sq")
    m6: Energy | None = Field(
        None, description="mass of a third state N6, heavier than N5 (needs m5)", examples=["300 MeV"]
    )
    umu6_sq: MixingSquared = Field(0.0, description="|U_mu6|^2, mixing of N6 with nu_mu (needs m6)")
    umu6: MixingSquared = Field(0.0, exclude=True, description="|U_mu6|, instead of umu6_sq")
    ue6_sq: MixingSquared = Field(0.0, description="|U_e6|^2, mixing of N6 with nu_e (needs m6)")
    ue6: MixingSquared = Field(0.0, exclude=True, description="|U_e6|, instead of ue6_sq")
    utau6_sq: MixingSquared = Field(0.0, description="|U_tau6|^2, mixing of N6 with nu_tau (needs m6)")
    utau6: MixingSquared = Field(0.0, exclude=True, description="|U_tau6|, instead of utau6_sq")
    ud4: MixingSquared = Field(1.0, description="U_D4, mixing of N4 with the dark flavour: d_ij = gD U_Di U_Dj")
    ud5: MixingSquared = Field(1.0, description="U_D5, mixing of N5 with the dark flavour")
    ud6: MixingSquared = Field(1.0, description="U_D6, mixing of N6 with the dark flavour")
    shared_flavour: Flag = Field(
        False,
        description="the beam makes each state by the mixings of all (one dark flavour), not by its own alone",
    )
    epsilon: Coupling | None = Field(
        None,
        description="kinetic mixing of Z': it couples to charge with e epsilon; needed unless `vertices` has e_V, p_V",
        examples=[8.0e-4],
    )
    gD: DarkCoupling = Field(
        0.0, description="dark gauge coupling, above 0 unless `vertices` makes it useless", examples=[2.0]
    )
    alphaD: DarkCoupling = Field(0.0, exclude=True, description="gD^2 / (4 pi), instead of gD")
    vertices: VectorVertices = Field(
        VectorVertices.model_validate({}), description="couplings of Z' given directly, in place of those above"
    )

    @classmethod
    def forms(cls) -> tuple[type[Section], ...]:
        """One section for each mediator."""
        return tuple(MEDIATORS.values())

    @classmethod
    def form_of(cls, data: Mapping[str, Any]) -> type[Section]:
        """By `mediator`; the default is a vector."""
        found = data.get("mediator", "vector")
        if not isinstance(found, str) or found not in MEDIATORS:
            do = did_you_mean(found[:60], list(MEDIATORS)).strip() if isinstance(found, str) else ""
            raise InputError("mediator", shown(found), ", ".join(MEDIATORS), do or "Choose one of these.")
        return MEDIATORS[found]

    @classmethod
    def foreign(cls, key: str) -> str:
        """The mediators that have this key."""
        names = [name for name, section in MEDIATORS.items() if key in section.known_keys()]
        return f"It belongs to `mediator: {' or '.join(names)}`. Remove it, or change the mediator." if names else ""

    @model_validator(mode="after")
    def _physical(self) -> Self:
        for flavour in (f"u{flavour}{i}" for i in "456" for flavour in ("mu", "e", "tau")):
            squared = getattr(self, f"{flavour}_sq") or getattr(self, flavour) ** 2
            self.fill(**{f"{flavour}_sq": squared, flavour: math.sqrt(squared)})
        coupling = self.gD or math.sqrt(4 * math.pi * self.alphaD)
        self.fill(gD=coupling, alphaD=coupling**2 / (4 * math.pi))
        problems = self._mixing_problems() + self._vertex_problems() + self._mass_problems()
        if problems:
            raise CardErrors(problems)
        return self

    def _mixing_problems(self) -> list[InputError]:
        """At least one state mixes with the beam, and only states that have a mass."""
        problems = []
        states = [i for i in "456" if getattr(self, f"m{i}") is not None]
        flavours = ("umu", "ue", "utau")
        totals = {i: sum(getattr(self, f"{flavour}{i}_sq") for flavour in flavours) for i in states}
        given = [getattr(self.vertices, f"d_{f}{i}") for i in states for f in ("e", "mu", "tau")]
        if sum(totals.values()) == 0 and not any(given):
            heaviest = states[-1]
            do = f"Add for example `umu{heaviest}_sq: 2.0e-10`."
            wanted = " or ".join(f"one of {', '.join(f'{f}{i}_sq' for f in flavours)} > 0" for i in reversed(states))
            problems.append(InputError(f"umu{heaviest}_sq", "no mixing above 0", wanted, do))
        for i, total in totals.items():
            if total > 1:
                found = f"mixings that add up to {total:g}"
                problems.append(InputError(f"umu{i}_sq", found, "a sum <= 1", "Lower them."))
        for i in (other for other in "56" if other not in states):
            for flavour in flavours:
                if getattr(self, f"{flavour}{i}_sq") > 0:
                    do = f"Add m{i}, the mass of that state."
                    problems.append(InputError(f"{flavour}{i}_sq", f"a mixing of N{i}", f"only with m{i}", do))
        for i in states:
            if getattr(self, f"ud{i}") == 0:
                do = "Give a number above 0, or leave the state out."
                problems.append(InputError(f"ud{i}", "0", "a number > 0 and <= 1", do))
        pairs = [f"d_{heavy}{light}" for light in states for heavy in states if heavy > light]
        if self.gD == 0 and (sum(totals.values()) > 0 or any(getattr(self.vertices, d) is None for d in pairs)):
            problems.append(InputError("gD", "nothing", "gD > 0, or alphaD > 0", "Add for example `gD: 2.0`."))
        if self.gD > 4 * math.pi:
            problems.append(InputError("alphaD", f"gD = {self.gD:g}", "gD <= 4 pi", "Lower the dark coupling."))
        return problems

    def _vertex_problems(self) -> list[InputError]:
        """Couplings to matter are there, and vertices are those of states that are."""
        problems, given = [], self.vertices
        if self.epsilon is None and (not given.e_V or not (given.p_V or given.n_V)):
            allowed = "a value: kinetic mixing of Z', unless `vertices` has e_V and p_V"
            problems.append(InputError("epsilon", "nothing", allowed, "Add for example `epsilon: 8.0e-4`."))
        if given.e_V == 0:
            problems.append(InputError("vertices.e_V", "0", "a coupling, as e+e- is looked for", "Remove it."))
        missing = [i for i in "56" if getattr(self, f"m{i}") is None]
        for name, value in given:
            states = [i for i in missing if name.startswith("d_") and i in name]
            if value and states:
                allowed, do = f"only with m{states[0]}", f"Add m{states[0]}, or remove it."
                problems.append(InputError(f"vertices.{name}", "a coupling", allowed, do))
        return problems

    def _mass_problems(self) -> list[InputError]:
        problems = []
        pair = f"2 m_e ({2e3 * MASS_ELECTRON:.6g} MeV)"
        if self.m5 is None and self.m6 is not None:
            problems.append(InputError("m6", "a mass of N6 without one of N5", "only with m5", "Call it m5."))
        mixes = [getattr(self, f"{flavour}4_sq") > 0 for flavour in ("umu", "ue", "utau")]
        if (self.m5 is None or any(mixes)) and self.m4 <= 2 * MASS_ELECTRON:
            allowed = f"closed decay N4 -> nu e+e-: m4 must exceed {pair}"
            problems.append(InputError("m4", f"{1e3 * self.m4:.9g} MeV", allowed, "Raise m4."))
        for low, high in (("4", "5"), ("5", "6")):
            lower, upper = getattr(self, f"m{low}"), getattr(self, f"m{high}")
            if lower is not None and upper is not None and upper - lower <= 2 * MASS_ELECTRON:
                allowed = (
                    f"closed decay N{high} -> N{low} e+e-: m{high} must exceed m{low} ({1e3 * lower:.9g} MeV) by more "
                    f"than {pair}"
                )
                do = f"Raise m{high} or lower m{low}."
                problems.append(InputError(f"m{high}", f"{1e3 * upper:.9g} MeV", allowed, do))
        if self.mzprime <= 2 * MASS_ELECTRON:
            allowed = f"closed decay Z' -> e+e-: mzprime must exceed {pair}"
            problems.append(InputError("mzprime", f"{1e3 * self.mzprime:.9g} MeV", allowed, "Raise mzprime."))
        return problems


class Generate(Section):
    """How many events, and which."""

    events: Annotated[int, whole(1, MAX_EVENTS)] = Field(100000, description="number of events")
    seed: Annotated[int, whole(0, MAX_SEED)] = Field(1, description="same card and same seed: same events")
    visible: Annotated[
        str | tuple[str, ...], one_or_more(r"[A-Za-z0-9+-]{1,32}", "a final state such as e+e-", "[e+e-, mu+mu-]")
    ] = Field("e+e-", description="visible final state of the decay, or a list of them (a dipole also has gamma)")

    @property
    def final_states(self) -> tuple[str, ...]:
        """`visible` as a list."""
        return (self.visible,) if isinstance(self.visible, str) else self.visible


class Output(Section):
    """What is written."""

    pdg_map: dict[str, Annotated[int, whole(-(2**31) + 1, 2**31 - 1)]] = Field(
        {}, description="PDG codes of the new states, where you want others", examples=[{"N4": 5914}]
    )

    def complete(self, particles: dict[str, int]) -> list[InputError]:
        """Fill in the codes that are not given. Returns the problems of those that are."""
        problems = []
        for name, code in self.pdg_map.items():
            if name not in particles:
                do = did_you_mean(name[:60], list(particles)).strip() or "Remove it."
                problems.append(InputError(f"pdg_map.{name[:60]}", "an unknown state", ", ".join(particles), do))
            elif code == 0 or abs(code) in _TAKEN_CODES:
                allowed, do = "a code that no ordinary particle has", f"The default is {particles[name]}."
                problems.append(InputError(f"pdg_map.{name}", shown(code), allowed, do))
        codes = {**particles, **self.pdg_map}
        for name, code in codes.items():
            others = [other for other in codes if abs(codes[other]) == abs(code) and other != name]
            if others and name in self.pdg_map and name in particles:
                allowed = f"another code than that of {others[0]}"
                problems.append(InputError(f"pdg_map.{name}", shown(code), allowed, "Choose a free code."))
        self.fill(pdg_map=codes)
        return problems


register_source("histogram", HistogramSource)
register_model("dark-neutrino", DarkNeutrino)
MEDIATORS["vector"] = DarkNeutrino
