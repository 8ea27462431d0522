"""All beams that can be simulated, by name. Host side only; nothing here imports JAX."""

from darkhorn.geometry.beamlines import BNB, Beamline
from darkhorn.geometry.numi import NUMI

BEAMLINES: dict[str, Beamline] = {"bnb": BNB, **NUMI}
