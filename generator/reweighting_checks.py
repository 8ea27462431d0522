"""Which models the events of a file can stand for: what may change in the card, and why a channel may not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from darkhorn.generator.chain import Chain, Params, Stage
from darkhorn.generator.channel import Channel
from darkhorn.generator.runcard import RunCard
from darkhorn.kernels.errors import InputError

_FREE = ("model", "physics", "exposure")
_MADE_SO = {
    "model.name": "it is another model",
    "source": "the flux is drawn from it",
    "detector": "events were put into it",
    "regions": "it says where events were made",
    "decay_in": "it says where decays were put",
    "force_decay": "it says how decays were made",
    "output": "it names the particles of the file",
    "generate": "it says how many events were made, and how",
    "schema": "it is the version of the card",
}


@dataclass(frozen=True)
class Pair:
    """A channel of the file: its chain, and its prepared parameters in both models; `new` is None where the new model
    has no such channel, or makes its events otherwise.
    """

    name: str
    chain: Chain
    old: Params
    new: Params | None


def depends_on_the_model(chain: Chain, stage: Stage, params: Params) -> bool:
    """Whether columns or factor of a stage, at fixed state and u, are functions of params["model"].

    Found by tracing the program, without running it: what a number of the model enters anywhere counts.
    """
    u = [jax.ShapeDtypeStruct((4,), jnp.float64)] * len(chain.dims)  # type: ignore[no-untyped-call]
    state = jax.eval_shape(chain, params, u)

    def run(model: Any, state: Any, u: Any) -> Any:
        return stage.run(chain.prepare({**params, "model": model}), state, u)

    jaxpr = jax.make_jaxpr(run)(params["model"], state, u[: len(stage.dims)]).jaxpr
    reached = {id(v) for v in jaxpr.invars[: len(jax.tree.leaves(params["model"]))]}
    for equation in jaxpr.eqns:
        if any(id(v) in reached for v in equation.invars):
            reached |= {id(v) for v in equation.outvars}
    return any(id(v) in reached for v in jaxpr.outvars)


def stages_without_density(chain: Chain, params: Params) -> list[str]:
    """Names of the stages that depend on the model and have no density: their events cannot be reweighted."""
    without = [stage for stage in chain.stages if stage.density is None]
    return [stage.name for stage in without if depends_on_the_model(chain, stage, params)]


def reasons_against(old: Channel, new: Channel, pair: Pair) -> Iterator[str]:
    """Why events of the one channel cannot stand for the other."""
    if pair.new is None:
        yield (
            f"events of the kind `{new.topology.description}`, made otherwise than those of the file, which are of the "
            f"kind `{old.topology.description}`{_stages_of_one(old.chain, new.chain)}"
        )
        return
    for name, value in old.constants.items():
        if new.constants.get(name) != value:
            yield f"the column `{name}` would have to be {new.constants.get(name)}, not {value}"
    for stage in pair.chain.stages:
        if stage.covers is not None:
            yield from stage.covers(pair.old, pair.new)


def _stages_of_one(old: Chain, new: Chain) -> str:
    """Which stages one of two chains alone has, by name."""
    names = [{stage.name for stage in chain.stages} for chain in (old, new)]
    differ = ", ".join(sorted(names[0] ^ names[1]))
    return f" (one of the two alone has the stages {differ})" if differ else ""


def changed_keys(old: RunCard, new: RunCard) -> dict[str, tuple[Any, Any]]:
    """{key: (old, new)} of all that differs between two cards with their defaults filled in."""
    one, two = (dict(_leaves(card.resolved(), "")) for card in (old, new))
    keys = [*one, *(key for key in two if key not in one)]
    return {key: (one.get(key), two.get(key)) for key in keys if one.get(key) != two.get(key)}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def check_keys(changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Raise InputError for a change of what the events were made with."""
    for key in changes:
        section = key.split(".")[0]
        why = _MADE_SO.get(key) or (None if section in _FREE else _MADE_SO.get(section, "events were made with it"))
        if why is not None:
            raise InputError(
                f"--set {key}",
                f"a change of what the events were made with: {why}",
                "keys of `model` and `physics`, and `exposure`",
                "Generate events with the new card instead.",
            )
