"""Sphinx configuration. Build: `sphinx-build -W -b html docs docs/_build`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

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

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"  # `x` in a docstring is code
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def _write_run_card_reference() -> None:
    """The reference of the run card is made from its schema at every build, so that it cannot be out of date."""
    page = HERE / "reference" / "generated" / "run_card_keys.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    text = schema_markdown().replace("# Run card\n", "# Run card: every key\n", 1)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


_write_run_card_reference()


def _our_docstrings(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are written for the terminal: `name   meaning` becomes a list, indented code a literal block."""
    out: list[str] = []
    in_fields = False
    for line in lines:
        field = re.match(r"([\w, ]*\w)\s{2,}(\S.*)", line)
        if field:
            out += [] if in_fields or not out else [""]
            out.append(f"- ``{field[1]}``: {field[2]}")
            in_fields = True
            continue
        if in_fields and line.startswith(" "):
            out.append("  " + line.strip())
            continue
        in_fields = False
        if line.startswith("    ") and out and not out[-1].strip() and not any(o.startswith("    ") for o in out[-2:]):
            out += ["::", ""]
        out.append(line)
    lines[:] = out


def setup(app: Any) -> None:
    """Hooks of Sphinx."""
    app.connect("autodoc-process-docstring", _our_docstrings)
