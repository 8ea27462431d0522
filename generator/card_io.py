"""From text to the plain mapping of a run card: YAML 1.2 read safely, its line numbers, and overrides."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from darkhorn.generator.card_errors import join_path, shown
from darkhorn.generator.card_sections import Section
from darkhorn.kernels.errors import InputError, did_you_mean

MAX_BYTES = 1_000_000  # a card is a page of text; anything larger is another kind of file
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_WHAT = "a run card: YAML text with `key: value` lines"
Overrides = Mapping[str, object] | Sequence[str]


def decode(raw: bytes, name: str) -> str:
    """The text of a card. InputError if it is too large, or not UTF-8 text."""
    if len(raw) > MAX_BYTES:
        raise InputError(name, f"more than {MAX_BYTES} bytes", "a run card of at most 1 MB", "Is this a data file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"a byte at position {error.start} that is no UTF-8 text"
        raise InputError(name, found, _WHAT, "Is this a binary file? Save a card as UTF-8 text.") from None
    if "\0" in text:
        raise InputError(name, "a binary file", _WHAT, "Give the path of a text file.")
    return text


def parse_yaml(text: str, name: str) -> Any:
    """The content of a YAML 1.2 text: plain values only, never code. InputError with line and column otherwise."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise InputError(where, *_explained(str(error.problem or error.context))) from None
    except RecursionError:
        raise InputError(name, "brackets nested too deeply", _WHAT, "Give a run card.") from None
    except Exception as error:  # the parser passes on whatever int(), datetime() and others raise on strange scalars
        raise InputError(name, f"text that YAML cannot read ({shown(str(error))})", _WHAT, "Correct it.") from None


def _explained(problem: str) -> tuple[str, str, str]:
    """(found, allowed, do) for a problem named by the YAML parser."""
    first = problem.splitlines()[0] if problem else "bad YAML"
    if "'\\t'" in first:
        return "a tab", "spaces for indentation", "Replace the tab by spaces; YAML forbids tabs there."
    if "duplicate key" in first:
        return first.removeprefix("found ").split(" with value")[0], "each key once", "Remove one of them."
    if "constructor for the tag" in first:
        return first.split("constructor for ")[1], "plain values", "Remove the tag (`!...`): a card never runs code."
    if "another document" in first:
        return "a second document (`---`)", "one card per file", "Remove the line `---`, or split the file."
    if "mapping values are not allowed" in first:
        return "a second `:` on the line", "one `key: value` per line", "Check the indentation, or quote the text."
    do = "Check the brackets, quotes and indentation at this place."
    if "could not find expected ':'" in first:
        return "a key without `:`", "`key: value`", do
    wanted, but, found = first.replace("but got", "but found").partition(", but found ")
    if but:
        return found.replace("'<stream end>'", "the end of the card"), wanted.removeprefix("expected "), do
    return first.removeprefix("found "), "YAML 1.2", do


def line_numbers(text: str, places: Iterable[str]) -> dict[str, str]:
    """For each dotted place of a card that is there, or whose section is: "line N"."""
    from ruamel.yaml import YAML

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = YAML(typ="safe", pure=True).compose(text)
    except Exception:  # the text was read once without an error; a missing line number must not hide the real problem
        return {}
    lines: dict[str, int] = {}
    _collect(root, (), lines, 0)
    found = {}
    for place in places:
        known = place
        while known and known not in lines:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        if known:
            found[place] = f"line {lines[known]}"
    return found


def _collect(node: Any, path: tuple[int | str, ...], lines: dict[str, int], depth: int) -> None:
    if depth > 6 or len(lines) > 20000:  # deeper than any card; also ends on anchors that contain themselves
        return
    children = getattr(node, "value", None)
    if not isinstance(children, list):
        return
    for index, child in enumerate(children):
        key, value = child if isinstance(child, tuple) else (child, child)
        part = str(key.value) if isinstance(child, tuple) else index
        lines[join_path((*path, part))] = key.start_mark.line + 1
        _collect(value, (*path, part), lines, depth + 1)


def read_overrides(overrides: Overrides | str) -> dict[str, object]:
    """{'model.m4': '120 MeV'} from that mapping, or from ['model.m4=120 MeV', ...] whose values are read as YAML."""
    if isinstance(overrides, Mapping):
        return {str(key): value for key, value in overrides.items()}
    result: dict[str, object] = {}
    for entry in [overrides] if isinstance(overrides, str) else overrides:
        key, equals, value = str(entry).partition("=")
        key = key.strip()
        if not equals or not re.fullmatch(r"[\w+-]+(\.[\w+-]+)*", key):
            raise InputError("override", shown(entry), "key=value with a dotted key", "For example `model.m4=120 MeV`.")
        result[key] = parse_yaml(value, f"override {key}") if len(value) < MAX_BYTES else value
    return result


def apply_overrides(
    data: Mapping[str, Any],
    overrides: Mapping[str, object],
    shorthands: Mapping[str, Any],
    sections: Mapping[str, type[Section]],
) -> dict[str, Any]:
    """A copy of the card's mapping with the dotted keys set.

    shorthands  top-level key -> function from the text form of that section to its mapping
    sections    top-level key -> class of that section, for the groups of keys that replace each other
    Only the mappings on the way are copied, so that sections sharing a YAML anchor stay independent.
    """
    result = dict(data)
    for dotted, value in overrides.items():
        parts = dotted.split(".")
        here = result
        for depth, part in enumerate(parts[:-1]):
            inner = here.get(part)
            if depth == 0 and isinstance(inner, str) and part in shorthands:
                inner = shorthands[part](inner)
            if inner is not None and not isinstance(inner, Mapping):
                section = ".".join(parts[: depth + 1])
                do = f"Override `{section}` as a whole."
                raise InputError(dotted, f"{section} = {shown(inner)}", f"a section as `{section}`", do)
            here[part] = dict(inner or {})
            here = here[part]
        groups = sections[parts[0]].alternatives if len(parts) == 2 and parts[0] in sections else ()
        for group in groups:
            if parts[-1] in group:
                for rival in group:
                    if f"{parts[0]}.{rival}" not in overrides:
                        here.pop(rival, None)
        here[parts[-1]] = value
    return result


def find_card(name: str, folder: Path) -> Path:
    """The path of a card: that of a shipped card for a bare name, else the path itself. InputError if there is none."""
    shipped = {path.stem: path for path in folder.glob("*.yaml")}
    if name in shipped:
        return shipped[name]
    path = Path(name).expanduser()
    allowed = f"a path, or one of the shipped cards {', '.join(sorted(shipped))}"
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a zero byte
        exists = is_folder = False
    if is_folder:
        raise InputError(f"card {shown(name)}", "a folder", allowed, "Give the path of a file.")
    if exists:
        return path
    near = did_you_mean(path.stem[:60], sorted(shipped))
    raise InputError(f"card {shown(name)}", "no such file", allowed, near.strip() or "Check the path.")
