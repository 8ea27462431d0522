"""Errors that a user can act on. Every message says where, what was found, what is allowed and what to do."""

from collections.abc import Sequence


class DarkhornError(Exception):
    """Base of all errors shown without a traceback. `exit_code` is the exit status of the command."""

    exit_code = 1

    def __init__(self, where: str, found: object, allowed: str, do: str) -> None:
        self.where, self.found, self.allowed, self.do = where, found, allowed, do
        shown = found if isinstance(found, str) else repr(found)
        super().__init__(f"{where}: found {shown}; allowed: {allowed}. {do}")

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        return type(self), (self.where, self.found, self.allowed, self.do)


class InputError(DarkhornError, ValueError):
    """A card, a flux or event file, or an argument that cannot be used. Exit status 3."""

    exit_code = 3


class OutputError(DarkhornError, OSError):
    """An output that cannot be written: it exists, its folder is read-only, the disk is full. Exit status 4."""

    exit_code = 4


class ValidationFailed(DarkhornError):
    """A file that was read but does not hold what it promises. Exit status 5."""

    exit_code = 5


class Interrupted(DarkhornError):
    """Stopped by SIGTERM with the file left resumable. Exit status 75 (EX_TEMPFAIL)."""

    exit_code = 75


class PhysicsWarning(UserWarning):
    """A card asks for something near or beyond the edge of what this version describes."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """'Did you mean `x`? ' for the nearest known word, or an empty string."""
    import difflib

    near = difflib.get_close_matches(word, known, n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(f'`{n}`' for n in near)}? " if near else ""
