"""The run card described: JSON schema for editors, and a reference in Markdown made from it."""

import json
from typing import Any

from darkhorn.generator.card_document import RunCard
from darkhorn.generator.card_models import MODELS, SOURCES

_INTRODUCTION = """# Run card

A run card is a YAML 1.2 file. Numbers with a dimension are text with a unit (`106 MeV`, `470 m`, `6.87e20 POT`);
unknown keys are refused. `darkhorn cards show microboone` prints a card with every line explained; `darkhorn cards
schema` prints the JSON schema, with which an editor completes and checks cards. A default of `null` means
none; of several keys marked `one of`, exactly one is given."""


def card_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a run card, with all models and sources registered by now.

    Every key has a `description`; one with a dimension has `x-unit`, its dimension and the units it may be given in.
    """
    schema = RunCard.model_json_schema(by_alias=True, mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "darkhorn run card"
    schema["description"] = "The keys at the top of a card. Each section has its own table below."
    definitions = schema["$defs"]
    for node in (schema["properties"], dict(definitions)):
        _name_sections(node, definitions)
    for definition in [schema, *schema["$defs"].values()]:
        for field in definition["properties"].values():
            field.pop("title", None)
    registered = (*MODELS.values(), *SOURCES.values())
    for section in (form for kind in registered for form in kind.forms()):
        _require_alternatives(schema["$defs"][section.__name__], section.alternatives)
    return schema


def _name_sections(node: Any, definitions: dict[str, Any]) -> None:
    """Move the sections written out inside `oneOf` to the definitions, where every other section is."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _name_sections(child, definitions)
    if isinstance(node, dict):
        options = [option for option in node.get("oneOf", ()) if "properties" in option]
        for option in options:
            definitions[option["title"]] = option
        if options:
            node["oneOf"] = [{"$ref": f"#/$defs/{option['title']}"} for option in options]


def _require_alternatives(definition: dict[str, Any], groups: tuple[tuple[str, ...], ...]) -> None:
    """Say in the schema that only one of a group may be given; a group without defaults must have one of them."""
    rules: list[dict[str, Any]] = []
    for group in groups:
        if any("default" not in definition["properties"][key] for key in group):
            rules.append({"oneOf": [{"required": [key]} for key in group]})
        else:
            rules.append({"not": {"required": list(group)}})
    if rules:
        definition["allOf"] = rules


def schema_markdown() -> str:
    """Reference of the run card in Markdown: one table of keys per section, made from `card_schema`."""
    schema = card_schema()
    definitions = schema["$defs"]
    parts = [_INTRODUCTION, _table("The card", schema, definitions)]
    order: list[str] = []
    _walk(schema, definitions, order)
    parts += [_table(definitions[name].get("title", name), definitions[name], definitions) for name in order]
    return "\n\n".join(parts) + "\n"


def _walk(node: Any, definitions: dict[str, Any], order: list[str]) -> None:
    """Names of the definitions that `node` refers to, in the order in which a reader meets them."""
    if isinstance(node, dict):
        name = _target(node)
        if name is not None and name not in order:
            order.append(name)
            _walk(definitions[name], definitions, order)
        node = {key: value for key, value in node.items() if key != "$defs"}
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _walk(child, definitions, order)


def _target(node: dict[str, Any]) -> str | None:
    reference = node.get("$ref")
    return reference.rsplit("/", 1)[1] if isinstance(reference, str) else None


def _table(title: str, section: dict[str, Any], definitions: dict[str, Any]) -> str:
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    required = section.get("required", ())
    for key, field in section["properties"].items():
        example = f" Example: `{_plain(field['examples'][0])}`." if field.get("examples") else ""
        default = (
            "required" if key in required else f"`{_default(field['default'])}`" if "default" in field else "one of"
        )
        rows.append(f"| `{key}` | {_kind(field, definitions)} | {default} | {_cell(field['description'])}.{example} |")
    description = " ".join(section.get("description", "").split())
    return f"## {title}\n\n{description}\n\n" + "\n".join(rows)


def _default(value: Any) -> str:
    return "see below" if isinstance(value, dict) and value else _plain(value)


def _plain(value: Any) -> str:
    return _cell(value if isinstance(value, str) else json.dumps(value))


def _cell(text: str) -> str:
    """Text in which a bar, as in |U|, does not end the cell of a table."""
    return text.replace("|", "\\|")


def _kind(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What may stand as the value, in words."""
    target = _target(field)
    if target is not None:
        return f"section {definitions[target].get('title', target)}"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in field:
            kinds = [_kind(option, definitions) for option in field[choice]]
            return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "x-unit" in field:
        return f"{field['x-unit']}"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        items = field.get("items") or field["prefixItems"][0]
        count = f"{len(field['prefixItems'])} × " if "prefixItems" in field else "list of "
        return count + _kind(items, definitions)
    if field.get("type") == "object":
        inner = field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), None)
        return f"mapping of name to {_kind(inner, definitions)}" if inner else "mapping"
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join([field.get("type", "text").replace("string", "text"), ", ".join(bounds)]).strip()


_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<="}
