"""Errors of a run card: all problems of a card at once, each with its place."""

import reprlib
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from darkhorn.kernels.errors import DarkhornError, InputError

_LONGEST = 80  # characters of the user's text that a message repeats
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist = 2, 3, 4

# pydantic's own error types -> (what is allowed, what to do)
_ALLOWED = {
    "missing": ("a value (this key has no default)", "Add the key."),
    "string_type": ("text", "Write a name or a text."),
    "dict_type": ("a section of keys and values", "Write `key: value` lines, indented, below it."),
}


class CardErrors(InputError):
    """All problems of one run card. Its parts `where`, `found`, `allowed`, `do` are those of the first problem.

    problems  the errors, at least one, in the order of the card's sections
    card      name or path of the card; empty while a section is being checked
    lines     where -> text such as "line 14" that is put in front of that problem
    """

    def __init__(self, problems: Sequence[InputError], card: str = "", lines: Mapping[str, str] | None = None) -> None:
        first = problems[0]
        super().__init__(first.where, first.found, first.allowed, first.do)
        self.problems, self.card, self.lines = tuple(problems), card, dict(lines or {})
        rows = [f"{self.lines[p.where]}: {p}" if p.where in self.lines else str(p) for p in problems]
        title = f"{card}: " if card else ""
        self.args = (title + rows[0] if len(rows) == 1 else f"{title}{len(rows)} problems\n  " + "\n  ".join(rows),)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:  # type: ignore[override]
        return type(self), (self.problems, self.card, self.lines)


def shown(value: object) -> str:
    """A value for a message: on one line, in quotes if it is text, and short however large it is."""
    if value is None:
        return "nothing (an empty value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return _one_line(_REPR.repr(value))
    except ValueError:  # an integer with more digits than Python prints
        return "a very long number"


def _one_line(text: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 3] + "..."


def join_path(parts: Sequence[int | str]) -> str:
    """('volumes', 'tpc', 'size', 0) -> 'volumes.tpc.size[0]'."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def problems_of(error: ValidationError | InputError, prefix: Sequence[int | str] = ()) -> list[InputError]:
    """Every problem in a (nested) validation error, with its full dotted place."""
    if isinstance(error, CardErrors):
        return [problem for inner in error.problems for problem in problems_of(inner, prefix)]
    if isinstance(error, InputError):
        found = error.found if isinstance(error.found, str) else shown(error.found)
        inside = error.where if not prefix or not error.where or error.where.startswith("[") else f".{error.where}"
        return [InputError(join_path(prefix) + inside, _one_line(found), error.allowed, error.do)]
    found_problems: list[InputError] = []
    for item in error.errors(include_url=False):
        path = (*prefix, *(part for part in item["loc"] if part != "[key]"))
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, InputError | ValidationError):
            found_problems += problems_of(cause, path)
        else:
            found_problems.append(_plain_problem(item, path))
    return found_problems


def _plain_problem(item: ErrorDetails, path: Sequence[int | str]) -> InputError:
    allowed, do = _ALLOWED.get(item["type"], (item["msg"], "Correct this value."))
    found = "nothing" if item["type"] == "missing" else shown(item["input"])
    return InputError(join_path(path), found, allowed, do)


__all__ = ["CardErrors", "DarkhornError", "join_path", "problems_of", "shown"]
