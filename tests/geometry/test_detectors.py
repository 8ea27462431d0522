import copy
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorn.geometry.detector_specs import SHIPPED_DETECTORS, checked_specification, shipped_specification
from darkhorn.geometry.detectors import (
    detector,
    detector_from_spec,
    direction_to_beam,
    direction_to_detector,
    to_beam,
    to_detector,
)
from darkhorn.geometry.volumes import Box, Cylinder, Sphere
from darkhorn.kernels.errors import InputError


def _tonnes(name: str, volume: str) -> float:
    placed = detector(name).volumes[volume]
    return float(placed.shape.volume()) * placed.material.density * 1e-6


def test_shipped_detectors_have_the_published_masses() -> None:
    assert _tonnes("microboone", "tpc") == pytest.approx(85, rel=0.03)  # active mass of MicroBooNE: 85 to 90 t
    assert _tonnes("microboone", "cryostat") == pytest.approx(170, rel=0.03)  # 170 t in all
    assert _tonnes("miniboone", "tank") == pytest.approx(806, rel=0.02)  # 818 t of oil, with the 12.2 m sphere full
    assert _tonnes("sbnd", "tpc") == pytest.approx(112, rel=0.01)
    assert _tonnes("icarus", "tpc-east") + _tonnes("icarus", "tpc-west") == pytest.approx(476, rel=0.02)


def test_frame_of_microboone() -> None:
    uboone = detector("microboone")
    tpc = uboone.volumes["tpc"].shape
    assert isinstance(tpc, Box)
    assert tpc.contains(*jnp.array([0.001, 0.0, 0.001]))
    assert not tpc.contains(*jnp.array([-0.001, 0.0, 0.001]))
    x, y, z = to_beam(uboone, *(float(c) for c in tpc.centre))
    assert (x, y, z) == pytest.approx((3.85, 0.93, 46854.75))
    soil = uboone.volumes["soil"].shape
    assert isinstance(soil, Box)
    _, _, first = to_beam(uboone, 0.0, 0.0, float(soil.centre[2] - soil.half_size[2]))
    assert first == pytest.approx(5600)
    assert float(soil.centre[2] + soil.half_size[2]) == pytest.approx(518.5 - 792.48)
    assert float(soil.centre[1] + soil.half_size[1]) == pytest.approx(624.84)


@pytest.mark.parametrize("name", SHIPPED_DETECTORS)
def test_shipped_detectors_are_complete(name: str) -> None:
    known = detector(name)
    assert known.name == name
    assert known.source
    assert known.flux_name == name
    assert known.baseline_cm == pytest.approx(math.hypot(*known.origin_cm), rel=0.02)
    assert known.volumes


def test_a_detector_spelled_out() -> None:
    iodide = {"name": "cesium iodide", "density": 4.51, "composition": {"Cs133": 0.5115, "I127": 0.4885}}
    can = {"shape": "cylinder", "centre": [0, 9, 0], "radius": 2, "length": 10, "axis": "y", "material": "water"}
    light_soil = {"name": "soil", "density": 1.9}
    spec = {
        "name": "mine",
        "volumes": {
            "slab": {"shape": "box", "centre": [0, 0, 0], "size": [2, 4, 6], "material": "iron"},
            "can": can,
            "ball": {"shape": "sphere", "centre": [50, 0, 0], "radius": 3, "material": iodide},
            "earth": {"shape": "sphere", "centre": [0, 0, -90], "radius": 1, "material": light_soil},
        },
        "origin": [0, 300, 400],
    }
    before = copy.deepcopy(spec)
    mine = detector_from_spec(spec)
    assert spec == before
    assert mine.baseline_cm == pytest.approx(500)
    assert mine.flux_name is None
    slab, tube, ball = (mine.volumes[key].shape for key in ("slab", "can", "ball"))
    assert isinstance(slab, Box)
    assert float(slab.volume()) == pytest.approx(48)
    assert isinstance(tube, Cylinder)
    assert tube.axis == "y"
    assert float(tube.volume()) == pytest.approx(math.pi * 40)
    assert isinstance(ball, Sphere)
    assert float(ball.volume()) == pytest.approx(36 * math.pi)
    assert mine.volumes["ball"].material.composition["Cs133"] == pytest.approx(0.5115)
    assert mine.volumes["earth"].material.density == 1.9


def _rotation(alpha: float, beta: float) -> tuple[tuple[float, ...], ...]:
    about_y = np.array([[np.cos(alpha), 0, np.sin(alpha)], [0, 1, 0], [-np.sin(alpha), 0, np.cos(alpha)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(beta), -np.sin(beta)], [0, np.sin(beta), np.cos(beta)]])
    return tuple(tuple(float(value) for value in row) for row in about_y @ about_x)


angle = st.floats(-3, 3)
length = st.floats(-1e5, 1e5)


@given(angle, angle, st.tuples(length, length, length), st.tuples(length, length, length))
def test_frames_are_inverse_and_rigid(
    alpha: float, beta: float, origin: tuple[float, ...], point: tuple[float, ...]
) -> None:
    spec = {**shipped_specification("sbnd"), "origin": origin, "rotation": _rotation(alpha, beta), "baseline": 1.0}
    turned = detector_from_spec(spec)
    assert to_detector(turned, *to_beam(turned, *point)) == pytest.approx(point, abs=1e-9)
    assert direction_to_detector(turned, *direction_to_beam(turned, *point)) == pytest.approx(point, abs=1e-9)
    assert math.hypot(*direction_to_beam(turned, *point)) == pytest.approx(math.hypot(*point), rel=1e-12, abs=1e-9)
    expected = np.array(_rotation(alpha, beta)) @ np.array(point) + np.array(origin)
    assert to_beam(turned, *point) == pytest.approx(expected, abs=1e-9)


BAD: list[tuple[list[str], Any, str]] = [
    (["volumes", "tpc", "size"], [400.0, -400.0, 500.0], "tpc.size"),
    (["volumes", "tpc", "size"], [400.0, 400.0], "tpc.size"),
    (["volumes", "tpc", "size"], "400 cm", "tpc.size"),
    (["volumes", "tpc", "centre"], [0.0, math.inf, 0.0], "tpc.centre"),
    (["volumes", "tpc", "shape"], "boks", "Did you mean `box`"),
    (["volumes", "tpc", "shape"], 3, "tpc.shape"),
    (["volumes", "tpc", "material"], "liquid argon", "Did you mean `liquid-argon`"),
    (["volumes", "tpc", "material"], 5, "tpc.material"),
    (["volumes", "tpc", "material"], {"density": 1.0}, "no `name`"),
    (["volumes", "tpc", "material"], {"density": 1.0, "composition": {"Zz": 1.0}}, "tpc.material.composition"),
    (["volumes", "tpc", "radius"], 5.0, "unknown key `radius`"),
    (["volumes", "tpc"], {"shape": "sphere", "centre": [0, 0, 0], "material": "iron"}, "no `radius`"),
    (
        ["volumes", "tpc"],
        {"shape": "cylinder", "centre": [0, 0, 0], "radius": 1, "length": 0, "material": "iron"},
        "tpc.length",
    ),
    (
        ["volumes", "tpc"],
        {"shape": "cylinder", "centre": [0, 0, 0], "radius": 1, "length": 1, "axis": "w", "material": "iron"},
        "tpc.axis",
    ),
    (["volumes", "tpc"], "box", "volumes.tpc"),
    (["volumes"], {}, "volumes"),
    (["volumes"], {"": {}}, "names of letters"),
    (["volumes"], {"a/b": {}}, "names of letters"),
    (["origin"], None, "origin"),
    (["baseline"], -3.0, "baseline"),
    (["rotation"], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]], "determinant"),
    (["rotation"], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 1.0]], "orthonormal"),
    (["rotation"], "none", "rotation"),
    (["orign"], [0, 0, 0], "Did you mean `origin`"),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD)
def test_bad_specifications_are_refused(path: list[str], value: object, message: str) -> None:
    spec = copy.deepcopy(shipped_specification("sbnd"))
    place: Any = spec
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError, match=message):
        checked_specification(spec, "detector")


def test_an_unknown_detector_is_explained() -> None:
    with pytest.raises(InputError, match="Did you mean `microboone`"):
        detector("microbone")
