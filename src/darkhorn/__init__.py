"""darkhorn: GPU-accelerated Monte Carlo of dark-sector signals at neutrino beams."""

from importlib.metadata import version

__version__ = version("darkhorn")
