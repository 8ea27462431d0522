"""Sampling from a two-dimensional density by cells of equal probability, with the weight that makes it exact.

The plane (x, y) is cut into m columns of equal probability, each column into n cells of equal probability. A point is
drawn uniformly inside a cell chosen with probability 1/(m n), so its density g is known exactly; the weight f/g does
not depend on how well the cells follow f, only its spread does. Same idea as the separable map of VEGAS, without the
separability: there is nothing to search, and no maximum to certify.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray


class Cells(NamedTuple):
    """Edges of the cells: x (m + 1,) increasing; y (m, n + 1), increasing along the last axis."""

    x: jax.Array
    y: jax.Array


def equal_cells(
    x_edges: NDArray[np.float64], y_edges: NDArray[np.float64], content: NDArray[np.float64], columns: int, rows: int
) -> Cells:
    """Cells for a histogram: content (a, b) >= 0 on edges (a + 1,), (b + 1,). Host side.

    Every column of the histogram gets 1e-6 of the mean on top, so that no region of the rectangle is closed. ValueError
    for a histogram without content.
    """
    content = np.asarray(content, np.float64)
    if not content.sum() > 0 or not np.isfinite(content).all() or (content < 0).any():
        raise ValueError("the histogram needs content: finite, not negative, and somewhere above zero")
    content = content + 1e-6 * content.mean()
    x = _quantiles(x_edges, content.sum(axis=1), columns)
    # y edges of a column: those of the histogram averaged over the x range of the column
    below = np.concatenate([np.zeros((1, content.shape[1])), np.cumsum(content, axis=0)])
    at = np.array([np.interp(x, x_edges, row) for row in below.T]).T
    y = np.array([_quantiles(y_edges, part, rows) for part in np.diff(at, axis=0)])
    return Cells(jnp.asarray(x), jnp.asarray(y))


def _quantiles(edges: NDArray[np.float64], content: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    below = np.concatenate([[0.0], np.cumsum(content)])
    cut = np.interp(np.linspace(0.0, below[-1], parts + 1), below, edges)
    cut[0], cut[-1] = edges[0], edges[-1]
    return cut


def sample_cells(cells: Cells, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Points (x, y) and their density g(x, y), from two uniform numbers in [0, 1). Shapes: equal, any.

    The integral of f over the rectangle is the mean of f/g; an event of yield f has weight f/g.
    """
    columns, rows = cells.y.shape[0], cells.y.shape[1] - 1
    place, across = u * columns, v * rows
    i = jnp.clip(place.astype(jnp.int32), 0, columns - 1)
    j = jnp.clip(across.astype(jnp.int32), 0, rows - 1)
    left, width = cells.x[i], cells.x[i + 1] - cells.x[i]
    low, height = cells.y[i, j], cells.y[i, j + 1] - cells.y[i, j]
    x = left + width * (place - i.astype(u.dtype))
    y = low + height * (across - j.astype(v.dtype))
    return x, y, 1 / (columns * rows * width * height)
