"""The documentation is true: marked code runs, links lead somewhere, keys of cards exist, figures are made.

A block runs if the line before it is `<!-- runnable -->`. The blocks of a page run in order in one empty folder.
"""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts),
]
PAGES = [page for page in PAGES if "generated" not in page.parts]
MARK = "<!-- runnable -->\n"
EVENTS = "300"  # of every generate command, in place of what the page says


def runnable(page: Path) -> Iterator[tuple[str, str]]:
    """(language, code) of the marked blocks."""
    for match in re.finditer(re.escape(MARK) + r"```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
        yield match[1], match[2]


WITH_CODE = [page for page in PAGES if any(runnable(page))]


def small(words: list[str]) -> list[str]:
    """The command with few events."""
    if words[0] != "generate":
        return words
    if "-n" in words:
        place = words.index("-n") + 1
        return [*words[:place], EVENTS, *words[place + 1 :]]
    return [*words, "-n", EVENTS]


def run_command(line: str) -> None:
    from darkhorn.cli.main import run

    words = shlex.split(line)
    assert words[0] == "darkhorn", line
    words = words[1:]
    output = None
    if ">" in words:
        place = words.index(">")
        output, words = words[place + 1], words[:place]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(small(words))
    assert code == 0, f"{line}: exit status {code}"
    if output is not None:
        Path(output).write_text(said.getvalue(), encoding="utf-8")


def test_pages_with_runnable_code() -> None:
    assert [page.name for page in WITH_CODE] == ["README.md", "first_run.md"]


@pytest.mark.parametrize(
    "page",
    [WITH_CODE[0], *(pytest.param(page, marks=pytest.mark.slow) for page in WITH_CODE[1:])],
    ids=lambda p: p.name,
)
def test_marked_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    for language, code in runnable(page):
        if language == "python":
            exec(compile(code.replace("20_000", EVENTS).replace("100_000", EVENTS), str(page), "exec"), names)
            continue
        assert language == "console", language
        for line in code.splitlines():
            if line.startswith("$ "):
                run_command(line[2:])


def test_mark_before_every_block_is_seen() -> None:
    """A mark that is not followed by a block would switch a test off silently."""
    for page in PAGES:
        marks = page.read_text(encoding="utf-8").count(MARK)
        assert marks == len(list(runnable(page))), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_every_page_is_in_the_contents() -> None:
    listed = re.findall(r"^([\w/]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)
    pages = {str(p.relative_to(DOCS).with_suffix("")) for p in PAGES if DOCS in p.parents}
    assert pages - {"index", "README"} == set(listed) & pages


def keys_of_cards() -> set[str]:
    """Paths of every key of a card, without the section names of alternatives."""
    from darkhorn.generator.card_schema import card_schema

    schema = card_schema()

    def walk(node: dict[str, Any], prefix: str) -> Iterator[str]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        for option in (*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())):
            yield from walk(option, prefix)
        for key, field in node.get("properties", {}).items():
            yield prefix + key
            yield from walk(field, f"{prefix}{key}.")

    return set(walk(schema, ""))


def test_keys_of_cards_named_in_the_pages_exist() -> None:
    known = keys_of_cards()
    sections = {key.split(".")[0] for key in known if "." in key}
    assert {"model", "physics", "source", "generate"} <= sections
    pattern = re.compile(rf"(?<![\w/.])((?:{'|'.join(sorted(sections))})\.[a-z]\w*)(?=[=:\s`\"',|)\]])")
    seen = set()
    for page in PAGES:
        for key in pattern.findall(page.read_text(encoding="utf-8")):
            seen.add(key)
            assert key in known, f"{page.name}: {key}"
    assert {"model.m4", "physics.zprime_polarisation", "physics.regimes"} <= seen


def test_figures_are_drawn_by_the_script_and_small() -> None:
    script = (DOCS / "plots" / "make_plots.py").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^@figure\ndef (\w+)", script, re.M))
    files = {path.stem: path.stat().st_size for path in (DOCS / "plots").glob("*.png")}
    assert set(files) == drawn
    assert max(files.values()) < 80_000
    shown = {
        m for page in PAGES for m in re.findall(r"!\[[^]]*\]\([^)]*?(\w+)\.png\)", page.read_text(encoding="utf-8"))
    }
    assert shown == drawn
