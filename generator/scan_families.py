"""The channels of a scan: what follows from the model at the points of a row, and which channels share programs."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.chain import Chain, Params, rate_chain
from darkhorn.generator.channel import Build, Channel
from darkhorn.generator.device import as_float64
from darkhorn.generator.scan_device import assemble, prepared

Derived = tuple[list[NDArray[Any]], Any]  # leaves (points, channels, ...) of what follows from models; their structure


def _shape(params: Params) -> Any:
    """Something that is equal for parameters of one structure and of equal shapes."""
    leaves, structure = jax.tree.flatten(params)
    return structure, tuple(np.shape(leaf) for leaf in leaves)


@dataclass
class Derivation:
    """Channels whose parameters are derived by one program, whatever their stages: `Chain.reads` is all it is given."""

    prepare: Any
    numbers: list[int]
    stacked: Any

    def of(self, models: Any) -> Derived:
        """What follows from models, stacked."""
        found, structure = jax.tree.flatten(prepared(self.prepare, self.stacked, models))
        return [np.asarray(leaf) for leaf in found], structure


def derivations_of(build: Build) -> list[Derivation]:
    """The derivations of a Build; every channel is in one."""
    found: dict[Any, tuple[list[int], list[Params]]] = {}
    for number, channel in enumerate(build.channels):
        reads = channel.chain.reads or tuple(channel.params)
        params = {name: channel.params[name] for name in reads if name != "model"}
        numbers, every = found.setdefault((channel.chain.prepare, *_shape(params)), ([], []))
        numbers.append(number)
        every.append(as_float64(params))
    return [
        Derivation(key[0], numbers, jax.tree.map(lambda *leaves: jnp.stack(leaves), *every))
        for key, (numbers, every) in found.items()
    ]


@dataclass
class Family:
    """Channels of a Build with equal chains and parameters of equal shapes, of one derivation (number `derivation`).

    columns  where they are among the channels of the derivation
    """

    chain: Chain
    channels: list[Channel]
    numbers: list[int]  # of the channels in the Build
    derivation: int
    columns: list[int]
    params: list[Params] = field(default_factory=list)
    layout: Any = None
    short: Chain = field(init=False)

    def __post_init__(self) -> None:
        self.params = [as_float64({k: v for k, v in c.params.items() if k != "model"}) for c in self.channels]

    def settle(self, derived: Derived, varies: list[NDArray[np.bool_]]) -> None:
        """Take note of what varies along the rows, (channels,) per leaf: one compilation serves all."""
        leaves, structure = derived
        self.layout = (structure, tuple(bool(v[self.columns].any()) for v in varies))
        self.short = rate_chain(self.chain, assemble(self.params[0], *self.split(leaves, 0, 0), self.layout))

    def split(self, leaves: list[NDArray[Any]], channel: int, points: Any) -> tuple[list[Any], list[Any]]:
        """(shared, varying) numbers of a channel: at one point of the row, or, with a first axis, at a list of them."""
        column, varies = self.columns[channel], self.layout[1]
        shared = [jnp.asarray(x[0, column]) for x, v in zip(leaves, varies, strict=True) if not v]
        return shared, [jnp.asarray(x[points, column]) for x, v in zip(leaves, varies, strict=True) if v]


def families_of(build: Build, derivations: list[Derivation]) -> list[Family]:
    """The families of a Build, in the order of their first channels."""
    place = {number: (d, i) for d, one in enumerate(derivations) for i, number in enumerate(one.numbers)}
    found: dict[Any, list[int]] = {}
    for number, channel in enumerate(build.channels):
        params = {k: v for k, v in channel.params.items() if k != "model"}
        found.setdefault((channel.chain, place[number][0], *_shape(params)), []).append(number)
    return [
        Family(key[0], [build.channels[n] for n in numbers], numbers, key[1], [place[n][1] for n in numbers])
        for key, numbers in found.items()
    ]
