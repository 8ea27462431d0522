"""Text records of whole blocks of events from a list of constant and per-event pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkhorn.generator.files.floats import FLOAT_WIDTH, format_floats, format_integers

Piece = str | NDArray[Any]
ROWS = 2048  # events rendered at once: their text stays in the processor's cache


def render(pieces: Sequence[Piece], rows: int) -> bytes:
    """The text of `rows` events: per event all pieces in order, a string as it is, an array (rows,) by its number.

    float64 arrays are written so that every bit can be read back; integer arrays in decimal.
    """
    floats: dict[int, int] = {}
    columns: list[NDArray[Any]] = []
    for piece in pieces:
        if not isinstance(piece, str) and piece.dtype.kind == "f" and id(piece) not in floats:
            floats[id(piece)] = len(columns)
            columns.append(piece)
    digits = format_floats(np.concatenate(columns)).reshape(len(columns), rows, -1) if columns else None

    line = bytearray()
    places: list[tuple[int, NDArray[np.uint8]]] = []
    for piece in pieces:
        if isinstance(piece, str):
            line += piece.encode()
            continue
        if piece.dtype.kind == "f":
            assert digits is not None
            field = digits[floats[id(piece)]]
        else:
            field = format_integers(piece)
        places.append((len(line), field))
        line += bytes(field.shape[1])
    block = np.empty((rows, len(line)), dtype=np.uint8)
    block[:] = np.frombuffer(bytes(line), dtype=np.uint8)
    for at, field in places:
        block[:, at : at + field.shape[1]] = field
    flat = block.reshape(-1)
    return bytes(flat[flat != 0].tobytes())


def float_text(value: float) -> str:
    """One number as `render` would write it."""
    field = format_floats(np.array([value], dtype=np.float64))
    assert field.shape[1] == FLOAT_WIDTH
    return str(field[field != 0].tobytes(), "ascii")
