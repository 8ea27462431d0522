"""The one idea: an event is a pure function of its parameters and of uniform numbers.

    columns, weight = chain(params, u),   u in [0, 1)^D, one row per dimension, one column per event

A stage names the uniforms it eats, reads what earlier stages made, and returns new columns and ONE weight factor (or
none).
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

NODES = 16  # of the mean over flights: what a flight leads to varies little over it, or over few events
Params = Mapping[str, Any]  # pytree of arrays: masses, couplings, source and detector numbers; traced, never static
State = dict[str, jax.Array]  # columns of a block of events, each of shape (n,)


@dataclass(frozen=True)
class Stage:
    """One step of a chain: `run(params, state, u) -> (new columns, weight factor)`.

    name   the factor is stored as the column `w_<name>`
    dims   names of the uniforms it eats, one row of u each
    adapt  those of them that the importance map of the channel warps (the others are already flat in the weight)
    weighs  it has a factor; a stage that only makes columns returns None for it
    expected  `(params, state) -> (n,)`: the mean of the factor over the stage's own uniforms, where it is known without
             sampling (a branching ratio): for `rate_chain`

    What follows is for reweighting, which changes the model under events that exist. `params` are prepared ones,
    `state` holds the stored columns under the names that `run` uses, (n,) each.

    density  `(params, state) -> (n,)`: the probability density, or rate, with which the model makes what this stage
             sampled, in coordinates that do not depend on the model (Q^2, momenta, positions), up to a factor that does
             not either. It is the function that `run` weights with: the factor of `run` is density / density of the
             sampling. New factor = old factor x density(new) / density(old); the ratio goes to `w_<name>`, or to
             `w_sampling` if the stage does not weigh. It must be finite, and positive wherever `run` can go.
             None says that neither the columns nor the factor of `run` depend on the model at fixed state and u
             (tests/generator/test_reweighting.py holds every chain to that).
    summed   the factor of `run` (1 if it does not weigh) does not depend on the last uniform that the stage eats: it is
             the integral of the density over that one. Reweighting then knows what the sum of weights should be, and
             sees what no event has reached. Factors of stages that are not summed must not depend on its columns.
    covers   `(params made with, params wanted) -> reasons`: texts that say why events made with the one cannot stand
             for the other, whatever their weight: another mass of a particle on its shell, an outcome that was never
             drawn. Host side; `same` makes the usual ones. None: they always can.
    restore  `state -> state`: for a stage that renames columns, the names that the stages before it use
    """

    name: str
    dims: tuple[str, ...]
    run: Callable[[Params, State, Sequence[jax.Array]], tuple[State, jax.Array | None]]
    adapt: tuple[str, ...] = ()
    weighs: bool = True
    expected: Callable[[Params, State], jax.Array] | None = None
    density: Callable[[Params, State], jax.Array] | None = None
    summed: bool = False
    covers: Callable[[Params, Params], Sequence[str]] | None = None
    restore: Callable[[State], State] | None = None

    @property
    def column(self) -> str:
        """The factor that takes up a change of the density."""
        return f"w_{self.name}" if self.weighs else "w_sampling"


def same(**meaning: str) -> Callable[[Params, Params], list[str]]:
    """A `Stage.covers` for numbers that both models must share: {name in the prepared params: what it is}.

    They are compared to 1e-12: a mass of a particle that is on its shell in the event fixes where the density is not
    zero.
    """

    def covers(old: Params, new: Params) -> list[str]:
        return [
            f"{text} is {float(old[name]):.9g} in the events and {float(new[name]):.9g} in the model asked for"
            for name, text in meaning.items()
            if abs(float(old[name]) - float(new[name])) > 1e-12 * abs(float(old[name]))
        ]

    return covers


@dataclass(frozen=True)
class Chain:
    """A tuple of stages: the static part of a channel. Channels with equal chains share one compiled program.

    `prepare` derives from the parameters that a user sets (masses, couplings) those that the stages read (vertices,
    widths, lifetimes), inside the compiled program: gradients and scans then see the whole dependence. `reads` names
    the parameters that it reads beside `model` (empty: any of them): a scan hands it no others, so that channels with
    different stages share the program that derives.
    """

    stages: tuple[Stage, ...]
    prepare: Callable[[Params], Params] = dict
    reads: tuple[str, ...] = ()
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

    def densities(self, params: Params, state: State) -> tuple[State, State]:
        """What the model says to stored events, by the column that takes up a change: the product of the densities of
        the stages, and the same with the integral over what the stages that are `summed` can draw in place of theirs.

        `params` are prepared ones; `state` has the stored columns.
        """
        found: State = {}
        expected: State = {}
        for stage in reversed(self.stages):
            if stage.restore is not None:
                state = stage.restore(state)
            if stage.density is not None:
                density = stage.density(params, state)
                integral = jnp.ones_like(density) if stage.summed else density
                for product, factor in ((found, density), (expected, integral)):
                    product[stage.column] = product[stage.column] * factor if stage.column in product else factor
        summed = [stage for stage in self.stages if stage.summed and stage.weighs]
        if summed:
            expected[summed[0].column] = expected[summed[0].column] * _mean_factor(summed, params, state)
        return found, expected


def _mean_factor(stages: Sequence[Stage], params: Params, state: State) -> jax.Array:
    """Mean (n,) over their uniforms of the product of the factors of stages that are `summed`, at given columns of the
    others: the integral of their densities.

    It does not depend on the last uniform of the last stage. In those that are left, Gauss-Legendre quadrature with
    about NODES points: a flight is then spread as its law says, and what follows from its end is averaged.
    """
    rows, last = sum(len(stage.dims) for stage in stages), len(stages[-1].dims) > 0
    free = rows - last
    points, weights = np.polynomial.legendre.leggauss(max(round(NODES ** (1 / free)), 1) if free else 1)
    grid = itertools.product(zip(0.5 * (points + 1), 0.5 * weights, strict=True), repeat=free)
    nodes = [([u for u, _ in node] + [0.5] * last, math.prod(w for _, w in node)) for node in grid]

    def product(point: jax.Array) -> jax.Array:
        made, whole, row = state, jnp.ones(()), 0
        some = next(iter(state.values()))
        for stage in stages:
            u = [jnp.broadcast_to(point[i], some.shape) for i in range(row, row + len(stage.dims))]
            new, factor = stage.run(params, made, u)
            made, row = {**made, **new}, row + len(stage.dims)
            whole = whole * (1.0 if factor is None else factor)
        return jnp.broadcast_to(whole, some.shape)

    values = jax.vmap(product)(jnp.asarray([point for point, _ in nodes], jnp.float64).reshape(len(nodes), rows))
    return jnp.tensordot(jnp.asarray([weight for _, weight in nodes], values.dtype), values, 1)


def rate_chain(chain: Chain, params: Params) -> Chain:
    """The chain for a rate alone, on parameters that are prepared already: the same mean weight from fewer uniforms.

    Stages that only make columns are left out, and stages with an `expected` factor give that factor unsampled, where
    no stage after them reads their columns. `params` are prepared; only their shapes matter. Nothing is computed.
    """
    found = Chain(chain.stages)
    for stage in reversed(chain.stages):
        if stage.weighs and stage.expected is None:
            continue
        at = found.stages.index(stage)
        shorter = (_expected_only(stage),) if stage.weighs else ()
        trial = Chain((*found.stages[:at], *shorter, *found.stages[at + 1 :]))
        rows = [jnp.zeros(2)] * len(trial.dims)
        try:
            jax.eval_shape(trial, params, rows)
        except KeyError:  # a later stage reads what this one makes
            continue
        found = trial
    return found


@lru_cache
def _expected_only(stage: Stage) -> Stage:
    """One object per stage, so that shortened chains are equal, and share their programs, where the stages are."""
    expected = stage.expected
    assert expected is not None

    def run(params: Params, state: State, u: Sequence[jax.Array]) -> tuple[State, jax.Array | None]:
        return {}, expected(params, state)

    return Stage(stage.name, (), run)
