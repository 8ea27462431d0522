"""The layout is a contract: links, wheel map, source distribution and folders name the same five folders."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"generator", "kernels", "fluxes", "geometry", "cli"}


def test_links_wheel_map_and_folders_agree() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert set(targets["wheel"]["sources"]) - {"src/darkhorn"} == FOLDERS
    for target in ("wheel", "sdist"):
        assert set(targets[target]["only-include"]) >= FOLDERS, target
    links = {path.name: path.resolve() for path in (ROOT / "src/darkhorn").iterdir() if path.is_symlink()}
    hint = "src/darkhorn needs one relative link per folder (Windows: git config core.symlinks true, check out again)"
    assert links == {name: ROOT / name for name in FOLDERS}, hint


def test_the_folders_are_importable_as_darkhorn_alone() -> None:
    """-P and cwd keep the root of the repository off sys.path, as for a user."""
    code = f"import importlib.util as u, sys; sys.exit([n for n in {sorted(FOLDERS)} if u.find_spec(n)] or 0)"
    subprocess.run([sys.executable, "-P", "-c", code], cwd="/", check=True)
