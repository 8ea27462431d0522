"""The grid of a scan: axes from `key=low:high:n[:log]` or `key=a,b,c`, and the overrides of each of its points."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.card_errors import shown
from darkhorn.kernels.errors import InputError

MAX_POINTS = 10_000_000
# units of couplings: none, or those of a magnetic moment
COUPLINGS = ("", "GeV^-1", "MeV^-1", "TeV^-1", "mu_B")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z][A-Za-z0-9_/^-]*)?\s*")
_RANGE = "low:high:n, low:high:n:log or a list a,b,c, such as `50 MeV:400 MeV:100` or `1e-12:1e-6:100:log`"


@dataclass(frozen=True)
class Axis:
    """One axis of a grid.

    key     dotted key of the card
    values  what the card is given at each point, as text
    number  the same as numbers in `unit`; None for words
    unit    unit of the numbers; "" for none
    scale   "linear", "log" or "list"
    """

    key: str
    values: tuple[str, ...]
    number: tuple[float, ...] | None
    unit: str
    scale: str

    def __len__(self) -> int:
        return len(self.values)

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers of an axis that has some."""
        return np.asarray(self.number, np.float64)


def parse_axis(text: str) -> Axis:
    """An axis from `key=low:high:n[:log]` or `key=a,b,c`. Raises InputError."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not re.fullmatch(r"[\w+-]+(\.[\w+-]+)*", key):
        raise InputError("--grid", shown(text), f"key={_RANGE}", "For example `model.m4=50 MeV:400 MeV:100`.")
    return axis_of(key, value)


def axis_of(key: str, value: "str | Sequence[Any] | Axis") -> Axis:
    """An axis of the card's `key` from the text of a range or a list, or from a sequence of values."""
    where = f"--grid {key}"
    if isinstance(value, Axis):
        return value
    if not isinstance(value, str):
        return _listed(key, [_text(item) for item in value], where)
    parts = [part.strip() for part in value.split(":")]
    if len(parts) == 1:
        return _listed(key, [part.strip() for part in value.split(",")], where)
    if len(parts) not in (3, 4) or not parts[2].isdigit() or parts[3:] not in ([], ["log"]):
        raise InputError(where, shown(value), _RANGE, "Check the colons.")
    low, high = _quantity(parts[0], where), _quantity(parts[1], where)
    n, log = int(parts[2]), bool(parts[3:])
    unit = high[1] or low[1]
    if low[1] and low[1] != unit:
        raise InputError(where, f"{low[1]} and {unit}", "one unit for both ends", f"Give both ends in {unit}.")
    if not 2 <= n <= MAX_POINTS:
        raise InputError(where, f"{n} points", f"2 to {MAX_POINTS}", "For one value use --set.")
    if not low[0] < high[0] or (log and not low[0] > 0):
        allowed = "0 < low < high" if log else "low < high"
        raise InputError(where, f"{parts[0]} to {parts[1]}", allowed, "Swap or change the ends.")
    steps = [i / (n - 1) for i in range(n)]
    if log:
        ends = math.log(low[0]), math.log(high[0])
        numbers = [math.exp(ends[0] * (1 - s) + ends[1] * s) for s in steps]
        numbers[0], numbers[-1] = low[0], high[0]
    else:
        numbers = [low[0] * (1 - s) + high[0] * s for s in steps]
    return Axis(key, tuple(_with_unit(x, unit) for x in numbers), tuple(numbers), unit, "log" if log else "linear")


def _listed(key: str, words: list[str], where: str) -> Axis:
    if not words or any(not word for word in words):
        raise InputError(where, shown(",".join(words)), _RANGE, "Give values separated by commas.")
    if len(set(words)) < len(words):
        raise InputError(where, shown(",".join(words)), "different values", "Remove the repeated ones.")
    found = [_NUMBER.fullmatch(word) for word in words]
    numbers = [m for m in found if m is not None]
    units = {m[2] or "" for m in numbers}
    if len(numbers) < len(words) or len(units) > 1:
        return Axis(key, tuple(words), None, "", "list")
    return Axis(key, tuple(words), tuple(float(m[1]) for m in numbers), units.pop(), "list")


def _quantity(text: str, where: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(where, shown(text), "a number, with its unit", f"The form is {_RANGE}.")
    return float(match[1]), match[2] or ""


def _with_unit(number: float, unit: str) -> str:
    return f"{number!r} {unit}".strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)


@dataclass(frozen=True)
class Grid:
    """The points of a scan: the product of its axes, the last axis running fastest."""

    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, grid: "Grid | Mapping[str, Any] | Sequence[str]") -> "Grid":
        """From {key: range text or values}, or from texts `key=range`. Raises InputError."""
        if isinstance(grid, Grid):
            return grid
        if isinstance(grid, Mapping):
            axes = tuple(axis_of(str(key), value) for key, value in grid.items())
        else:
            axes = tuple(parse_axis(text) for text in grid)
        keys = [axis.key for axis in axes]
        if not axes:
            raise InputError("--grid", "nothing", "at least one axis", f"Add `--grid key={_RANGE}`.")
        if len(set(keys)) < len(keys):
            raise InputError("--grid", "the same key twice", "one axis per key", "Merge them into a list.")
        made = cls(axes)
        if made.size > MAX_POINTS:
            raise InputError("--grid", f"{made.size} points", f"at most {MAX_POINTS}", "Take fewer, or several scans.")
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Multi-index of every point, in the order of the flat arrays."""
        return itertools.product(*(range(n) for n in self.shape))

    def flat(self, index: Sequence[int]) -> int:
        """Position of a point in the flat arrays."""
        return int(np.ravel_multi_index(tuple(index), self.shape))

    def overrides(self, index: Sequence[int]) -> dict[str, str]:
        """What the card is given at a point."""
        return {axis.key: axis.values[i] for axis, i in zip(self.axes, index, strict=True)}

    def fast_axis(self) -> int:
        """The axis along which points share their random numbers and all that is computed from masses alone: the
        longest one of couplings (numbers without a unit, magnetic moments), else the last.
        """
        couplings = [i for i, axis in enumerate(self.axes) if axis.number is not None and axis.unit in COUPLINGS]
        couplings = [i for i in couplings if self.axes[i].key.startswith("model.")]
        return max(couplings, key=lambda i: len(self.axes[i]), default=len(self.axes) - 1)
