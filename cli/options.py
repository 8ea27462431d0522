"""Arguments and options that several commands share, and their types."""

import re
from collections.abc import Callable
from typing import Any

import click

from darkhorn.cli.messages import settings_options
from darkhorn.kernels.errors import InputError


def cli_command(name: str, examples: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command with -v, -q and the examples below its help."""
    epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines())

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, epilog=epilog, cls=click.Command, **settings)(function)
        made.params += settings_options()
        return made

    return decorate


card_argument = click.argument("card", metavar="CARD")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an existing output.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help='Change a value of the card, for example "model.m4=120 MeV". May be repeated.',
)
seed_option = click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Random seed [default: the card's].")
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)


def number_of_events(text: str | None) -> int | None:
    """'100000' or '1e6'; click.UsageError otherwise."""
    if text is None:
        return None
    try:
        number = int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 2**48 or number != int(number):
        raise click.UsageError(f"-n: {text!r} is not a whole number from 1 to 2^48, such as 100000 or 1e6.")
    return int(number)


class ShardType(click.ParamType):  # type: ignore[type-arg]
    """`i/n` with 0 <= i < n."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(i, n)."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", str(value))
        if match is None or not int(match[1]) < int(match[2]):
            self.fail(f"{value!r} is not i/n with 0 <= i < n: shards are counted from 0, so the last of 7 is 6/7.")
        return int(match[1]), int(match[2])


class QuantityType(click.ParamType):  # type: ignore[type-arg]
    """Text with a unit, to the number in the internal unit; with `bare`, a unit may be left out."""

    def __init__(self, dimension: str, bare: str = "") -> None:
        self.name, self._dimension, self._bare = dimension, dimension, bare

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in the internal unit."""
        from darkhorn.kernels.units import parse_quantity

        if isinstance(value, float):
            return value
        try:
            number = float(value) if self._bare else None
        except ValueError:
            number = None
        try:
            return parse_quantity(str(value) if number is None else f"{value} {self._bare}", self._dimension, "value")
        except InputError as error:
            self.fail(f"found {error.found}; allowed: {error.allowed}. {error.do}")


class EnergiesType(click.ParamType):  # type: ignore[type-arg]
    """One energy, or `first:last:number[:log]`, to a list of GeV."""

    name = "energies"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Energies in GeV."""
        if isinstance(value, list):
            return value
        energy = QuantityType("energy")
        parts = [part.strip() for part in str(value).split(":")]
        if len(parts) == 1:
            return [self._positive(energy.convert(parts[0], param, ctx), value)]
        if len(parts) not in (3, 4) or not parts[2].isdigit() or parts[3:] not in ([], ["log"]):
            self.fail(f"{value!r} is neither an energy nor a range such as '0.2 GeV:3 GeV:30' or '...:30:log'.")
        first, last = (self._positive(energy.convert(part, param, ctx), value) for part in parts[:2])
        n = int(parts[2])
        if not 2 <= n <= 100_000 or not first < last:
            self.fail(f"{value!r}: a range needs first < last and 2 to 100000 energies.")
        steps = [i / (n - 1) for i in range(n)]
        if parts[3:]:
            return [first * (last / first) ** s for s in steps[:-1]] + [last]
        return [first + (last - first) * s for s in steps[:-1]] + [last]

    def _positive(self, energy: float, value: Any) -> float:
        if not energy > 0:
            self.fail(f"{value!r}: an energy must be above 0.")
        return energy


def no_standard_stream(name: str, option: str) -> None:
    """Raise InputError for `-` where a file is needed."""
    if name == "-":
        raise InputError(option, "`-`, a standard stream", "the name of a file", "Event files cannot be piped.")
