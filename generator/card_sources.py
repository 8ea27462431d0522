"""Sources of a run card that are made of rays: files of a simulation, or a beam that darkhorn simulates itself."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import core_schema

from darkhorn.generator.card_errors import CardErrors, shown
from darkhorn.generator.card_models import (
    MAX_SEED,
    FilePath,
    Flavour,
    FlavourList,
    Mode,
    SourceSection,
    register_source,
)
from darkhorn.generator.card_places import BEAMS, Spill
from darkhorn.generator.card_values import Flag, Value, listed, number, whole, word
from darkhorn.kernels.errors import InputError, did_you_mean

MESONS = {"pi0": 111, "eta": 221}
Meson = Literal["pi0", "eta"]
MesonList = Annotated[tuple[Annotated[Meson, word(Meson)], ...], listed(unique=True, example="[pi0, eta]")]
_FLAVOURS: tuple[Flavour, ...] = ("nu_mu", "nu_mu_bar", "nu_e", "nu_e_bar")
MAX_PARTICLES = 10**9


def _files(value: object) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    good = [name for name in found if isinstance(name, str) and 0 < len(name) <= 4096 and "\0" not in name]
    if not found or len(good) != len(found):
        raise InputError("", shown(value), "the path of a file, or a list of paths", "For example `rays.h5`.")
    return tuple(good)


def _simulated_beam(value: object) -> str:
    known = _beams()
    if not isinstance(value, str) or value not in known:
        near = did_you_mean(value[:60], known).strip() if isinstance(value, str) else ""
        raise InputError("", shown(value), ", ".join(known), near or "Choose a beam that can be simulated.")
    return value


def _beams() -> list[str]:
    """The beams that can be simulated. Their geometry needs numpy, which other cards can do without."""
    from darkhorn.geometry.beams import BEAMLINES

    return list(BEAMLINES)


class _BeamName(Value):
    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": _beams()}


_PATHS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Files = Annotated[tuple[str, ...], Value(_files, _PATHS, lambda v: v[0] if len(v) == 1 else list(v))]
SimulatedBeam = Annotated[str, _BeamName(_simulated_beam, {})]
Seed = Annotated[int, whole(0, MAX_SEED)]
Reweight = Annotated[
    FilePath | None,
    Field(
        description="table of ratios by which the rays are multiplied, per flavour or parent (published / simulated); "
        "null: none",
        examples=["ratios.csv"],
    ),
]


class RaysSource(SourceSection):
    """Rays of a beam simulation: parents at their decay, with weights. Energy and direction of every neutrino are those
    of its ray towards the place of the scattering.
    """

    kind: Annotated[Literal["rays"], word(Literal["rays"])] = Field(description="this kind of source")
    file: Files = Field(
        description="a ray file (`darkhorn flux --rays`), a dk2nu or a gsimple file, or a list of files of one beam; "
        "relative paths start at the folder of the card",
        examples=["rays.h5"],
    )
    flavours: FlavourList = Field(
        _FLAVOURS, description="flavours of the beam that take part; nu_tau and nu_tau_bar only if named"
    )
    reweight: Reweight = None
    seed: Seed = Field(1, description="of what is drawn once per ray: decays that the file leaves open")
    spill: Spill | None = Field(None, description="time structure; null: all protons at t = 0")


class BeamlineSource(SourceSection):
    """A beam simulated from the proton on, when the card is used; its rays are then as those of a file."""

    kind: Annotated[Literal["beamline"], word(Literal["beamline"])] = Field(description="this kind of source")
    beam: SimulatedBeam = Field(description="name of the beam", examples=["bnb"])
    mode: Annotated[Mode, word(Mode)] = Field(description="polarity of the horns")
    particles: Annotated[int, whole(1, MAX_PARTICLES)] = Field(
        200000, description="particles started in the target; rounded up to whole batches"
    )
    secondaries: Flag = Field(True, description="mesons of secondary nucleons and pions")
    mesons: MesonList | None = Field(
        None,
        description="neutral mesons to make beside the parents of neutrinos: for ray files; null: none",
        examples=[["pi0", "eta"]],
    )
    pi0_per_pot: Annotated[float, number(low=0.0, above=True)] | None = Field(
        None,
        description="pi0 that beam protons make per proton on target, those of secondaries on top; null: the "
        "parametrisation's own number",
    )
    eta_per_pi0: Annotated[float, number(low=0.0, above=True)] | None = Field(
        None, description="eta per pi0 of beam protons; null: 1/30 (bnb), 0.078 (numi)"
    )
    flavours: FlavourList = Field(
        _FLAVOURS, description="flavours of the beam that take part; nu_tau and nu_tau_bar only if named"
    )
    reweight: Reweight = None
    seed: Seed = Field(1, description="random seed of the simulation")
    spill: Spill | None = Field(
        None, description="time structure; from the beam if not given; null: all protons at t = 0"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            InputError(key, shown(getattr(self, key)), "only with `mesons`", "Remove it, or add `mesons: [pi0, eta]`.")
            for key in ("pi0_per_pot", "eta_per_pi0")
            if getattr(self, key) is not None and self.mesons is None
        ]
        if problems:
            raise CardErrors(problems)
        if "spill" not in self.model_fields_set and self.beam in BEAMS:
            self.fill(spill=BEAMS[self.beam].spill)
        return self


register_source("rays", RaysSource)
register_source("beamline", BeamlineSource)
