"""Numbers as text: every bit comes back, whatever the number."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from darkhorn.generator.files.floats import format_floats, format_integers
from darkhorn.generator.files.text import float_text, render


def _texts(field):
    return [row[row != 0].tobytes().decode() for row in field]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_every_double_comes_back(values) -> None:
    back = [float(text) for text in _texts(format_floats(np.array(values)))]
    assert [struct.pack("d", v) for v in back] == [struct.pack("d", v) for v in values]


def test_random_bits_and_powers_of_ten_come_back() -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**64, 50_000, dtype=np.uint64).view(np.float64)
    powers = 10.0 ** np.arange(-300, 301)
    values = np.concatenate([bits[np.isfinite(bits)], powers, np.nextafter(powers, 0), -np.nextafter(powers, np.inf)])
    np.testing.assert_array_equal([float(text) for text in _texts(format_floats(values))], values)


def test_digits_are_those_of_the_standard_library() -> None:
    values = np.random.default_rng(4).lognormal(0, 50, 5000)
    for text, value in zip(_texts(format_floats(values)), values, strict=True):
        mantissa, exponent = f"{value:.16e}".split("e")
        assert text == f"{mantissa.rstrip('0')}e{exponent}"


def test_short_numbers_are_short() -> None:
    assert [float_text(v) for v in (0.0, -0.0, 1.0, -2.5, 1e-100)] == ["0", "-0", "1e+00", "-2.5e+00", "1e-100"]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20))
def test_integers(values) -> None:
    assert _texts(format_integers(np.array(values, dtype=np.int64))) == [str(v) for v in values]


def test_unsigned_integers_above_the_signed_range() -> None:
    values = np.array([2**64 - 1, 0, 2**63], dtype=np.uint64)
    assert _texts(format_integers(values)) == [str(v) for v in values]


def test_render_puts_pieces_in_order() -> None:
    x = np.array([0.5, -1.0])
    assert render(["a ", x, " ", np.array([7, -10]), " ", x, "\n"], 2) == b"a 5e-01 7 5e-01\na -1e+00 -10 -1e+00\n"
