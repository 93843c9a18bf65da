"""``make docs``: makes the generated parts of the documents, and the picture of a traced run, anew.

A generated part stands between two comments that name it.  Nobody edits it by hand: a test compares
it with what it is made from.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

from click.testing import CliRunner

from flowspan.cli.group import VERBS, flowspan
from flowspan.config import VARIABLES, Settings, Variable
from flowspan.instrumentation import clients, engines
from flowspan.instrumentation.integration import Integration

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = (
    "README.md",
    "docs/settings.md",
    "docs/architecture.md",
    "docs/cli.md",
    "docs/clients/coverage.md",
    "docs/dashboards.md",
    "docs/third-party.md",
    *(f"docs/engines/{page.name}" for page in sorted(ROOT.glob("docs/engines/*.md"))),
)
PICTURE: Final = "docs/pictures/run.svg"

_PART: Final = re.compile(
    r"(<!-- begin (?P<name>[a-z0-9_ ]+): made by `make docs` -->\n).*?(<!-- end (?P=name) -->)",
    re.DOTALL,
)
_MAIN: Final = (
    "FLOWSPAN_STORE",
    "FLOWSPAN_DETAIL",
    "FLOWSPAN_CONTENT",
    "FLOWSPAN_MAP",
    "FLOWSPAN_PRICES",
    "FLOWSPAN_SHUTDOWN_SECONDS",
)
_TREE: Final = "tree of "
_INTERNAL: Final = ("FLOWSPAN_INVOCATION",)
_UNSET: Final = {"store": "your data folder"}
"""Words for settings whose default is to have none."""

_PICTURE_COLUMNS: Final = 112


# --- settings -----------------------------------------------------------------------------------


def _settings(variables: Iterable[Variable]) -> str:
    rows = [(f"`{one.name}`", _default(one), _meaning(one)) for one in variables]
    return _table(("variable", "default", "meaning"), rows)


def _default(variable: Variable) -> str:
    default = next(field.default for field in fields(Settings) if field.name == variable.field)
    if default is None or default == ():
        return _UNSET.get(variable.field, "none")
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _meaning(variable: Variable) -> str:
    choices = _choices(variable)
    if not choices or all(choice in variable.meaning for choice in choices):
        return variable.meaning
    return f"{variable.meaning}: {', '.join(f'`{choice}`' for choice in choices)}"


def _choices(variable: Variable) -> list[str]:
    """The words that a variable takes, as its own refusal of another one names them."""
    try:
        variable.parse("?")
    except ValueError as expected:
        form, _, words = str(expected).partition("one of ")
        return [] if form else words.split(", ")
    return []


# --- what is seen, layers -------------------------------------------------------------------------


def _seen() -> str:
    rows = [
        (sentence, ", ".join(f"`{version}`" for version in versions) or "a checkout")
        for package in (engines, clients)
        for sentence, versions in _integrations(package)
    ]
    return _table(("seen", "versions"), rows)


def _integrations(package: ModuleType) -> Iterator[tuple[str, list[str]]]:
    """What a module sees, in its own words, and which versions.

    Engines may leave their spans to rows of others, or make them themselves; what is no engine and
    makes no span only helps clients.
    """
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        single = getattr(module, "INTEGRATION", None)
        all_of_it: tuple[Integration, ...] = getattr(
            module, "INTEGRATIONS", () if single is None else (single,)
        )
        if any(one.engine or any(patch.kind for patch in one.patches) for one in all_of_it):
            sentence = (inspect.getdoc(module) or "").partition("\n")[0].rstrip(".")
            yield sentence, [each.requires for each in all_of_it if each.requires]


def _layers() -> str:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "```text\n" + "\n".join(layers) + "\n```\n"


def _beside(module: str) -> ModuleType:
    """A module of this checkout that is no part of the package."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(module)


def _dashboards() -> ModuleType:
    return _beside("dashboards.page")


def _coverage(driver: str) -> str | None:
    """What is tested of a client; ``None`` where it is not installed, so that nobody can tell."""
    module = _beside("conformance.coverage")
    rows = module.rows(driver)
    return None if rows is None else _table(module.HEAD, rows)


def _source(example: str, language: str) -> str:
    return f"```{language}\n{(ROOT / 'examples' / example).read_text('utf-8')}```\n"


def _help(*verb: str) -> str:
    asked = CliRunner().invoke(flowspan, [*verb, "--help"], prog_name="flowspan", terminal_width=88)
    return f"```text\n{asked.stdout}```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    return "".join((lines[0], "|---" * len(head), "|\n", *lines[1:]))


def _shown(examples: Iterable[str]) -> Iterator[str]:
    """Examples of which a page wants a tree; others are shown in another way."""
    pages = "".join((ROOT / page).read_text("utf-8") for page in PAGES)
    return (name for name in examples if f"<!-- begin {_TREE}{name}:" in pages)


PARTS: Final[dict[str, Callable[[], str | None]]] = {
    "main settings": lambda: _settings(one for one in VARIABLES if one.name in _MAIN),
    "all settings": lambda: _settings(one for one in VARIABLES if one.name not in _INTERNAL),
    "seen": _seen,
    "layers": _layers,
    "alerts": lambda: _dashboards().alerts(),
    **{
        f"dashboard {name}": partial(lambda name: _dashboards().panels(name), name)
        for name in ("runs", "time", "money", "models", "health")
    },
    **{
        f"{_TREE}{name}": partial(lambda name: _beside("docs.trees").tree(name), name)
        for name in _shown(_beside("examples.offline").names())
    },
    "third party integration": lambda: _source("third_party/flowspan_relay.py", "python"),
    "third party package": lambda: _source("third_party/pyproject.toml", "toml"),
    "third party test": lambda: _source("third_party/test_flowspan_relay.py", "python"),
    "early endings": lambda: f"{_beside('conformance.coverage').endings()}.\n",
    **{
        f"coverage of {driver}": partial(_coverage, driver)
        for driver in _beside("conformance.discovery").drivers()
    },
    "help flowspan": _help,
    **{f"help {verb}": partial(_help, verb) for verb in VERBS},
    "help store ddl": partial(_help, "store", "ddl"),
    **{f"help map {verb}": partial(_help, "map", verb) for verb in ("check", "suggest", "schema")},
}
"""What makes each generated part; ``None`` leaves it as it is."""


def filled(text: str, *, plays: bool = True) -> str:
    """A page with its generated parts made anew.

    Args:
        text: The page.
        plays: Whether examples are run for their trees; else those stay as they are.
    """
    return _PART.sub(partial(_made, plays=plays), text)


def _made(found: re.Match[str], *, plays: bool) -> str:
    if found["name"].startswith(_TREE) and not plays:
        return found[0]
    part = PARTS[found["name"]]()
    return found[0] if part is None else found[1] + part + found[3]


# --- the picture --------------------------------------------------------------------------------


def draw(picture: Path) -> None:
    """Run the example as ``make demo`` does, and have the command line draw its run."""
    sys.path.insert(0, str(ROOT / "examples"))
    demo = importlib.import_module("demo")
    with tempfile.TemporaryDirectory() as folder:
        code, said = demo.record(Path(folder), lambda *_: None)
        if code:
            sys.exit(f"the example ended with exit code {code}:\n{said}")
        show = (sys.executable, "-m", "flowspan", "show", "last", "--store", folder)
        size = ("--width", str(_PICTURE_COLUMNS))
        picture.parent.mkdir(exist_ok=True)
        subprocess.run((*show, *size, "--svg", picture), check=True)  # noqa: S603 - our own command line


def main() -> None:
    """Make everything anew."""
    for name in PAGES:
        page = ROOT / name
        before = page.read_text("utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"wrote {name}")
    draw(ROOT / PICTURE)


if __name__ == "__main__":
    main()
