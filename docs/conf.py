"""Sphinx configuration. Build: `sphinx-build -W -b html docs docs/_build`."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from darkhorn import __version__  # noqa: E402
from darkhorn.generator.card_schema import schema_markdown  # noqa: E402

project = "darkhorn"
author = "the darkhorn authors"
copyright = "2026, the darkhorn authors"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "README.md", "plots"]

html_theme = "furo"
html_title = f"darkhorn {release}"

# MathJax from the network is not needed to build; a reader without a network sees the TeX source.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
# A type that only annotates a signature is not worth importing jax or pandas for.
autodoc_mock_imports = []
nitpicky = False
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def _write_run_card_reference() -> None:
    """The reference of the run card is made from its schema at every build, so that it cannot be out of date."""
    page = HERE / "reference" / "generated" / "run_card_keys.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    text = schema_markdown().replace("# Run card\n", "# Run card: every key\n", 1)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


_write_run_card_reference()
