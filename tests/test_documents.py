"""What the documents say is so: commands, links, code, and the parts that are generated."""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
import xml.etree.ElementTree as ET
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import takewhile
from pathlib import Path
from types import ModuleType

import click
import pytest

from flowspan import Integration
from flowspan.cli.group import VERBS
from flowspan.config import VARIABLES
from flowspan.instrumentation import discovery
from stack.cache import FOLDER_VARIABLE, READY_MADE_VARIABLE

ROOT = Path(__file__).parents[1]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text("utf-8")
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
}
PICTURE = ROOT / "docs" / "pictures" / "run.svg"
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
OTHERS = {"python", "pip", "cd", "clickhouse-client", "opentelemetry-instrument"}
"""Programs in console blocks that are not ours."""

COMING = {"docs/engines/writehere.md"}
"""Pages that the source names and that are still to be written."""


def generator() -> ModuleType:
    """``docs/generate.py``, which is no module of the package."""
    spec = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- generated parts ------------------------------------------------------------------------------


def test_the_generated_parts_are_up_to_date() -> None:
    generate = generator()
    filled = {name: generate.filled(PAGES[name], plays=False) for name in generate.PAGES}
    stale = [name for name in filled if filled[name] != PAGES[name]]

    assert stale == [], "run: make docs"


def test_every_generated_part_is_on_some_page() -> None:
    generate = generator()
    used = {
        found["name"] for name in generate.PAGES for found in generate._PART.finditer(PAGES[name])
    }

    assert used == set(generate.PARTS)


def test_every_engine_is_among_what_is_seen() -> None:
    """Also one whose spans are its own, so that no row makes any."""
    shown = generator()._seen()
    asked = {each.requires for each in discovery.built_in() if each.engine and each.requires}

    assert [each for each in sorted(asked) if f"`{each}`" not in shown] == []


def test_the_picture_is_a_run_of_the_example_and_loads_nothing() -> None:
    text = PICTURE.read_text("utf-8")
    words = " ".join(ET.fromstring(text).itertext())  # noqa: S314 - our own picture

    assert all(word in words for word in ("write", "agent", "gpt-5.4-mini", "prompt", "state"))
    assert not re.search(r"href|url\((?!#)|@import|<script", text)


# --- links ----------------------------------------------------------------------------------------


def links(text: str) -> list[str]:
    return re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_repository_lead_somewhere(name: str) -> None:
    for link in links(PAGES[name]):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (ROOT / name).parent / path if path else ROOT / name

        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[str] = set()
    waiting = ["README.md"]
    while waiting:
        name = waiting.pop()
        if name in PAGES and name not in reached:
            reached.add(name)
            folder = (ROOT / name).parent
            targets = ((folder / link.partition("#")[0]).resolve() for link in links(PAGES[name]))
            waiting += [str(one.relative_to(ROOT)) for one in targets if one.is_relative_to(ROOT)]

    assert reached == set(PAGES)


def test_the_pages_that_the_source_names_exist() -> None:
    source = "\n".join(file.read_text("utf-8") for file in ROOT.glob("src/**/*.py"))
    named = set(re.findall(r"docs/[\w/-]+\.md", source))

    assert {page for page in named if not (ROOT / page).exists()} <= COMING


def test_every_part_of_the_package_is_in_the_architecture() -> None:
    parts = {
        part.name + "/" * part.is_dir()
        for part in (ROOT / "src" / "flowspan").iterdir()
        if not part.name.startswith("_") and part.suffix in {".py", ""}
    }

    assert {part for part in parts if part not in PAGES["docs/architecture.md"]} == set()


# --- commands -------------------------------------------------------------------------------------


def commands(text: str) -> list[list[str]]:
    """Commands in console blocks, and those of ours in the running text, without variables."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in re.findall(r"^\s*\$ (.+)$", block, re.MULTILINE)]
    lines += re.findall(r"`((?:make|flowspan) [a-z][^`]*)`", text)
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        while re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        found.append(words)
    return found


def options(verb: str) -> set[str]:
    command: click.Command = getattr(import_module(f"flowspan.cli.{verb}"), verb)
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return {
        option
        for each in (command, *below)
        for parameter in each.params
        for option in parameter.opts
    }


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist(name: str) -> None:
    for words in commands(PAGES[name]):
        program, *arguments = words
        if program == "make":
            assert set(arguments) <= TARGETS, words
        elif program == "flowspan":
            verb, *rest = arguments
            assert verb in VERBS, words
            ours = takewhile("python".__ne__, rest)
            given = {word for word in ours if word.startswith("--")}
            assert given <= options(verb), words
        else:
            assert program in OTHERS, words


def test_the_readme_shows_how_to_see_and_how_to_test() -> None:
    shown = commands(PAGES["README.md"])

    assert shown[:2] == [["make", "demo"], ["make", "test"]]
    assert {words[1] for words in shown if words[0] == "flowspan"} == set(VERBS)


STACK_VARIABLES = {FOLDER_VARIABLE, READY_MADE_VARIABLE}
"""No settings of flowspan's: where contributors have the real programs."""


@pytest.mark.parametrize("name", PAGES)
def test_the_settings_that_a_page_names_exist(name: str) -> None:
    named = set(re.findall(r"FLOWSPAN_[A-Z_]+", PAGES[name]))

    assert named <= {variable.name for variable in VARIABLES} | STACK_VARIABLES


# --- code -----------------------------------------------------------------------------------------


def test_the_engine_in_contributing_is_one() -> None:
    (block,) = re.findall(
        r"^ *```python\n(.*?)^ *```", PAGES["CONTRIBUTING.md"], re.DOTALL | re.MULTILINE
    )
    module = ModuleType("myengine")

    exec(compile(textwrap.dedent(block), "CONTRIBUTING.md", "exec"), vars(module))  # noqa: S102 - our own page

    assert isinstance(module.INTEGRATION, Integration)
    assert [patch.kind for patch in module.INTEGRATION.patches] == ["run", "node"]


def test_documents_name_no_place_of_one_machine() -> None:
    texts = {**PAGES, "the picture": PICTURE.read_text("utf-8")}
    places = re.compile(rf"/(home|root|Users|tmp|work)/|{re.escape(sys.prefix)}")

    assert [name for name, text in texts.items() if places.search(text)] == []
