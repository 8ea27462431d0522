"""Maps of a uniform number to a range, and their Jacobians."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.kernels.sampling import flat_in_inverse, flat_in_log

LOW, HIGH, SCALE = 1e-6, 3.0, 2e-2


@pytest.mark.parametrize(
    ("sample", "uniform"),
    [
        (flat_in_inverse, lambda x: 1 / (x + SCALE)),
        (flat_in_log, lambda x: np.log(x / (x + SCALE))),
    ],
    ids=["inverse", "logarithm"],
)
def test_map_is_uniform_in_its_variable_and_has_its_jacobian(
    sample: Callable[..., tuple[jax.Array, jax.Array]], uniform: Callable[[np.ndarray], np.ndarray]
) -> None:
    low, high, scale = map(jnp.asarray, (LOW, HIGH, SCALE))
    u = jnp.linspace(0.0, 1.0, 101)
    x, jacobian = sample(u, low, high, scale)
    ends = sorted(float(x[i]) for i in (0, -1))
    assert ends == pytest.approx([LOW, HIGH], rel=1e-12)
    steps = np.diff(uniform(np.asarray(x)))
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-9)
    slope = jax.vmap(jax.grad(lambda v: sample(v, low, high, scale)[0]))(u[1:-1])
    np.testing.assert_allclose(jnp.abs(slope), jacobian[1:-1], rtol=1e-9)
    narrow = sample(u, high * (1 - 1e-12), high, scale)
    assert all(np.all(np.isfinite(a)) for a in narrow)
