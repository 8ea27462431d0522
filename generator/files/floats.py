"""Numbers to text for whole arrays: 17 significant digits of float64, so that reading gives back every bit.

A double times a power of ten is computed in double-double arithmetic (Dekker, Numer. Math. 18, 224 (1971)) and rounded
to a 17-digit integer, whose digits come from a table of four-digit groups. Unused positions of a field hold zero bytes,
which `text.render` removes.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
FLOAT_WIDTH = 24  # -d.dddddddddddddddde+ddd
_LIMIT = 270  # powers of ten beyond which numbers are formatted one by one
_SPLIT = 134217729.0  # 2^27 + 1
_ZERO, _MINUS, _POINT = b"0"[0], b"-"[0], b"."[0]


def _tables() -> tuple[NDArray[np.float64], Bytes, Bytes]:
    powers = np.zeros((4, 2 * _LIMIT + 40))  # 10^k as hi + lo, and hi as a sum of two halves of its digits
    for i in range(powers.shape[1]):
        exact = Fraction(10) ** (i - _LIMIT - 10)
        hi = float(exact)
        top = _SPLIT * hi - (_SPLIT * hi - hi)
        powers[:, i] = hi, float(exact - Fraction(hi)), top, hi - top
    groups = np.array([f"{i:04d}".encode() for i in range(10000)], dtype="S4").view(np.uint8).reshape(-1, 4)
    exponents = np.zeros((2 * _LIMIT + 20, 5), dtype=np.uint8)
    for i, row in enumerate(exponents):
        power = i - _LIMIT - 10
        text = f"e{'-' if power < 0 else '+'}{abs(power):03d}".encode()
        row[:] = list(text)
        if row[2] == _ZERO:
            row[2] = 0
    return powers, groups, exponents


_POWERS, _GROUPS, _EXPONENTS = _tables()


def format_floats(values: NDArray[np.float64]) -> Bytes:
    """Decimal text of float64 values (m,) as bytes (m, 24), padded with zero bytes anywhere in the field.

    At most 17 significant digits, trailing zeros left out; `float(text) == value` for every finite value.
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    size = np.abs(values)
    plain = (size > 10.0**-_LIMIT) & (size < 10.0**_LIMIT)
    a = np.where(plain, size, 1.0)
    power = np.floor(np.log10(a)).astype(np.int64)
    digits = _seventeen_digits(a, power)
    # log10 may be off by one next to a power of ten: the integer then has 16 or 18 digits.
    for wrong, step in ((digits >= 10**17, 1), (digits < 10**16, -1)):
        rows = np.flatnonzero(wrong)
        if rows.size:
            power[rows] += step
            digits[rows] = _seventeen_digits(a[rows], power[rows])
    lead = digits // 10**16
    rest = digits - lead * 10**16
    upper = rest // 10**8
    lower = (rest - upper * 10**8).astype(np.uint32)
    upper = upper.astype(np.uint32)

    text = np.empty((len(values), FLOAT_WIDTH), dtype=np.uint8)
    text[:, 0] = np.where(np.signbit(values), _MINUS, 0)
    text[:, 1] = lead + _ZERO
    text[:, 2] = _POINT
    for at, half in ((3, upper), (11, lower)):
        first = half // np.uint32(10000)
        text[:, at : at + 4] = _GROUPS[first]
        text[:, at + 4 : at + 8] = _GROUPS[half - first * np.uint32(10000)]
    text[:, 19:] = _EXPONENTS[power + _LIMIT + 10]
    _trim(text, np.flatnonzero(text[:, 18] == _ZERO))
    _one_by_one(text, values, np.flatnonzero(~plain))
    return text


def _seventeen_digits(a: NDArray[np.float64], power: NDArray[np.int64]) -> NDArray[np.int64]:
    """round(a 10^(16 - power)), error below 0.5 + 1e-13."""
    hi, lo, top, bottom = _POWERS[:, 16 - power + _LIMIT + 10]
    product = a * hi
    scaled = _SPLIT * a
    a_top = scaled - (scaled - a)
    a_bottom = a - a_top
    error = ((a_top * top - product) + a_top * bottom + a_bottom * top) + a_bottom * bottom + a * lo
    total = product + error
    error -= total - product
    rounded: NDArray[np.int64] = total.astype(np.int64) + np.rint(error).astype(np.int64)
    return rounded


def _trim(text: Bytes, rows: NDArray[np.int64]) -> None:
    """Remove trailing zeros of the digits, and the point if nothing follows it."""
    for at in range(18, 2, -1):
        rows = rows[text[rows, at] == _ZERO]
        if not rows.size:
            return
        text[rows, at] = 0
    text[rows, 2] = 0


def _one_by_one(text: Bytes, values: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
    """Zeros, numbers near the ends of the range, infinities and NaN."""
    text[rows] = 0
    zero = values[rows] == 0.0
    text[rows[zero], 1] = _ZERO
    text[rows[zero], 0] = np.where(np.signbit(values[rows[zero]]), _MINUS, 0)
    for row in rows[~zero]:
        shown = repr(float(values[row])).encode()
        text[row, : len(shown)] = list(shown)


def format_integers(values: NDArray[Any]) -> Bytes:
    """Decimal text of integers (m,) as bytes (m, width), padded in front with zero bytes."""
    negative = values < 0
    size = values.astype(np.uint64) if values.dtype.kind == "u" else np.abs(values.astype(np.int64)).astype(np.uint64)
    width = len(str(int(size.max(initial=0))))
    text = np.zeros((len(values), width + 1), dtype=np.uint8)
    text[:, 0] = np.where(negative, _MINUS, 0)
    for at in range(width, 0, -1):
        quotient = size // np.uint64(10)
        digit = (size - quotient * np.uint64(10)).astype(np.uint8) + np.uint8(_ZERO)
        text[:, at] = digit if at == width else np.where(size > 0, digit, 0)
        size = quotient
    return text
