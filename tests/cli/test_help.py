"""Help and the commands that need no physics answer at once: they never load jax."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from darkhorn.cli.main import SECTIONS

COMMANDS = [name for names in SECTIONS.values() for name in names]
HEAVY = ("jax", "jaxlib", "numpy", "h5py", "pydantic", "rich")

LOADED = """
import sys
from darkhorn.cli.main import run
code = run(sys.argv[1:])
print("\\n" + " ".join(name for name in sys.modules if "." not in name), file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: Any) -> set[str]:
    """Top-level modules that a command line loads."""
    process = subprocess.run([sys.executable, "-c", LOADED, *map(str, arguments)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return set(process.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(*arguments).intersection(HEAVY)


def test_reading_commands_do_not_load_jax(events: Path, tmp_path: Path) -> None:
    for arguments in (["cards"], ["cards", "schema"], ["cards", "show", "microboone"], ["info", events],
                      ["convert", events, tmp_path / "out.hepmc3"], ["validate", events], ["cite", events],
                      ["unweight", events, "-o", tmp_path / "even.h5"]):  # fmt: skip
        assert "jax" not in loaded_by(*arguments), arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, darkhorn: Callable[..., Any]) -> None:
    result = darkhorn(name, "-h")
    assert result.code == 0
    assert result.err == ""
    assert f"darkhorn {name}" in result.out.split("Examples:")[1]


def test_group_help_lists_every_command_and_version(darkhorn: Callable[..., Any]) -> None:
    from darkhorn import __version__

    text = darkhorn("--help").out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert darkhorn("--version").out == f"darkhorn {__version__}\n"


def test_cards(darkhorn: Callable[..., Any], tmp_path: Path) -> None:
    assert "microboone" in darkhorn("cards").out
    card = darkhorn("cards", "show", "microboone").out
    mine = tmp_path / "mine.yaml"
    mine.write_text(card)
    from darkhorn import load_card
    from darkhorn.generator.card_schema import card_schema
    from darkhorn.generator.runcard import list_cards

    assert load_card(mine).hash() == load_card("microboone").hash()
    assert json.loads(darkhorn("cards", "schema").out) == card_schema()
    assert [row["name"] for row in json.loads(darkhorn("cards", "--json").out)] == list_cards()
