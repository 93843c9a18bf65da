"""Reads the user's price files: JSON, or TOML where the name ends in ``.toml``.

A wrong entry is left out, a broken file as a whole; each says so in one sentence, and everything
else holds.  The format is in ``docs/prices.md`` and in :data:`SCHEMA_FILE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flowspan.pricing.overrides import Override, Overrides

if TYPE_CHECKING:
    # Few programs have a price file: what reads one is imported where there is one.
    from flowspan.pricing.positions import Document

SCHEMA_FILE: Final = Path(__file__).with_name("pricing.schema.json")
"""JSON Schema of a price file, for editors."""

_TABLE: Final = "prices"
_TOP_LEVEL: Final = frozenset({_TABLE, "$schema", "note"})
_LARGEST_BYTES: Final = 4 * 1024 * 1024


def override_files(configured: str | None = None) -> list[Path]:
    """The price files that there are to read, those that decide first coming first.

    Args:
        configured: What ``FLOWSPAN_PRICES`` says; that file is named even if it does not exist.

    Returns:
        That file, and ``pricing.json`` in flowspan's configuration folder if there is one.
    """
    import platformdirs  # noqa: PLC0415 - the program's process pays for it only here

    files = [Path(configured).expanduser()] if configured else []
    common = platformdirs.user_config_path("flowspan", appauthor=False) / "pricing.json"
    return [*files, common] if common.is_file() else files


def load_overrides(paths: Iterable[str | Path]) -> tuple[Overrides, list[str]]:
    """Read price files.

    Args:
        paths: The files; entries of an earlier one go before those of a later one.

    Returns:
        What could be used, and a sentence for each file or entry that could not.
    """
    rules: list[Override] = []
    problems: list[str] = []
    for path in map(Path, paths):
        try:
            document = _read(path)
            entries = _entries(document)
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {_reason(error)}; the file is left out")
            continue
        problems += _surplus(document, path)
        for index in range(len(entries)):
            rule, problem = _rule(document, index, path)
            rules += rule
            problems += problem
    return Overrides(tuple(rules)), problems


def _rule(document: Document, index: int, path: Path) -> tuple[list[Override], list[str]]:
    """The rule of an entry, or why there is none."""
    from flowspan.pricing.overrideentry import Refused, override_of  # noqa: PLC0415 - see above

    try:
        return [override_of(document.value[_TABLE][index])], []
    except Refused as error:
        line = document.line(_TABLE, index, *error.where)
        return [], [f"{path}, line {line}: {error}; the entry is left out"]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    if isinstance(error, UnicodeError):
        return f"is not UTF-8 text ({error})"
    return str(error)


def _read(path: Path) -> Document:
    if path.exists() and not path.is_file():
        raise ValueError("is no file; expected a JSON or TOML file of prices")
    with path.open("rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError("is larger than 4 MiB; expected a JSON or TOML file of prices")
    from flowspan.pricing import positions  # noqa: PLC0415 - see above

    text = content.decode("utf-8-sig")
    if path.suffix.lower() == ".toml":
        return positions.read_toml(text, _TABLE)
    return positions.read_json(text)


def _entries(document: Document) -> list[Any]:
    """The entries; raises if the document is of another form."""
    top = document.value
    entries = top.get(_TABLE) if isinstance(top, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError(  # noqa: TRY004 - the file is wrong, not the program
            f"line {document.line(_TABLE)}: expected an object with a list of entries, as "
            '{"prices": [{"model": "my-model", "input": "0.50", "output": "1.50"}]}'
        )
    return entries


def _surplus(document: Document, path: Path) -> list[str]:
    return [
        f"{path}, line {document.line(name)}: {name!r} is not known here and is ignored; "
        f'expected the list "{_TABLE}" only'
        for name in document.value
        if name not in _TOP_LEVEL
    ]
