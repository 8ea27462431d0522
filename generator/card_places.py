"""Sections of a run card that say where and when: detector, volumes, materials, frame, decay line, spill."""

import itertools
import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from darkhorn.generator.card_errors import CardErrors
from darkhorn.generator.card_sections import OneOf, Section
from darkhorn.generator.card_values import (
    Density,
    Length,
    Name,
    Point,
    PositiveLength,
    PositiveTime,
    Spread,
    listed,
    number,
    text_like,
    whole,
    word,
)
from darkhorn.kernels.errors import InputError

_ROUNDING = 1e-6  # how far mass fractions may be from adding up to 1, and a rotation from being one

Axis = Literal["x", "y", "z"]
Coordinate = Annotated[float, number(low=-1.0, high=1.0)]
Row = Annotated[tuple[Coordinate, Coordinate, Coordinate], listed(length=3, example="[1, 0, 0]")]
Nuclide = Annotated[str, text_like(r"[A-Z][a-z]?[0-9]{1,3}", "a nuclide: symbol and mass number, for example Ar40")]
Fraction = Annotated[float, number(low=0.0, high=1.0, above=True)]
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Spill(Section):
    """Time structure of the protons: equal Gaussian buckets."""

    buckets: Annotated[int, whole(1, 10**6)] = Field(description="number of filled buckets in a spill")
    spacing: PositiveTime = Field(description="time from one bucket to the next", examples=["18.936 ns"])
    sigma: Spread = Field(description="standard deviation of a bucket", examples=["1.308 ns"])


class DecayLine(Section):
    """The part of the beam axis on which the parents of the neutrinos decay (beam frame, z along the beam)."""

    start: Length = Field(description="z of its beginning", examples=["0 m"])
    end: Length = Field(description="z of its end", examples=["50 m"])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise InputError("end", f"{self.end:g} cm", f">= start ({self.start:g} cm)", "Exchange start and end.")
        return self


class Beam(Section):
    """What is filled in for a source that names its beam."""

    decay_line: DecayLine
    spill: Spill


# BNB: 50 m decay region (arXiv:0806.1449); 81 filled buckets, their spacing and width as in SBN-doc-34793.
BEAMS: dict[str, Beam] = {
    "bnb": Beam(
        decay_line=DecayLine.model_validate({"start": "0 m", "end": "50 m"}),
        spill=Spill.model_validate({"buckets": 81, "spacing": "18.936 ns", "sigma": "1.308 ns"}),
    )
}


class Volume(Section):
    """Base of the shapes. All lengths are in the frame of the detector."""

    shape: str
    material: Name = Field(description="name of its material: one that ships, or one of `materials`")


class Box(Volume):
    """A box with edges along the axes."""

    shape: Annotated[Literal["box"], word(Literal["box"])] = Field(description="this shape")
    centre: Point = Field(description="its centre (x, y, z)", examples=[["128 cm", "0 cm", "518 cm"]])
    size: Annotated[
        tuple[PositiveLength, PositiveLength, PositiveLength],
        listed(length=3, example='["256 cm", "232 cm", "1036 cm"]'),
    ] = Field(description="full length of its edges", examples=[["256 cm", "232 cm", "1036 cm"]])


class Sphere(Volume):
    """A ball."""

    shape: Annotated[Literal["sphere"], word(Literal["sphere"])] = Field(description="this shape")
    centre: Point = Field(description="its centre (x, y, z)", examples=[["0 m", "0 m", "0 m"]])
    radius: PositiveLength = Field(description="its radius", examples=["610.6 cm"])


class Cylinder(Volume):
    """A cylinder along one of the axes."""

    shape: Annotated[Literal["cylinder"], word(Literal["cylinder"])] = Field(description="this shape")
    centre: Point = Field(description="its centre (x, y, z)", examples=[["0 m", "0 m", "0 m"]])
    radius: PositiveLength = Field(description="its radius", examples=["2 m"])
    length: PositiveLength = Field(description="its full length", examples=["5 m"])
    axis: Annotated[Axis, word(Axis)] = Field("z", description="direction of its axis")


class Tube(Volume):
    """A cylinder with a bore, for example the round wall of a hall. Events may start in it, not end in it."""

    shape: Annotated[Literal["tube"], word(Literal["tube"])] = Field(description="this shape")
    centre: Point = Field(description="its centre (x, y, z)", examples=[["0 m", "0 m", "0 m"]])
    inner_radius: PositiveLength = Field(description="radius of the bore", examples=["7.4 m"])
    radius: PositiveLength = Field(description="its outer radius", examples=["7.9 m"])
    length: PositiveLength = Field(description="its full length", examples=["11 m"])
    axis: Annotated[Axis, word(Axis)] = Field("z", description="direction of its axis")


class Cone(Volume):
    """A truncated cone along one of the axes, for example the soil that lies in the beam."""

    shape: Annotated[Literal["cone"], word(Literal["cone"])] = Field(description="this shape")
    centre: Point = Field(description="the middle of its axis (x, y, z)", examples=[["0 m", "0 m", "-200 m"]])
    start_radius: PositiveLength = Field(description="radius where the coordinate is smallest", examples=["0.4 m"])
    end_radius: PositiveLength = Field(description="radius where the coordinate is largest", examples=["2.9 m"])
    length: PositiveLength = Field(description="its full length", examples=["400 m"])
    axis: Annotated[Axis, word(Axis)] = Field("z", description="direction of its axis")


class SameShape(Volume):
    """A volume of the base detector that keeps its shape and gets another material."""

    shape: Annotated[Literal["unchanged"], word(Literal["unchanged"])] = Field(description="keep the shape of the base")


SHAPES: dict[str, type[Section]] = {
    "box": Box,
    "sphere": Sphere,
    "cylinder": Cylinder,
    "tube": Tube,
    "cone": Cone,
    "unchanged": SameShape,
}


class Material(Section):
    """A material of your own; one with the name of a shipped material replaces it."""

    density: Density = Field(description="mass per volume", examples=["1.4 g/cm3"])
    composition: dict[Nuclide, Fraction] = Field(
        description="mass fraction of each nuclide; they add up to 1", examples=[{"Ar40": 1.0}]
    )

    @model_validator(mode="after")
    def _fractions_add_up(self) -> Self:
        total = math.fsum(self.composition.values())
        if abs(total - 1) > _ROUNDING:
            do = "Divide each fraction by this sum." if self.composition else "Give at least one nuclide."
            raise InputError("composition", f"fractions that add up to {total:.9g}", "a sum of 1", do)
        return self


class Frame(Section):
    """Where the frame of the detector lies in the frame of the beam: beam = origin + rotation * detector."""

    origin: Point = Field(
        description="the detector's origin in the beam frame", examples=[["-124.325 cm", "0.93 cm", "46336.35 cm"]]
    )
    rotation: Annotated[tuple[Row, Row, Row], listed(length=3, example="[[1, 0, 0], [0, 1, 0], [0, 0, 1]]")] = Field(
        IDENTITY, description="rotation matrix, a list of its three rows"
    )

    @model_validator(mode="after")
    def _is_a_rotation(self) -> Self:
        (a, b, c), rows = self.rotation, self.rotation
        for i, j in itertools.combinations_with_replacement(range(3), 2):
            product = math.fsum(x * y for x, y in zip(rows[i], rows[j], strict=True))
            if abs(product - (i == j)) > _ROUNDING:
                found = f"rows {i + 1} and {j + 1} with the product {product:.7g}"
                raise InputError("rotation", found, "three orthogonal unit rows", "Give more digits, or correct a row.")
        cross = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
        if math.fsum(x * y for x, y in zip(a, cross, strict=True)) < 0:
            raise InputError("rotation", "a mirror image (determinant -1)", "determinant +1", "Reverse one row.")
        return self


class Detector(Section):
    """A shipped detector (its name is enough), a shipped one with changes (`base`), or one of your own."""

    name: Name = Field("", description="name of the detector; that of `base` if left out")
    base: Name | None = Field(None, description="shipped detector to start from", examples=["microboone"])
    volumes: dict[Name, Annotated[Volume, OneOf(SHAPES, "shape", default="unchanged")]] = Field(
        {}, description="volumes by name; those of `base` stay unless they are given again"
    )
    materials: dict[Name, Material] = Field({}, description="materials of your own by name")
    frame: Frame | None = Field(None, description="position and rotation in the beam frame")
    baseline: PositiveLength | None = Field(
        None, description="distance from the beginning of the beam, to which the flux is scaled", examples=["470 m"]
    )
    needed_alone: ClassVar[tuple[str, ...]] = ("name", "volumes", "frame", "baseline")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = []
        self.fill(name=self.name or self.base or "")
        if self.base is None:
            for key in self.needed_alone:
                if not getattr(self, key):
                    do = "Add it, or start from a shipped detector with `base`."
                    problems.append(InputError(key, "nothing", "a value, as there is no `base`", do))
            for name, volume in self.volumes.items():
                if isinstance(volume, SameShape):
                    allowed = ", ".join(shape for shape in SHAPES if shape != "unchanged")
                    problems.append(InputError(f"volumes.{name}.shape", "unchanged", allowed, "There is no `base`."))
        if problems:
            raise CardErrors(problems)
        return self


def detector_by_name(name: str) -> dict[str, object]:
    """'microboone' -> the mapping that means the same."""
    return {"name": name, "base": name}


__all__ = [
    "BEAMS",
    "SHAPES",
    "Beam",
    "Box",
    "Cone",
    "Cylinder",
    "DecayLine",
    "Detector",
    "Frame",
    "Material",
    "SameShape",
    "Sphere",
    "Spill",
    "Tube",
    "Volume",
    "detector_by_name",
]
