"""The checked run card as an object: the root of the schema, and what is checked across its sections."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from darkhorn.generator import card_mediators as _card_mediators  # noqa: F401  (registers its sections)
from darkhorn.generator.card_errors import CardErrors, problems_of, shown
from darkhorn.generator.card_io import line_numbers
from darkhorn.generator.card_models import MODELS, SOURCES, Generate, ModelSection, Output, SourceSection
from darkhorn.generator.card_physics import Physics
from darkhorn.generator.card_places import Detector, SameShape, detector_by_name
from darkhorn.generator.card_sections import OneOf, Section, Shorthand, to_plain
from darkhorn.generator.card_values import Exposure, Flag, Name, Names, Value, listed
from darkhorn.kernels.errors import InputError, did_you_mean

SCHEMA_VERSION = 1


def check_schema_version(value: object) -> int:
    """The version of the format, if it is one that is understood; InputError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value > SCHEMA_VERSION:
            do = "This card was written for a newer darkhorn: upgrade darkhorn."
            raise InputError("", shown(value), str(SCHEMA_VERSION), do)
        if value == SCHEMA_VERSION:
            return value
    raise InputError("", shown(value), str(SCHEMA_VERSION), f"Write `schema: {SCHEMA_VERSION}` in the first line.")


class RunCard(Section):
    """A checked run card. Every value is in GeV, cm, ns, g/cm3 or POT."""

    schema_version: Annotated[int, Value(check_schema_version, {"type": "integer", "const": SCHEMA_VERSION})] = Field(
        alias="schema", description="version of this format"
    )
    source: Annotated[SourceSection, OneOf(SOURCES, "kind")] = Field(
        description="where the neutrinos come from",
        examples=["{kind: histogram, beam: bnb, mode: neutrino}"],
    )
    detector: Annotated[Detector, Shorthand(detector_by_name, "microboone")] = Field(
        description="a shipped detector by name, or shapes and materials spelled out", examples=["microboone"]
    )
    regions: Annotated[tuple[Name, ...], listed(unique=True, example="[tpc]")] = Field(
        description="volumes in which the neutrino may scatter", examples=["[tpc]"]
    )
    decay_in: Names = Field(
        description="volume in which the visible decay is asked for, or a list of them", examples=["tpc"]
    )
    force_decay: Flag = Field(
        True,
        description="true: every event decays in `decay_in`; false: anywhere, with a column saying where",
    )
    exposure: Exposure = Field(description="protons on target", examples=["6.87e20 POT"])
    model: Annotated[ModelSection, OneOf(MODELS, "name")] = Field(description="the model and its parameters")
    physics: Physics = Field(Physics.model_validate({}), description="switches of the physics")
    generate: Generate = Field(Generate.model_validate({}), description="how many events, and which")
    output: Output = Field(Output.model_validate({}), description="what is written")

    _text: str = PrivateAttr("")
    _name: str = PrivateAttr("")
    _folder: Path | None = PrivateAttr(None)

    def remember(self, text: str, name: str, folder: Path | None) -> None:
        """Keep where the card came from: its text, its name, and the folder at which its relative paths start."""
        self._text, self._name, self._folder = text, name, folder

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        self.fill(output=self.output.model_copy())
        problems = _inside("output", self.output.complete(self.model.particles))
        visible = self.model.visible_states
        if "visible" not in self.generate.model_fields_set:
            self.fill(generate=self.generate.model_copy(update={"visible": visible[0]}))
        for state in self.generate.final_states:
            if state not in visible:
                do = did_you_mean(state, visible).strip() or "Choose one of these."
                problems.append(InputError("generate.visible", shown(state), ", ".join(visible), do))
        if len(self.decay_in) > 1 and not self.force_decay:
            found = f"{len(self.decay_in)} volumes"
            problems.append(InputError("decay_in", found, "one volume without `force_decay`", "Name one of them."))
        if self.detector.base is None:
            problems += self._name_problems(tuple(self.detector.volumes), None, None)
        if problems:
            raise CardErrors(problems)
        return self

    @property
    def text(self) -> str:
        """The card as it was given, before overrides."""
        return self._text

    @property
    def name(self) -> str:
        """Name or path under which the card was given."""
        return self._name

    @property
    def folder(self) -> Path | None:
        """Folder at which relative paths of the card start; None for a card from standard input or a mapping."""
        return self._folder

    def resolved(self) -> dict[str, Any]:
        """The card with every default filled in, in JSON types, quantities with their unit; itself a valid card."""
        return to_plain(self)

    def hash(self) -> str:
        """SHA-256 of the resolved card: equal for cards that mean the same, however they are written."""
        canonical = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def locate(self, file: str, where: str = "source.file") -> Path:
        """The path of a file that the card names, from the card's folder if relative. InputError if not there."""
        given = Path(file).expanduser()
        tried = [given] if given.is_absolute() or self._folder is None else [self._folder / given, given]
        for path in tried:
            if path.is_file():
                return path
        places = " or ".join(str(path.absolute()) for path in tried)
        raise self._wrong([InputError(where, "no such file", "the path of a file", f"Looked for {places}.")])

    def check_names(
        self,
        *,
        volumes: Iterable[str] | None = None,
        materials: Iterable[str] | None = None,
        nuclides: Iterable[str] | None = None,
    ) -> None:
        """Check the card's names against those the geometry knows (None: not checked). Raises CardErrors."""
        problems = self._name_problems(volumes, materials, nuclides)
        if problems:
            raise self._wrong(problems)

    def check_threshold(self, threshold: float, flux_end: float) -> None:
        """Refuse a heavy state whose lowest threshold (GeV) lies above the end of the flux (GeV). Raises CardErrors."""
        if threshold >= flux_end:
            found = f"a threshold of {threshold:.6g} GeV"
            allowed = f"a threshold below the end of the flux, {flux_end:.6g} GeV"
            raise self._wrong([InputError("model.m4", found, allowed, "Lower m4, or take a beam of higher energy.")])

    def _name_problems(
        self, volumes: Iterable[str] | None, materials: Iterable[str] | None, nuclides: Iterable[str] | None
    ) -> list[InputError]:
        asked: list[tuple[str, str, list[str]]] = []
        if volumes is not None:
            known = list(volumes)
            asked += [(f"regions[{i}]", region, known) for i, region in enumerate(self.regions)]
            asked += [("decay_in", name, known) for name in self.decay_in]
            for name, volume in self.detector.volumes.items():
                if isinstance(volume, SameShape):
                    asked.append((f"detector.volumes.{name}", name, known))
        if materials is not None:
            known = [*materials, *self.detector.materials]
            volumes_given = self.detector.volumes.items()
            asked += [(f"detector.volumes.{name}.material", volume.material, known) for name, volume in volumes_given]
        if nuclides is not None:
            known = list(nuclides)
            for name, material in self.detector.materials.items():
                place = f"detector.materials.{name}.composition"
                asked += [(f"{place}.{nuclide}", nuclide, known) for nuclide in material.composition]
        return [
            InputError(where, shown(word), ", ".join(known), did_you_mean(word, known).strip() or "Use a known name.")
            for where, word, known in asked
            if word not in known
        ]

    def _wrong(self, problems: list[InputError]) -> CardErrors:
        return CardErrors(problems, self._name, line_numbers(self._text, [p.where for p in problems]))


def _inside(section: str, problems: Iterable[InputError]) -> list[InputError]:
    return [problem for inner in problems for problem in problems_of(inner, (section,))]
