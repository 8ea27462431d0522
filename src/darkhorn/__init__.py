"""darkhorn: GPU-accelerated Monte Carlo of dark-sector signals at neutrino beams.

    import darkhorn

    darkhorn.enable_x64()
    sim = darkhorn.Simulation.from_card("microboone", {"model.m4": "120 MeV"})
    events = sim.run(100_000)

Names are loaded when they are first used: `import darkhorn` does not import jax and touches no GPU.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darkhorn.generator.device import enable_x64
    from darkhorn.generator.events import Events
    from darkhorn.generator.files.read import read
    from darkhorn.generator.files.scan_file import read_scan
    from darkhorn.generator.runcard import RunCard, load_card
    from darkhorn.generator.simulation import Request, Simulation
    from darkhorn.kernels.errors import DarkhornError, InputError, Interrupted, OutputError, ValidationFailed

__version__ = version("darkhorn")

_HOME = {
    "DarkhornError": "darkhorn.kernels.errors",
    "Events": "darkhorn.generator.events",
    "InputError": "darkhorn.kernels.errors",
    "Interrupted": "darkhorn.kernels.errors",
    "OutputError": "darkhorn.kernels.errors",
    "Request": "darkhorn.generator.simulation",
    "RunCard": "darkhorn.generator.runcard",
    "Simulation": "darkhorn.generator.simulation",
    "ValidationFailed": "darkhorn.kernels.errors",
    "enable_x64": "darkhorn.generator.device",
    "load_card": "darkhorn.generator.runcard",
    "read": "darkhorn.generator.files.read",
    "read_scan": "darkhorn.generator.files.scan_file",
}

__all__ = [
    "DarkhornError",
    "Events",
    "InputError",
    "Interrupted",
    "OutputError",
    "Request",
    "RunCard",
    "Simulation",
    "ValidationFailed",
    "__version__",
    "enable_x64",
    "load_card",
    "read",
    "read_scan",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'darkhorn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
