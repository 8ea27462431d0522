"""Random numbers as a function of (seed, channel, dimension, event index, attempt) and of nothing else.

Threefry-2x32-20 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11) is used as a counter-based
generator: the key comes from the seed, the channel's name and the dimension, the counter is the 64-bit event index.
So an event can be made again alone, shards need no coordination, and a new channel or a new dimension at the end of a
chain leaves all others as they were.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p

_MANTISSA_BITS = 53


def channel_key(seed: int, channel: str, purpose: str = "events", attempt: int = 0) -> np.ndarray:
    """Key of a channel: shape (2,) uint32, a hash of seed, channel name, purpose ('events', 'pilot') and attempt.

    Domain: 0 <= seed < 2^63, 0 <= attempt < 2^31. Host side, numpy only; different inputs share a key with
    probability 2^-64.
    """
    low, high = seed & 0xFFFFFFFF, seed >> 32
    label = f"{channel}/{purpose}".encode()
    name = zlib.crc32(label), zlib.crc32(label[::-1], 0xD1CE)
    key = _threefry(np.uint32(low), np.uint32(high), np.uint32(name[0]), np.uint32(name[1]))
    return np.array(_threefry(key[0], key[1], np.uint32(attempt), np.uint32(0)), np.uint32)


def _threefry(k0: np.uint32, k1: np.uint32, x0: np.uint32, x1: np.uint32) -> tuple[np.uint32, np.uint32]:
    """One block of Threefry-2x32-20 on the host, in plain integers (keys are made before any device is touched)."""
    mask = 0xFFFFFFFF
    keys = (int(k0), int(k1), int(k0) ^ int(k1) ^ 0x1BD11BDA)
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    a, b = (int(x0) + keys[0]) & mask, (int(x1) + keys[1]) & mask
    for block in range(5):
        for rotation in rotations[block % 2]:
            a = (a + b) & mask
            b = ((b << rotation) | (b >> (32 - rotation))) & mask
            b ^= a
        a = (a + keys[(block + 1) % 3]) & mask
        b = (b + keys[(block + 2) % 3] + block + 1) & mask
    return np.uint32(a), np.uint32(b)


def split_index(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) 32-bit words of 64-bit event indices."""
    index = np.asarray(index, np.uint64)
    return (index & np.uint64(0xFFFFFFFF)).astype(np.uint32), (index >> np.uint64(32)).astype(np.uint32)


def uniforms(
    key: jax.Array, low: jax.Array, high: jax.Array, dimensions: int, which: jax.Array | None = None
) -> jax.Array:
    """Uniform numbers in [0, 1), shape (dimensions, n) float64: 53 random bits each.

    key (2,) uint32 from `channel_key`; low, high (n,) uint32 words of the event indices. With `which` (n,) there are
    several keys (k, 2), and every event takes the one of that number. The loop over dimensions is a `lax.map` on
    purpose: unrolled, XLA recomputes the generator in every consumer of a number (measured: 6.4 against 9.4 million
    events/s).
    """

    def row(dimension: jax.Array) -> jax.Array:
        words = key[..., 0], key[..., 1]
        k0, k1 = _block(*words, *(jnp.broadcast_to(x, words[0].shape) for x in (dimension, jnp.zeros_like(dimension))))
        if which is not None:
            k0, k1 = k0[which], k1[which]
        shape = low.shape
        a, b = _block(jnp.broadcast_to(k0, shape), jnp.broadcast_to(k1, shape), low, high)
        bits = (a.astype(jnp.uint64) << jnp.uint64(32)) | b.astype(jnp.uint64)
        number: jax.Array = (bits >> jnp.uint64(64 - _MANTISSA_BITS)).astype(jnp.float64) * 2.0**-_MANTISSA_BITS
        return number

    rows: jax.Array = jax.lax.map(row, jnp.arange(dimensions, dtype=jnp.uint32))
    return rows


def _block(k0: jax.Array, k1: jax.Array, x0: jax.Array, x1: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One block of Threefry-2x32-20 on the device; all uint32 of equal shape."""
    words: tuple[jax.Array, jax.Array] = threefry2x32_p.bind(k0, k1, x0, x1)  # type: ignore[no-untyped-call]
    return words


def stream_of(key: jax.Array, low: jax.Array, high: jax.Array, dimension: jax.Array | np.uint32) -> jax.Array:
    """A 64-bit word per event, from which `uniform_pair_of` makes numbers for the steps of a track. (n,) uint64.

    Words as in `uniforms`; dimension is a uint32 scalar, and one not used there.
    """
    k0, k1 = _block(key[0], key[1], jnp.asarray(dimension, jnp.uint32), jnp.ones((), jnp.uint32))
    a, b = _block(jnp.broadcast_to(k0, low.shape), jnp.broadcast_to(k1, low.shape), low, high)
    word: jax.Array = (a.astype(jnp.uint64) << jnp.uint64(32)) | b.astype(jnp.uint64)
    return word


def uniform_pair_of(word: jax.Array, number: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two independent uniform numbers in (0, 1) of 32 bits each, the `number`-th pair of a stream: (bits + 1/2)/2^32.

    SplitMix64: a mixing function of word + number x 0x9E3779B97F4A7C15 (G.L. Steele, D. Lea, C.H. Flood, "Fast
    splittable pseudorandom number generators", OOPSLA 2014). A fifth of the cost of a block of Threefry. Shapes (n,).
    """
    z = word + (number.astype(jnp.uint64) + jnp.uint64(1)) * jnp.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> jnp.uint64(30))) * jnp.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> jnp.uint64(27))) * jnp.uint64(0x94D049BB133111EB)
    z = z ^ (z >> jnp.uint64(31))
    first, second = z >> jnp.uint64(32), z & jnp.uint64(0xFFFFFFFF)
    return (first.astype(jnp.float64) + 0.5) * 2.0**-32, (second.astype(jnp.float64) + 0.5) * 2.0**-32
