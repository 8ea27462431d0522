"""From the grid of a scan to groups of points that share a Build. Host side."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.card_io import apply_overrides
from darkhorn.generator.channel import Build, Channel, Process
from darkhorn.generator.runcard import RunCard, load_card
from darkhorn.generator.scan_grid import Grid
from darkhorn.generator.scan_result import Scan
from darkhorn.kernels.errors import InputError, PhysicsWarning

# Parameters of a channel that follow from the model: `model` itself is replaced at each point; tables of the flux begin
# at the threshold of the state that is made, and those with the lowest serve all.
_OF_MODEL = ("model", "flux")


Index = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Points that differ in `params["model"]` alone.

    build   channels that serve all of them
    models  flat index -> model pytree
    rows    flat indices of the points of each row along the fast axis
    """

    build: Build
    models: dict[int, Any]
    rows: list[NDArray[np.int64]]


def groups_of(process: Process, scan: Scan, length: int) -> Iterator[Group]:
    """The groups of a scan, one at a time. Points that the card does not allow are refused in `scan`.

    Raises InputError, that of the first point, if no point is allowed.
    """
    grid = scan.grid
    inner = [i for i, axis in enumerate(grid.axes) if axis.key.startswith("model.") and axis.key != "model.name"]
    problems: list[InputError] = []
    found = False

    def refuse(indices: Iterable[Index], error: InputError) -> None:
        problems.append(error)
        for index in indices:
            scan.refuse(grid.flat(index), str(error))

    outer: dict[Index, list[Index]] = {}
    for index in grid.indices():
        outer.setdefault(tuple(n for i, n in enumerate(index) if i not in inner), []).append(index)
    for indices in outer.values():
        kinds: dict[Any, dict[Index, Any]] = {}
        try:
            at = _CardAt(scan.card, grid, inner, indices[0])
        except InputError as error:
            refuse(indices, error)
            continue
        for index in indices:
            try:
                kind, model = process.point(at(index))
            except InputError as error:
                refuse([index], error)
            else:
                kinds.setdefault(kind, {})[index] = model
        for models in kinds.values():
            for build, part in _builds(process, scan, models, refuse):
                found = True
                flat = {grid.flat(index): models[index] for index in part}
                yield Group(build, flat, _rows(grid, part, length))
    if not found:
        raise problems[0]


class _CardAt:
    """The checked card of a point. Only its section `model` is checked again: thousands of times faster."""

    def __init__(self, card: RunCard, grid: Grid, inner: list[int], index: Index) -> None:
        self._grid, self._inner = grid, inner
        rest = {key: v for i, (key, v) in enumerate(grid.overrides(index).items()) if i not in inner}
        self._card = load_card(card, [f"{key}={value}" for key, value in rest.items()]) if rest else card
        self._section = type(self._card.model)
        self._plain = self._card.resolved()["model"]

    def __call__(self, index: Index) -> RunCard:
        from pydantic import ValidationError

        from darkhorn.generator.card_errors import problems_of
        from darkhorn.generator.card_io import read_overrides

        if not self._inner:
            return self._card
        axes = self._grid.axes
        texts = [f"{axes[i].key}={axes[i].values[index[i]]}" for i in self._inner]
        merged = apply_overrides({"model": self._plain}, read_overrides(texts), {}, {"model": self._section})
        try:
            model = self._section.model_validate(merged["model"])
        except ValidationError as error:
            problem = problems_of(error, ("model",))[0]
            raise problem from None
        return self._card.model_copy(update={"model": model})


def _builds(
    process: Process, scan: Scan, models: dict[Index, Any], refuse: Callable[[Iterable[Index], InputError], None]
) -> Iterator[tuple[Build, list[Index]]]:
    """Builds with the points that they serve: one for all if those of the extreme points agree, else one each.

    A point whose card has no Build of its own (its threshold lies above the flux) is served as well: it has no events.
    """
    built: dict[Index, Build] = {}
    said: dict[Index, list[str]] = {}
    problems: list[InputError] = []
    for index in _extremes(list(models)):
        try:
            built[index], said[index] = _build(process, scan, index)
        except InputError as error:
            problems.append(error)
    if not built:
        refuse(models, problems[0])
        return
    best = max(built, key=lambda index: _reach(built[index]))
    for text in said[best]:
        place = ", ".join(f"{key} = {value}" for key, value in scan.grid.overrides(best).items())
        warnings.warn(f"at {place}: {text}; other points may be alike", PhysicsWarning, stacklevel=2)
    if all(_serves(built[best], build) for build in built.values()):
        yield built[best], list(models)
        return
    for index in models:
        try:
            yield (built[index] if index in built else _build(process, scan, index)[0]), [index]
        except InputError as error:
            refuse([index], error)


def _build(process: Process, scan: Scan, index: Index) -> tuple[Build, list[str]]:
    """The Build of a point, and what it warned of."""
    card = load_card(scan.card, [f"{key}={value}" for key, value in scan.grid.overrides(index).items()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build = process.build(card)
    return build, [str(w.message) for w in caught if issubclass(w.category, PhysicsWarning)]


def _extremes(indices: Sequence[Index]) -> list[Index]:
    """Points at the corners and ends of a set: where channels open and close, and thresholds are lowest."""
    axes = range(len(indices[0]))
    found = [pick(indices, key=lambda index: index[i]) for i in axes for pick in (min, max)]
    for signs in itertools.product((-1, 1), repeat=min(len(indices[0]), 4)):
        found.append(max(indices, key=lambda index: sum(s * n for s, n in zip(signs, index, strict=False))))
    return list(dict.fromkeys(found))


def _low(channel: Channel) -> float:
    """Lowest energy of a channel's flux tables, GeV."""
    return float(channel.params["flux"]["low"]) if "flux" in channel.params else 0.0


def _reach(build: Build) -> tuple[int, float]:
    return len(build.channels), -sum(_low(channel) for channel in build.channels)


def _serves(reference: Build, other: Build) -> bool:
    """Whether the channels of `reference`, with another model, are those of `other`."""
    have = {channel.name: channel for channel in reference.channels}

    def rest(channel: Channel) -> Any:
        return {key: value for key, value in channel.params.items() if key not in _OF_MODEL}

    for channel in other.channels:
        own = have.get(channel.name)
        if own is None or own.chain != channel.chain or _low(own) > _low(channel):
            return False
        leaves, structure = jax.tree.flatten(rest(channel))
        own_leaves, own_structure = jax.tree.flatten(rest(own))
        if str(structure) != str(own_structure) or not all(map(np.array_equal, leaves, own_leaves)):
            return False
    return True


def _rows(grid: Grid, indices: Sequence[Index], length: int) -> list[NDArray[np.int64]]:
    """Flat indices by rows of at most `length` points along the fast axis."""
    fast = grid.fast_axis()
    rows: dict[Index, list[int]] = {}
    for index in sorted(indices):
        rows.setdefault(index[:fast] + index[fast + 1 :], []).append(grid.flat(index))
    pieces = []
    for row in rows.values():
        pieces += np.array_split(np.array(row, np.int64), -(-len(row) // length))
    return pieces
