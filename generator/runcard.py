"""The run card: everything a run depends on, read from YAML, checked, and completed with every default.

    card = load_card("microboone", ["model.m4=120 MeV"])
    card.model.m4          0.12 (GeV)
    card.resolved()        the whole card in JSON types, itself a valid card

This module and everything it imports stay free of jax, so that `darkhorn cards` and `--help` answer at once.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import darkhorn.generator.card_broad_pair
import darkhorn.generator.card_sources  # noqa: F401  (registers itself)
from darkhorn.generator.card_document import SCHEMA_VERSION, RunCard, check_schema_version
from darkhorn.generator.card_errors import CardErrors, problems_of, shown
from darkhorn.generator.card_io import (
    HDF5_SIGNATURE,
    MAX_BYTES,
    Overrides,
    apply_overrides,
    decode,
    find_card,
    line_numbers,
    parse_yaml,
    read_overrides,
)
from darkhorn.generator.card_models import (
    MODELS,
    SOURCES,
    Generate,
    Output,
    register_model,
    register_source,
)
from darkhorn.generator.card_physics import Physics
from darkhorn.generator.card_places import Detector, detector_by_name
from darkhorn.generator.card_sections import Section
from darkhorn.kernels.errors import InputError, did_you_mean

CARDS_FOLDER = Path(__file__).parent / "cards"


def load_card(card: str | Path | Mapping[str, Any] | RunCard, overrides: Overrides | str = ()) -> RunCard:
    """Read, override and check a run card.

    card       name of a shipped card, path of a YAML file, path of an HDF5 file of ours (its stored card), "-" for
               standard input, a mapping with the content of a card, or a RunCard
    overrides  {"model.m4": "120 MeV"} or ["model.m4=120 MeV"]; applied before the check. A key that excludes another
               one of the card (umu4_sq and umu4) replaces it.

    Raises InputError; CardErrors, with all problems, if the content is wrong.
    """
    if isinstance(card, RunCard):
        return _checked(card.resolved(), card.text, card.name, card.folder, overrides)
    if isinstance(card, Mapping):
        return _checked(card, _as_text(card), "card", None, overrides)
    if str(card) == "-":
        text = decode(_standard_input(), "standard input")
        return parse_card(text, "standard input", overrides)
    path = find_card(str(card), CARDS_FOLDER)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "a file that cannot be read"
        raise InputError(
            f"card {shown(str(card))}", reason, "a file that can be read", "Check its permissions."
        ) from None
    if raw.startswith(HDF5_SIGNATURE) or path.suffix in (".h5", ".hdf5"):
        text = card_from_events(path)
        return _checked(parse_yaml(text, str(card)), text, str(card), path.parent, overrides)
    return parse_card(decode(raw, str(card)), str(card), overrides, path.parent)


def parse_card(text: str, name: str = "card", overrides: Overrides | str = (), folder: Path | None = None) -> RunCard:
    """The checked card of a YAML text. `folder` is where its relative paths start. Raises as `load_card`."""
    return _checked(parse_yaml(text, name), text, name, folder, overrides)


def _as_text(card: Mapping[str, Any]) -> str:
    try:
        return json.dumps(card, indent=2, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, or a mapping inside itself: refused below
        return shown(card)


def _standard_input() -> bytes:
    buffer = getattr(sys.stdin, "buffer", None)
    return buffer.read(MAX_BYTES + 1) if buffer else sys.stdin.read(MAX_BYTES + 1).encode()


def _checked(data: Any, text: str, name: str, folder: Path | None, overrides: Overrides | str) -> RunCard:
    if data is None:
        do = "Start from a shipped card: `darkhorn cards show microboone`."
        raise InputError(name, "an empty card", "`key: value` lines", do)
    if not isinstance(data, Mapping):
        raise InputError(name, shown(data), "a mapping: `key: value` lines", "Start with `schema: 1`.")
    given = read_overrides(overrides)
    sections = _chosen_sections(data)
    merged = apply_overrides(data, given, {"detector": detector_by_name}, sections)
    try:
        # Another version has other keys, so nothing else of the card can be judged.
        check_schema_version(merged.get("schema"))
    except InputError as error:
        raise _located([InputError("schema", error.found, error.allowed, error.do)], text, name, given) from None
    try:
        made = RunCard.model_validate(merged)
    except ValidationError as error:
        problems = [_with_section_hint(problem) for problem in problems_of(error)]
        raise _located(problems, text, name, given) from None
    made.remember(text, name, folder)
    return made


def _located(problems: list[InputError], text: str, name: str, given: Mapping[str, object]) -> CardErrors:
    lines = line_numbers(text, [problem.where for problem in problems])
    for problem in problems:
        where = problem.where
        inside = any(where == key or where.startswith((f"{key}.", f"{key}[")) for key in given)
        if inside or (where not in lines and any(key.startswith(f"{where}.") for key in given)):
            lines[where] = "override"
    return CardErrors(problems, name, lines)


def _chosen_sections(data: Mapping[str, Any]) -> dict[str, type[Section]]:
    model = data.get("model")
    name = model.get("name") if isinstance(model, Mapping) else None
    section = MODELS.get(name) if isinstance(name, str) else None
    return {"model": section} if section else {}


def _with_section_hint(problem: InputError) -> InputError:
    """An unknown key at the top of the card that is known inside a section: say which."""
    if problem.found != "an unknown key" or "." in problem.where:
        return problem
    classes: dict[str, type[Section]] = {
        "physics": Physics,
        "generate": Generate,
        "output": Output,
        "detector": Detector,
    }
    tables = {"model": MODELS, "source": SOURCES}
    inside = [section for section, cls in classes.items() if problem.where in cls.known_keys()]
    inside += [s for s, table in tables.items() if any(problem.where in cls.known_keys() for cls in table.values())]
    if not inside:
        return problem
    return InputError(problem.where, problem.found, problem.allowed, f"Did you mean `{inside[0]}.{problem.where}`?")


def card_from_events(path: Path) -> str:
    """The resolved card that an event file of ours carries, JSON text: dataset `/config/card_resolved`."""
    import h5py

    allowed = "an event file written by darkhorn"
    try:
        with h5py.File(path, "r") as file:
            stored = file["config/card_resolved"][()]
    except (KeyError, TypeError):  # not there, or a group
        raise InputError(str(path), "an HDF5 file without a card", allowed, "Give a run card instead.") from None
    except (OSError, RuntimeError):
        raise InputError(str(path), "no HDF5 file, or a truncated one", allowed, "Check the file.") from None
    text = stored.decode("utf-8", "replace") if isinstance(stored, bytes) else stored
    if not isinstance(text, str):
        raise InputError(str(path), "a stored card that is no text", allowed, "Give a run card instead.")
    return text


def list_cards() -> list[str]:
    """Names of the cards that ship with darkhorn."""
    return sorted(path.stem for path in CARDS_FOLDER.glob("*.yaml"))


def show_card(name: str) -> str:
    """The text of a shipped card, with its comments. InputError for an unknown name."""
    if name not in list_cards():
        known = list_cards()
        raise InputError("card", shown(name), ", ".join(known), did_you_mean(name[:60], known).strip() or "Choose one.")
    return (CARDS_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


__all__ = [
    "SCHEMA_VERSION",
    "CardErrors",
    "RunCard",
    "card_from_events",
    "list_cards",
    "load_card",
    "parse_card",
    "register_model",
    "register_source",
    "show_card",
]
