import jax
import jax.numpy as jnp
import numpy as np
import pytest

from darkhorn.kernels.quadrature import gauss_legendre


@pytest.mark.parametrize("nodes", [1, 2, 5, 12])
def test_polynomials_of_the_stated_degree_are_exact(nodes: int) -> None:
    low, high = jnp.asarray(-0.5), jnp.asarray(2.0)
    for degree in range(2 * nodes):
        found = gauss_legendre(lambda x, d=degree: (d + 1) * x**d, low, high, nodes)  # type: ignore[misc]
        assert float(found) == pytest.approx(2.0 ** (degree + 1) - (-0.5) ** (degree + 1), rel=1e-13, abs=1e-13)


def test_one_degree_more_is_not() -> None:
    found = gauss_legendre(lambda x: 5 * x**4, jnp.asarray(0.0), jnp.asarray(1.0), 2)
    assert abs(float(found) - 1) > 1e-3


def test_limits_are_arrays() -> None:
    low, high = jnp.zeros((2, 3)), jnp.asarray(np.arange(1.0, 7.0).reshape(2, 3))
    found = gauss_legendre(jnp.exp, low, high, 30)
    np.testing.assert_allclose(np.asarray(found), np.expm1(np.arange(1.0, 7.0).reshape(2, 3)), rtol=1e-14)


def test_an_empty_and_a_reversed_interval() -> None:
    one, two = jnp.asarray(1.0), jnp.asarray(2.0)
    assert float(gauss_legendre(jnp.exp, one, one)) == 0.0
    assert float(gauss_legendre(jnp.exp, two, one)) == pytest.approx(-float(gauss_legendre(jnp.exp, one, two)))


def test_gradients_go_through_the_integrand_and_the_limits() -> None:
    def integral(a: jax.Array, high: jax.Array) -> jax.Array:
        return gauss_legendre(lambda x: jnp.exp(a * x), jnp.zeros_like(high), high, 40)

    da, dh = jax.grad(integral, argnums=(0, 1))(jnp.asarray(0.7), jnp.asarray(2.0))
    assert float(dh) == pytest.approx(np.exp(1.4), rel=1e-13)
    assert float(da) == pytest.approx((2 * np.exp(1.4)) / 0.7 - (np.exp(1.4) - 1) / 0.49, rel=1e-13)
