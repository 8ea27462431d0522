import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.generator.one_kernel import TESTED, as_one_kernel, made_once


def sums(a: jax.Array, scalars: tuple[jax.Array, jax.Array, jax.Array], n: jax.Array) -> jax.Array:
    """A loop; the last of the scalars is not used."""
    low, high, _ = scalars
    found: jax.Array = jax.lax.fori_loop(0, n, lambda i, s: jnp.sin(s) * high + low * i.astype(low.dtype), a)
    return found


def test_one_kernel_does_what_the_function_does() -> None:
    """Values and gradients; with scalars of two kinds, one of them unused, in a map as in the transport."""
    rows = jnp.asarray(np.linspace(0, 1, 64).reshape(4, 16))
    scalars = jnp.asarray(0.3), jnp.asarray(0.7), jnp.asarray(2.0)
    n = jnp.asarray(5, jnp.int32)

    def mapped(a: jax.Array) -> jax.Array:
        return jax.lax.map(lambda row: as_one_kernel(sums, row, scalars, n), a)

    compiled = jax.jit(mapped).lower(rows).compile()
    np.testing.assert_allclose(np.asarray(compiled(rows)), np.asarray(sums(rows, scalars, n)), rtol=1e-14)
    if TESTED and jax.default_backend() == "cpu":
        assert 'xla_cpu_small_call="true"' in str(compiled.as_text())

    def total(high: jax.Array) -> jax.Array:
        some = (scalars[0], high, scalars[2])
        return jnp.sum(as_one_kernel(lambda a, s: sums(a, s, jnp.asarray(3)), rows[0], some))

    h = 1e-6
    numeric = (float(total(scalars[1] + h)) - float(total(scalars[1] - h))) / (2 * h)
    assert float(jax.jvp(total, (scalars[1],), (jnp.ones(()),))[1]) == pytest.approx(numeric, rel=1e-6)


def test_made_once_changes_nothing() -> None:
    a = {"x": jnp.arange(3.0), "y": jnp.arange(4)}
    for found, expected in zip(jax.tree.leaves(made_once(jnp.asarray(0), a)), jax.tree.leaves(a), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
