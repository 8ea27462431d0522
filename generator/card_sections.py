"""Sections of a run card: mappings that refuse unknown keys, and ways to choose or abbreviate one."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import core_schema

from darkhorn.generator.card_errors import CardErrors, problems_of, shown
from darkhorn.kernels.errors import InputError, did_you_mean


class Section(BaseModel):
    """A mapping of the card: frozen, strict, unknown keys refused with the nearest known one.

    `alternatives` lists groups of keys of which only one may be given; an override by one of them replaces the others.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys that this section may have, as written in a card."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def forms(cls) -> tuple[type["Section"], ...]:
        """The classes that this section may turn out to be, by one of its keys; itself by default."""
        return (cls,)

    @classmethod
    def form_of(cls, data: Mapping[str, Any]) -> type["Section"]:
        """That of `forms` which checks these data. Raises InputError."""
        return cls

    @classmethod
    def foreign(cls, key: str) -> str:
        """What to do with an unknown key that another form has; empty for any other key."""
        return ""

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys_only(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        if isinstance(data, cls):
            return data
        allowed = f"a section with the keys {', '.join(cls.known_keys())}"
        if not isinstance(data, Mapping):
            raise InputError("", shown(data), allowed, "Write `key: value` lines, indented, below it.")
        problems: list[InputError] = []
        for key in data:
            if key not in cls.known_keys():
                do = cls.foreign(_key_text(key)) or did_you_mean(_key_text(key), cls.known_keys()) or "Remove it. "
                problems.append(InputError(_key_text(key), "an unknown key", ", ".join(cls.known_keys()), do.strip()))
        for group in cls.alternatives:
            given = [key for key in group if data.get(key) is not None]
            if len(given) > 1:
                both = " and ".join(given)
                problems.append(InputError(given[1], both, " or ".join(group), f"Remove all but one of {both}."))
        try:
            made = handler({key: value for key, value in data.items() if key in cls.known_keys()})
        except ValidationError as error:
            problems += [cls._described(problem) for problem in problems_of(error)]
        if problems:
            raise CardErrors(problems)
        return made

    @classmethod
    def _described(cls, problem: InputError) -> InputError:
        """A missing key's problem, with what the key means and an example of its value."""
        field = {f.alias or name: f for name, f in cls.model_fields.items()}.get(problem.where)
        if field is None or problem.found != "nothing" or not field.is_required():
            return problem
        example = f"Add `{problem.where}: {field.examples[0]}`." if field.examples else f"Add `{problem.where}`."
        return InputError(problem.where, problem.found, f"a value: {field.description}", example)

    def fill(self, **values: object) -> None:
        """Set fields that follow from others, while the section is being checked (it is frozen for everybody else)."""
        self.__dict__.update(values)


def _key_text(key: object) -> str:
    return key if isinstance(key, str) and re.fullmatch(r"[\w.+-]{1,60}", key) else shown(key)


class OneOf:
    """Field type: a section whose class is chosen by one of its keys, from a table that others can extend.

    Without that key, the class `default` is taken if it has all the keys that are given.
    """

    def __init__(self, table: Mapping[str, type[Section]], key: str, default: str | None = None) -> None:
        self.table, self.key, self.default = table, key, default

    def check(self, data: Any) -> Section:
        """The section of the right class. Raises InputError or ValidationError."""
        if isinstance(data, Section):
            return data
        names = ", ".join(self.table)
        if not isinstance(data, Mapping):
            raise InputError("", shown(data), f"a section with the key `{self.key}`", f"Set `{self.key}` to {names}.")
        if self.key not in data and self.default and data.keys() <= set(self.table[self.default].known_keys()):
            data = {self.key: self.default, **data}
        if self.key not in data:
            near = did_you_mean(self.key, [key for key in data if isinstance(key, str)])
            do = f"Add `{self.key}: {next(iter(self.table))}`." if not near else f"{near}".strip()
            raise InputError(self.key, "nothing", names, do)
        name = data[self.key]
        if not isinstance(name, str) or name not in self.table:
            do = did_you_mean(name[:60], list(self.table)) if isinstance(name, str) else ""
            raise InputError(self.key, shown(name), names, do.strip() or f"Choose one of {names}.")
        return self.table[name].form_of(data).model_validate(data)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(to_plain)
        return core_schema.no_info_plain_validator_function(self.check, serialization=dump)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        forms = [form for section in self.table.values() for form in section.forms()]
        return {"oneOf": [handler(form.__pydantic_core_schema__) for form in forms]}


class Shorthand:
    """Field type: a section that may be given as a text, which `expand` turns into the section's mapping."""

    def __init__(self, expand: Callable[[str], dict[str, object]], example: str) -> None:
        self.expand, self.example = expand, example

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def full(data: Any) -> Any:
            return self.expand(data) if isinstance(data, str) else data

        return core_schema.no_info_before_validator_function(full, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "examples": [self.example]}, handler(schema)]}


def to_plain(section: Section) -> dict[str, Any]:
    """The section as it stands in a resolved card: JSON types only, quantities as text with their unit."""
    return section.model_dump(mode="json", by_alias=True)
