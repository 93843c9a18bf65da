"""``flowspan map check``: what is wrong with a span map, and what each row matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flowspan.mapping.asking import ask
from flowspan.report.findings import Finding, Level, Section

_MATCHES_SHOWN: Final = 3


def check(file: Path, script: Path | None = None, python: Path | None = None) -> list[Section]:
    """What is to be said of a map.

    Args:
        file: The map.
        script: The script of a program whose functions are in ``__main__``.
        python: The Python that the program runs in; this one unless said.

    Raises:
        ConfigurationError: The program cannot be looked at.
    """
    arguments = [str(file), *([] if script is None else [str(script)])]
    found: dict[str, Any] = ask("flowspan.mapping.matches", arguments, python)
    rows = [finding for row in found["rows"] for finding in _of_row(row)]
    rows += map(_of_outcome, found["outcomes"])
    whole = [Finding("problem", "map", sentence) for sentence in found["problems"]]
    kinds = {row["kind"] for row in found["rows"]} - {None}
    if kinds and "run" not in kinds:
        text = 'no row has kind "run": without a run around it each call is a trace of its own'
        whole.append(Finding("note", "map", text, "give it to the function that does it all"))
    return [Section("map", whole), Section("rows", rows)]


def _of_outcome(rule: Mapping[str, Any]) -> Finding:
    subject = f"line {rule['line']} outcome"
    if not rule["engines"]:
        text = f"{rule['engine']} is no engine that flowspan knows here{rule['nearest']}"
        return Finding("problem", subject, text, data=rule)
    whose = "every engine" if rule["engine"] == "*" else _listed(rule["engines"])
    return Finding("ok", subject, f"asked after results of {whose}", data=rule)


def _of_row(row: Mapping[str, Any]) -> Iterator[Finding]:
    subject = f"line {row['line']} {row['kind'] or ''}".strip()
    target = row["target"]
    if row["state"] != "applied":
        level: Level = "absent" if row["optional"] else "problem"
        yield Finding(level, subject, f"{target} matches nothing: {row['detail']}", data=row)
        return
    yield Finding("ok", subject, _matched(target, row["matches"]), data=row)
    for name in row["unknown"]:
        text = f"{target} has no argument {name}" + (
            "" if name.endswith("?") else ", so it finds nothing"
        )
        yield Finding(
            "problem", subject, text, "arguments are named as in the function's signature"
        )
    for reason in row["absent"]:
        yield Finding("problem", subject, f"{target} is not found under a further name: {reason}")
    if row["started"]:
        text = f"{target} is not seen where its module is started: it is called __main__ then"
        yield Finding("note", subject, text, "add script = true to the row")
    if row["twice"]:
        text = f"{_listed(row['twice'])} has another row with a kind: each call has a span of both"
        remedy = "leave the kind out of the one that tells what the other one does not"
        yield Finding("note", subject, text, remedy)
    if row["copies"]:
        text = f"calls through {_listed(row['copies'])} are not seen: they hold the original"
        remedy = "give the row to the function that makes these calls, or add a name to names"
        yield Finding("note", subject, text, remedy)


def _matched(target: str, matches: Sequence[Mapping[str, str]]) -> str:
    if [match["place"] for match in matches] == [target]:
        form = matches[0]["form"]
        return f"{target} is {'an' if form.startswith('a') else 'a'} {form}"
    places = _listed([f"{match['place']} ({match['form']})" for match in matches])
    return f"{target} matches {places}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MATCHES_SHOWN])
    more = len(names) - _MATCHES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
