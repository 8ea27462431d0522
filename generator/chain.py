"""The one idea: an event is a pure function of its parameters and of uniform numbers.

    columns, weight = chain(params, u),   u in [0, 1)^D, one row per dimension, one column per event

A stage names the uniforms it eats, reads what earlier stages made, and returns new columns and ONE weight factor (or
none).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

Params = Mapping[str, Any]  # pytree of arrays: masses, couplings, source and detector numbers; traced, never static
State = dict[str, jax.Array]  # columns of a block of events, each of shape (n,)


@dataclass(frozen=True)
class Stage:
    """One step of a chain: `run(params, state, u) -> (new columns, weight factor)`.

    name   the factor is stored as the column `w_<name>`
    dims   names of the uniforms it eats, one row of u each
    adapt  those of them that the importance map of the channel warps (the others are already flat in the weight)
    weighs  it has a factor; a stage that only makes columns returns None for it
    density  the model's density in the factor, as a function of the columns of a stored event (names as in the file):
             its ratio between two sets of parameters is the change of the factor, whatever the event was sampled with
    """

    name: str
    dims: tuple[str, ...]
    run: Callable[[Params, State, Sequence[jax.Array]], tuple[State, jax.Array | None]]
    adapt: tuple[str, ...] = ()
    weighs: bool = True
    density: Callable[[Params, State], jax.Array] | None = None


@dataclass(frozen=True)
class Chain:
    """A tuple of stages: the static part of a channel. Channels with equal chains share one compiled program.

    `prepare` derives from the parameters that a user sets (masses, couplings) those that the stages read (vertices,
    widths, lifetimes), inside the compiled program: gradients and scans then see the whole dependence.
    """

    stages: tuple[Stage, ...]
    prepare: Callable[[Params], Params] = dict
    dims: tuple[str, ...] = field(init=False)
    adapted: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        dims = tuple(f"{stage.name}.{dim}" for stage in self.stages for dim in stage.dims)
        adapt = {f"{stage.name}.{dim}" for stage in self.stages for dim in stage.adapt}
        if len(set(dims)) != len(dims) or not adapt <= set(dims):
            raise ValueError(f"stages must have distinct dimensions and adapt only their own: {dims}, {adapt}")
        object.__setattr__(self, "dims", dims)
        object.__setattr__(self, "adapted", tuple(i for i, dim in enumerate(dims) if dim in adapt))

    @property
    def bare(self) -> "Chain":
        """The same stages for parameters that `prepare` has already been applied to: a smaller program, shared by all
        models that have these stages.
        """
        return Chain(self.stages)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the columns with the factors of the weight."""
        return tuple(f"w_{stage.name}" for stage in self.stages if stage.weighs)

    def __call__(self, params: Params, u: Sequence[jax.Array]) -> State:
        """Columns of the events u, D rows of shape (n,): what the stages made, `w_<stage>` for each factor and
        `weight`, their product.
        """
        params = self.prepare(params)
        state: State = {}
        weight = jnp.ones_like(u[0])
        row = 0
        for stage in self.stages:
            rows = len(stage.dims)
            new, factor = stage.run(params, state, u[row : row + rows])
            state, row = {**state, **new}, row + rows
            if factor is not None:
                factor = jnp.broadcast_to(factor, weight.shape)
                state[f"w_{stage.name}"] = factor
                weight = weight * factor
        return {**state, "weight": weight}
