"""A part of a program as one function of machine code, on a CPU.

XLA on a CPU runs a loop as many small kernels that go through the thread pool one by one; for loops over short arrays
(hundreds of elements) that costs more than the arithmetic. It compiles small loops as one function instead, which it
marks as a "small call"; `as_one_kernel` puts the same mark on a function of ours.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxlib.version import __version__ as version_of_jaxlib

Out = TypeVar("Out")
Tree = TypeVar("Tree")
# The mark is internal to XLA: it is used with versions of jaxlib that the tests have run with, and left out with others
TESTED = version_of_jaxlib.startswith("0.10.")
# For `jax.jit(compiler_options=...)`: vectors of 8 double-precision numbers, where the processor has them
WIDE = {"xla_cpu_prefer_vector_width": 512} if TESTED else None


def as_one_kernel(function: Callable[..., Out], *args: object) -> Out:
    """function(*args), on a CPU as one function of machine code on one thread. args: pytrees of arrays.

    Scalars travel as one vector: a scalar of its own that XLA finds unused makes its compiler abort.
    """
    leaves, tree = jax.tree.flatten(args)
    kinds = [jnp.asarray(leaf).dtype if jnp.ndim(leaf) == 0 else None for leaf in leaves]
    order = sorted({str(kind) for kind in kinds if kind is not None})
    packed = [jnp.stack([leaf for leaf, k in zip(leaves, kinds, strict=True) if str(k) == kind]) for kind in order]

    def unpacked(arrays: list[jax.Array], scalars: list[jax.Array]) -> Out:
        more, each = iter(arrays), {kind: iter(scalars[i]) for i, kind in enumerate(order)}
        found = [next(more) if kind is None else next(each[str(kind)]) for kind in kinds]
        return function(*jax.tree.unflatten(tree, found))

    arrays = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind is None]
    out: Out = jax.jit(unpacked)(arrays, packed)
    if TESTED and jax.default_backend() == "cpu":
        out = set_xla_metadata(out, inlineable="false", xla_cpu_small_call="true")  # type: ignore[no-untyped-call]
    return out


def made_once(i: jax.Array, tree: Tree) -> Tree:
    """The same arrays, behind a branch that is always taken (i >= 0): XLA then does not compute them again in every
    consumer, as it does on a CPU (measured in steps of tracks: 3.7 against 5.3 us per particle; an optimization barrier
    has no effect).
    """
    same: Tree = jax.lax.cond(i >= 0, lambda t: t, lambda t: jax.tree.map(jnp.zeros_like, t), tree)
    return same
