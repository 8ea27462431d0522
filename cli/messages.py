"""What the commands say: notes on standard error, tables and JSON on standard output."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass
class Settings:
    """How much a command says."""

    verbose: bool = False
    quiet: bool = False


def _set(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(settings(ctx), name, True)

    return callback


def settings_options() -> list[click.Parameter]:
    """The options -v and -q, which may stand before or after the name of the command."""
    common: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True}
    text = "Show the traceback of an error."
    return [
        click.Option(["-q", "--quiet"], callback=_set("quiet"), help="No notes, only results and errors.", **common),
        click.Option(["-v", "--verbose"], callback=_set("verbose"), help=text, **common),
    ]


def settings(ctx: click.Context | None = None) -> Settings:
    """The settings of the running command."""
    here = ctx or click.get_current_context(silent=True)
    found = here.find_object(Settings) if here else None
    return found or Settings()


def say(text: str) -> None:
    """A line on standard error; silent if nobody listens there any more."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def note(text: str) -> None:
    """A line on standard error unless -q was given."""
    if not settings().quiet:
        say(text)


def print_json(value: Any) -> None:
    """One JSON document on standard output; numbers that JSON does not have (nan, inf) become null."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], last_is_total: bool = False) -> None:
    """A table on standard output: ruled on a terminal, aligned text elsewhere. Columns of numbers are right-aligned."""
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(titles))]
    if sys.stdout.isatty():
        _rich_table(titles, rows, numeric, last_is_total)
        return
    widths = [max(len(line[i]) for line in [titles, *rows]) for i in range(len(titles))]
    for line in [titles, *rows]:
        cells = [
            text.rjust(w) if right else text.ljust(w) for text, w, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _is_number(text: str) -> bool:
    head = text.split(" ")[0]
    return not text or head[:1].isdigit() or head[:2] in ("<0", "-0") or head in ("inf", "stable")


def _rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: list[bool], total: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, right in zip(titles, numeric, strict=True):
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for number, row in enumerate(rows):
        last = total and number == len(rows) - 1
        table.add_row(*row, style="bold" if last else None, end_section=total and number == len(rows) - 2)
    Console(highlight=False).print(table)


def with_error(value: float, error: float) -> str:
    """256.042, 0.1096 -> '256.04 ± 0.11': the error to two digits, the value to the same place."""
    if not (error > 0 and math.isfinite(value) and math.isfinite(error)):
        return f"{value:.6g}"
    place = math.floor(math.log10(error)) - 1
    size = max(abs(value), error)
    if size >= 1e6 or size < 1e-3:
        power = math.floor(math.log10(size))
        digits = max(power - place, 0)
        return f"({value / 10.0**power:.{digits}f} ± {error / 10.0**power:.{digits}f})e{power:+03d}"
    digits = max(-place, 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def length(cm: float) -> str:
    """A length in cm with a unit that keeps the number between 1 and 1000."""
    return _scaled(cm, [(1e-7, "nm"), (1e-4, "um"), (1e-1, "mm"), (1.0, "cm"), (1e2, "m"), (1e5, "km")])


def width(gev: float) -> str:
    """A width in GeV with a unit that keeps the number between 1 and 1000 where there is one."""
    return _scaled(gev, [(1e-9, "eV"), (1e-6, "keV"), (1e-3, "MeV"), (1.0, "GeV")])


def _scaled(value: float, units: list[tuple[float, str]]) -> str:
    if not math.isfinite(value):
        return "stable"
    size, name = next((u for u in reversed(units) if abs(value) >= u[0]), units[0])
    return f"{value / size:.4g} {name}"


def size(n: float) -> str:
    """Bytes with a decimal unit: 1.23 GB."""
    return "0 B" if n < 1 else _scaled(n, [(1, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")])
