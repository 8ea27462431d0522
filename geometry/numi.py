"""The NuMI beam: targets, decay pipe, and where detectors stand in its frame. Host side only; nothing here imports JAX.

Beam frame: z = 0 at MCZERO, 3 cm upstream of the front of horn 1; z along the beam, which goes down by 58 mrad; cm.
Sources: the public g4numi simulation (geometry and currents); Adamson et al., NIM A 806 (2016) 279 (1507.06690).
"""

from typing import NamedTuple

from darkhorn.geometry.beamlines import AIR, Beamline, DecayRegion, Target
from darkhorn.geometry.horns import HORNS_OF_BEAMS

_G4NUMI = "geometry of the public g4numi simulation; NIM A 806 (2016) 279 (1507.06690)"
FIN_DENSITY = 1.78  # g/cm3, graphite

# Low energy, position LE010: 47 fins of 20 mm with gaps of 0.3 mm, 6.4 mm wide and 18 mm high, from 35 + 10 cm upstream
# of MCZERO. Medium energy (NOvA): 48 fins of 24 mm with gaps of 0.5 mm and two more that measure the beam, 7.4 mm wide
# and 63 mm high, the beam 3.7 mm below their upper edge. Each is one fin of their mean density here: no gaps, edges not
# rounded, without casing, cooling pipes, baffle and windows.
_LE_LENGTH = 47 * 2.0 + 46 * 0.03
_ME_LENGTH = 123.3
LE_TARGET = Target(
    start=-45.0,
    end=-45.0 + _LE_LENGTH,
    radius=0.96,
    momentum=120.0,
    spot=(0.11, 0.11),
    divergence=(0.0, 0.0),
    waist=-45.0,
    source=_G4NUMI,
    material="graphite",
    density=FIN_DENSITY * 47 * 2.0 / _LE_LENGTH,
    fin=(0.32, -0.9, 0.9),
)
ME_TARGET = Target(
    start=-143.3,
    end=-143.3 + _ME_LENGTH,
    radius=5.95,
    momentum=120.0,
    spot=(0.14, 0.14),
    divergence=(0.0, 0.0),
    waist=-143.3,
    source=_G4NUMI,
    material="graphite",
    density=FIN_DENSITY * 50 * 2.4 / _ME_LENGTH,
    fin=(0.37, -5.93, 0.37),
)

# The pipe holds helium (since 2007); pions: 6 km. Kaons stop in the core of the absorber, which begins where the pipe
# ends; seen from MiniBooNE their distance is quoted as 86 m, which is that of the face.
PIPE = DecayRegion(((4569.9, 99.06), (72238.0, 99.06)), 72238.0, _G4NUMI, gas=6.0e5)
# Radius of the space between the shielding blocks of the target hall: a round number, the blocks are square.
CHASE = 65.0


def _beamline(name: str, target: Target) -> Beamline:
    horns = HORNS_OF_BEAMS[name]
    return Beamline(name, target, horns, 4569.9, PIPE, drift=150.0, chase=CHASE, gas=AIR, absorber=72238.0)


NUMI = {"numi-le": _beamline("numi-le", LE_TARGET), "numi-me": _beamline("numi-me", ME_TARGET)}

Row = tuple[float, float, float]


class Placement(NamedTuple):
    """A detector in the NuMI frame: position there = R^T (position in the detector frame - shift).

    rotation    rows of R, which takes directions from the beam frame to the detector frame
    origin      of the detector frame, in the beam frame, cm
    """

    rotation: tuple[Row, Row, Row]
    origin: Row
    source: str


def to_beam(place: Placement, position: Row) -> Row:
    """A position (cm) in the detector frame, in the beam frame: R^T x + origin."""
    x, y, z = (sum(row[i] * c for row, c in zip(place.rotation, position, strict=True)) for i in range(3))
    return x + place.origin[0], y + place.origin[1], z + place.origin[2]


# cos and sin of 0.058297756 rad
_C, _S = 0.9983011671, 0.0582647387
PLACES = {
    "microboone": Placement(
        (
            (0.92103853804, 0.02271350480, 0.38880857519),
            (0.0000462540, 0.99829162468, -0.05842798945),
            (-0.38947144864, 0.05383241394, 0.91946400794),
        ),
        (5502.0, 7259.0, 67270.0),
        "the NuMI flux reader of MicroBooNE (kvjmistry/NuMIFlux); origin of LArSoft",
    ),
    "icarus": Placement(
        (
            (0.921035925, 0.022715103, 0.388814672),
            (0.0, 0.998297825, -0.058321970),
            (-0.389477631, 0.053716629, 0.919468161),
        ),
        (450.3730, 8015.3901, 79511.2945),
        "SBN-doc-22998, as in icaruscode",
    ),
    # Origin of the frame of GENIE's GNuMIFlux.xml, from which the beam is at (0.2486, 60.350, -1022.74) m.
    "minerva": Placement(
        ((1.0, 0.0, 0.0), (0.0, _C, -_S), (0.0, _S, _C)),
        (-24.86, -_C * 6035.0 + _S * 102274.0, _S * 6035.0 + _C * 102274.0),
        "GENIE, GNuMIFlux.xml",
    ),
}
MINERVA_TRACKER = ((0.0, 0.0, 730.0), 85.0)  # centre in its frame and radius: apothem of the hexagon of the tracker
