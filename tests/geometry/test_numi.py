"""NuMI: targets, horns, pipe and detectors as published. The numbers here are those of the sources."""

import numpy as np
import pytest

from darkhorn.geometry.beamlines import Target
from darkhorn.geometry.horns import HORNS_OF_BEAMS, ideal
from darkhorn.geometry.numi import MINERVA_TRACKER, NUMI, PLACES, to_beam

# fins, their length and width (mm), gap between them (None: total length given), where the first begins (m)
LE = (47, 20.0, 6.4, 18.0, -0.45)
ME = (50, 24.0, 7.4, 63.0, -1.433)


@pytest.mark.parametrize(("target", "published"), [(NUMI["numi-le"].target, LE), (NUMI["numi-me"].target, ME)])
def test_targets(target: Target, published: tuple[int, float, float, float, float]) -> None:
    number, length, width, height, start = published
    assert target.start == pytest.approx(100 * start)
    # the mass along the beam is that of the fins, of 1.78 g/cm3
    assert target.density * (target.end - target.start) == pytest.approx(number * length / 10 * 1.78)
    assert target.fin is not None
    half, low, high = target.fin
    assert 20 * half == pytest.approx(width)
    assert 10 * (high - low) == pytest.approx(height)
    assert low < 0 < high
    assert target.radius >= np.hypot(half, max(-low, high)) - 0.01
    assert target.momentum == 120.0


def test_positions_of_the_beamline() -> None:
    le, me = NUMI["numi-le"], NUMI["numi-me"]
    assert le.target.end == pytest.approx(50.38)  # 45 cm upstream, 95.38 cm long: reaches into horn 1
    assert me.target.end == pytest.approx(-20.0)  # NOvA: ends 20 cm before MCZERO
    for beam, place, current in ((le, 1000.0, 182.1), (me, 1918.0, 200.0)):
        placed = [(h.horn.name, h.z_cm, h.current_ka) for h in beam.horns]
        assert placed == [("numi-1", 3.0, current), ("numi-2", place, current)]
        (first, radius), (last, same) = beam.decay_region.rings
        assert (first, radius, same) == (4569.9, 99.06, 99.06)
        assert last - first == pytest.approx(67668.1, abs=0.11)  # 676.681 m
        assert beam.decay_region.end == last == beam.absorber
        # the fin of the LE target fits into the bore of horn 1
        z = np.linspace(beam.target.start, beam.target.end, 50)
        bore = beam.horns[0].horn.surfaces(z[z > 3.0] - 3.0)[0]
        assert np.all(bore > beam.target.radius)


def distance_and_angle(position: tuple[float, float, float]) -> tuple[float, float]:
    far = float(np.linalg.norm(position))
    return far / 100, float(np.degrees(np.arccos(position[2] / far)))


def test_detectors() -> None:
    """Distances and angles of the studies of NuMI; the target as MicroBooNE's own flux reader quotes it."""
    for place in PLACES.values():
        rotation = np.array(place.rotation)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-6)
    micro = PLACES["microboone"]
    target = -np.array(micro.rotation) @ np.array(micro.origin)
    np.testing.assert_allclose(target, [-31387.58, -3316.40, -60100.24], atol=0.01)
    assert distance_and_angle(micro.origin) == pytest.approx((678.8, 7.71), rel=1e-3)
    assert distance_and_angle(to_beam(micro, (128.175, 0.0, 518.4))) == pytest.approx((684.0, 7.63), rel=1e-3)
    assert distance_and_angle(PLACES["icarus"].origin) == pytest.approx((799.2, 5.77), rel=1e-3)
    # the absorber is seen from MicroBooNE at 101.1 m, backwards
    away = np.array(to_beam(micro, (128.175, 0.0, 518.4))) - [0, 0, 72240.0]
    assert np.linalg.norm(away) == pytest.approx(10110, rel=2e-3)
    assert away[2] < 0
    x, y, z = to_beam(PLACES["minerva"], MINERVA_TRACKER[0])
    assert z == pytest.approx(103200, abs=100)
    assert np.hypot(x, y) < 50  # on the axis, within half a metre
    # GENIE's own origin: the beam seen from the frame of MINERvA
    minerva = PLACES["minerva"]
    np.testing.assert_allclose(-np.array(minerva.rotation) @ minerva.origin, [24.86, 6035.0, -102274.0], atol=1e-6)


def test_ideal_horns_have_the_same_gap_and_no_metal() -> None:
    z = np.linspace(0.0, 320.0, 200)
    for placed in HORNS_OF_BEAMS["numi-le"]:
        made = ideal(placed)
        assert (made.z_cm, made.current_ka) == (placed.z_cm, placed.current_ka)
        bore, inner, outer, wall = made.horn.surfaces(z)
        np.testing.assert_array_equal(inner, placed.horn.surfaces(z)[1])
        np.testing.assert_array_equal(outer, placed.horn.surfaces(z)[2])
        assert np.all((inner - bore > 0) & (inner - bore < 2e-4))
        assert np.all((wall - outer > 0) & (wall - outer < 2e-4))
