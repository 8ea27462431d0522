"""Types of the values of a run card: quantities, numbers, words, names, lists.

Every type turns what YAML gave into the value darkhorn computes with (GeV, cm, ns, g/cm3, POT), writes it back for the
resolved card, and describes itself in the JSON schema.
"""

import math
import numbers
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from darkhorn.generator.card_errors import shown
from darkhorn.kernels.errors import InputError, did_you_mean
from darkhorn.kernels.units import accepted_units, format_quantity, internal_unit, parse_quantity

_LONGEST_QUANTITY = 100  # longer text is no quantity; also keeps the pattern of a number fast on junk


class Value:
    """Field type: one value. `check` turns what the card gave into what is computed with, or raises InputError.

    `schema` is its JSON schema; `dump` turns the value into what a resolved card says.
    """

    def __init__(
        self, check: Callable[[object], object], schema: dict[str, Any], dump: Callable[[Any], object] | None = None
    ) -> None:
        self.check, self.schema, self.dump = check, schema, dump

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(self.dump) if self.dump else None
        return core_schema.no_info_plain_validator_function(self.check, serialization=dump)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.schema)


def _range_text(low: float, high: float, above: bool) -> str:
    parts = []
    if low > -math.inf:
        parts.append(f"{'>' if above else '>='} {low:g}")
    if high < math.inf:
        parts.append(f"<= {high:.6g}")
    return " and ".join(parts)


def quantity(dimension: str, *, positive: bool = False, least: float = -math.inf, most: float = math.inf) -> Value:
    """Type of a number with a unit: '106 MeV' is 0.106. `positive` refuses 0; `least`, `most` in the internal unit."""
    units = ", ".join(accepted_units(dimension))

    def check(value: object) -> float:
        size = len(value) if isinstance(value, str) else value.bit_length() if isinstance(value, int) else 0
        if size > _LONGEST_QUANTITY:
            raise InputError("", shown(value), f"a number with a unit of {dimension} ({units})", "Shorten it.")
        if isinstance(value, bool) or not isinstance(value, str | numbers.Real):
            example = f"For example `1.5 {internal_unit(dimension)}`."
            raise InputError("", shown(value), f"a number with a unit of {dimension} ({units})", example)
        number = parse_quantity(value, dimension, "")
        if (positive and number <= 0) or number < least:
            bound = f"> 0 {internal_unit(dimension)}" if positive else f">= {least:g} {internal_unit(dimension)}"
            raise InputError("", shown(value), f"{dimension} {bound}", "Give a larger value.")
        if number > most:
            allowed = f"{dimension} <= {most:g} {internal_unit(dimension)}"
            raise InputError("", shown(value), allowed, "Give a smaller value.")
        return number

    schema = {
        "type": "string",
        "pattern": r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*("
        + "|".join(map(re.escape, accepted_units(dimension)))
        + r")\s*$",
        "x-unit": f"{dimension} ({units})",
    }
    return Value(check, schema, lambda value: format_quantity(value, dimension))


def number(*, low: float = -math.inf, high: float = math.inf, above: bool = False) -> Value:
    """Type of a pure number in [low, high], or in (low, high] with `above`."""
    allowed = f"a number {_range_text(low, high, above)}".strip()

    def check(value: object) -> float:
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                raise InputError("", shown(value), allowed, "Give a pure number, without a unit.") from None
            do = "This is text: remove the quotes."
            if value.lstrip("+-").startswith("."):
                do = "YAML takes this for text: write a digit before the point."
            raise InputError("", shown(value), allowed, do)
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputError("", shown(value), allowed, "Give one number, for example 1.0e-3.")
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if not math.isfinite(result):
            raise InputError("", shown(value), f"{allowed}, finite", "Give a finite number.")
        if result < low or result > high or (above and result == low):
            raise InputError("", shown(value), allowed, "Give a number in this range.")
        return result

    schema: dict[str, Any] = {"type": "number"}
    if low > -math.inf:
        schema["exclusiveMinimum" if above else "minimum"] = low
    if high < math.inf:
        schema["maximum"] = high
    return Value(check, schema)


def whole(low: int, high: int) -> Value:
    """Type of a whole number in [low, high]; 1e6 counts as whole, 1.5 and true do not."""
    allowed = f"a whole number from {low} to {high}"

    def check(value: object) -> int:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not real or (isinstance(value, float) and not value.is_integer()):
            do = "Give a whole number, without quotes and without a unit, for example 100000."
            raise InputError("", shown(value), allowed, do)
        result = int(value)  # type: ignore[call-overload]
        if not low <= result <= high:
            raise InputError("", shown(value), allowed, "Give a number in this range.")
        return int(result)

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Value(check, schema)


def word(literal: Any) -> Value:
    """Type of a text that is one of the words of a `Literal[...]`."""
    words: tuple[str, ...] = get_args(literal)

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            do = did_you_mean(value[:60], words).strip() if isinstance(value, str) else ""
            raise InputError("", shown(value), ", ".join(words), do or f"Choose one of {', '.join(words)}.")
        return value

    return Value(check, {"type": "string", "enum": list(words)})


def text_like(pattern: str, allowed: str) -> Value:
    """Type of a text that matches a pattern in full."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise InputError("", shown(value), allowed, "Write it like that.")
        return value

    return Value(check, {"type": "string", "pattern": f"^{pattern}$"})


def understood(meaning: Callable[[object, str], object], pattern: str) -> Value:
    """Type of a text that `meaning(text, where)` understands: it raises InputError for others."""

    def check(value: object) -> object:
        meaning(value if isinstance(value, str) and len(value) <= _LONGEST_QUANTITY else shown(value), "")
        return value

    return Value(check, {"type": "string", "pattern": f"^({pattern})$"})


def one_or_more(pattern: str, allowed: str, example: str) -> Value:
    """Type of a text that matches a pattern in full, or of a list of such texts, each once."""
    single = text_like(pattern, allowed)
    as_list = listed(unique=True, example=example)

    def check(value: object) -> str | tuple[str, ...]:
        if not isinstance(value, list | tuple):
            return str(single.check(value))
        entries = as_list.func(value)  # type: ignore[call-arg]
        return tuple(str(single.check(entry)) for entry in entries)

    schema = {"anyOf": [single.schema, {"type": "array", "items": single.schema, "minItems": 1, "uniqueItems": True}]}
    return Value(check, schema, lambda value: value if isinstance(value, str) else list(value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError("", shown(value), "true or false", "Write true or false, without quotes.")
    return value


def listed(*, length: int | None = None, unique: bool = False, example: str = "[a, b]") -> BeforeValidator:
    """Annotation of a tuple field: it takes a YAML list of `length` entries (None: at least one)."""
    allowed = f"a list of {length} entries" if length else "a list with at least one entry"

    def check(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise InputError("", shown(value), allowed, f"Put it in brackets, like {example}.")
        if len(value) != length if length else not value:
            raise InputError("", f"{len(value)} entries", allowed, f"Write it like {example}.")
        if unique:
            words = [entry for entry in value if isinstance(entry, str)]  # anything else is refused as an entry
            twice = [entry for i, entry in enumerate(words) if entry in words[:i]]
            if twice:
                raise InputError("", f"{shown(twice[0])} twice", "each entry once", "Remove the second one.")
        return tuple(value)

    return BeforeValidator(check)


Energy = Annotated[float, quantity("energy", positive=True)]
Length = Annotated[float, quantity("length")]
PositiveLength = Annotated[float, quantity("length", positive=True)]
PositiveTime = Annotated[float, quantity("time", positive=True)]
Spread = Annotated[float, quantity("time", least=0.0)]
Density = Annotated[float, quantity("density", positive=True)]
Exposure = Annotated[float, quantity("exposure", positive=True)]
Flag = Annotated[bool, Value(_flag, {"type": "boolean"})]
_NAME = r"[A-Za-z][A-Za-z0-9_+-]{0,63}"
_NAME_TEXT = "a letter, then letters, digits, _ + or - (at most 64)"
Name = Annotated[str, text_like(_NAME, f"a name: {_NAME_TEXT}")]


def _names(value: object) -> tuple[str, ...]:
    allowed = "the name of a volume, or a list of names"
    given = value if isinstance(value, list | tuple) else [value]
    if not given:
        raise InputError("", "an empty list", allowed, "Name at least one.")
    for name in given:
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise InputError("", shown(name), f"{allowed}; a name is {_NAME_TEXT}", "Write it like that.")
    if len(set(given)) < len(given):
        raise InputError("", shown(value), "each name once", "Remove the second one.")
    return tuple(given)


# one name, or a list of them; a single one is written back as it is
Names = Annotated[
    tuple[str, ...],
    Value(
        _names,
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_NAME}$"},
                {"type": "array", "items": {"type": "string", "pattern": f"^{_NAME}$"}, "minItems": 1},
            ]
        },
        lambda names: names[0] if len(names) == 1 else list(names),
    ),
]
Point = Annotated[tuple[Length, Length, Length], listed(length=3, example='["128 cm", "0 cm", "518 cm"]')]
