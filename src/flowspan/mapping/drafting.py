"""``flowspan map suggest``: a span map, drafted from what modules define."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from flowspan.errors import ConfigurationError
from flowspan.mapping.asking import ask
from flowspan.mapping.roles import NODES, Function, Role, role_of

_HEAD: Final = """\
# A draft of a span map for {modules}: made from names, signatures and class hierarchies.
# Look through it, take out what is too fine, and ask: flowspan map check FILE
# Model calls need no row where flowspan knows their client: openai, anthropic, plain HTTP, others.
"""
_NAMES: Final = ("name", "title", "kind", "type", "action", "label")
_IDS: Final = ("id", "key", "node_id", "task_id", "uid", "nid", "name")
_ACTIONS: Final = ("action_name", "action")
_STATES: Final = ("state", "shared", "memory")
_VARIABLES: Final = ("values", "variables", "arguments")
_TOOL_NAMES: Final = ("tool_name", "tool", "name")
_ORDER: Final[Sequence[Role]] = (
    *("run", "step", "node", "plan", "agent", "tool", "llm"),
    *("prompt", "prompt_text", "route", "transition"),
)

Lines = Iterator[tuple[str, Any]]


def draft(modules: Sequence[str], python: Path | None = None) -> str:
    """A map in TOML for modules of a program.

    Args:
        modules: Their names.
        python: The Python that the program runs in; this one unless said.

    Raises:
        ConfigurationError: None of them can be imported, or nothing in them seems to have a role.
    """
    found: dict[str, Any] = ask("flowspan.mapping.survey", modules, python)
    rows = [
        (_ORDER.index(known[0]), function, *known)
        for function in map(Function, found["functions"])
        if (known := role_of(function)) is not None and not function.data["overrides"]
    ]
    if not rows:
        reason = "; ".join(found["problems"]) or "nothing in it looks like a run, a node or a tool"
        raise ConfigurationError(f"there is nothing to suggest for {', '.join(modules)}: {reason}")
    engine = modules[0].partition(".")[0]
    text = _HEAD.format(modules=", ".join(modules))
    text += "".join(f"# Not looked at: {problem}\n" for problem in found["problems"])
    text += f"engine = {_written(engine)}\n"
    for _, function, role, reason in sorted(rows, key=lambda row: row[0]):
        text += f"\n{_row(function, role, reason, engine)}"
    return text


def _row(function: Function, role: Role, reason: str, engine: str) -> str:
    overridden = function.data["overridden"]
    more = f"; {overridden} classes override it" if overridden > 1 else ""
    lines = ["[[rows]]", f"target = {_written(function.target)}"]
    lines += ["subclasses = true"] if overridden else []
    lines += [f"{key} = {_written(value)}" for key, value in _CONTENTS[role](function, engine)]
    hidden = "# " if role == "llm" else ""
    remark = (
        "a model call of your own client? then take the row in"
        if hidden
        else _NOUNS.get(role, role)
    )
    body = "".join(f"{hidden}{line}\n" for line in lines)
    return f"# {remark}: {reason}{more}\n{body}"


def _run(_function: Function, engine: str) -> Lines:
    yield "kind", "run"
    yield "name", engine


def _step(function: Function, _engine: str) -> Lines:
    yield "kind", "step"
    yield "name", function.data["name"]


def _node(function: Function, _engine: str) -> Lines:
    yield "kind", "node"
    yield from _subject(function)
    yield from _state(function)


def _subject(function: Function) -> Lines:
    """Name and id of what a node's function is about: its own object, or an argument."""
    known: dict[str, list[str]] = {"self": function.data["attributes"], **function.data["subjects"]}
    own = ["self"] if _is_node(function) else list(function.data["subjects"])
    action = next((one for one in _ACTIONS if one in function.parameters), None)
    name = next(((one, key) for one in own for key in _NAMES if key in known[one]), None)
    node_id = next(
        ((one, key) for one in own for key in _IDS if key in known[one] and (one, key) != name),
        None,
    )
    if action is not None:
        yield "name", f"{{{action}}}"
    elif name is not None:
        yield "name", f"{{{'.'.join(name)}}}"
    elif _is_node(function) or function.data["overridden"]:
        yield "name", "{type(self)}"
    if node_id is not None:
        yield "id", f"{{{'.'.join(node_id)}}}"


def _is_node(function: Function) -> bool:
    """Whether the object is the node, and not what works on it."""
    return any(re.search(NODES, one) for one in function.data["owners"])


def _state(function: Function) -> Lines:
    state = next((one for one in _STATES if one in function.parameters), None)
    if state is not None:
        yield "state", state


def _kind(kind: str) -> Callable[[Function, str], Lines]:
    def lines(_function: Function, _engine: str) -> Lines:
        yield "kind", kind

    return lines


def _tool(function: Function, _engine: str) -> Lines:
    yield "kind", "tool"
    name = next((one for one in _TOOL_NAMES if one in function.parameters), None)
    if "tool" in function.data["name"] and name is not None:
        yield "name", f"{{{name}}}"
    elif "name" in function.data["attributes"]:
        yield "name", "{self.name}"


def _llm(function: Function, _engine: str) -> Lines:
    yield "kind", "llm"
    if "model" in function.parameters:
        yield "name", "{model}"
    elif "model" in function.data["attributes"]:
        yield "name", "{self.model}"


def _prompt(function: Function, _engine: str) -> Lines:
    returned = function.data["returned"]
    if "name" in returned:
        found = {key: f"{{result.{key}}}" for key in ("name", "version") if key in returned}
        yield "prompt", found
    else:
        yield "prompt", {"name": "{result}"}


def _prompt_text(function: Function, _engine: str) -> Lines:
    keywords = function.data["keywords"]
    values = next((one for one in _VARIABLES if one in function.parameters), keywords)
    found: dict[str, Any] = {"text": "result"}
    if values is not None:
        found["variables"] = f"{{keys({values})}}"
    elif function.parameters:
        found["variables"] = function.parameters
    yield "prompt_text", found


def _route(_function: Function, _engine: str) -> Lines:
    yield "route", {"to": "{result}"}


def _transition(function: Function, _engine: str) -> Lines:
    holder = function.data["holders"].get(function.status)
    owner = holder if holder in function.parameters else "self"
    known = function.data["attributes"]
    if owner != "self":
        known = function.data["subjects"].get(owner, [])
    found = {"watch": f"{owner}.{function.status}"}
    node_id = next((one for one in _IDS if one in known), None)
    if node_id is not None:
        found["id"] = f"{{{owner}.{node_id}}}"
    yield "transition", found


_CONTENTS: Final[dict[Role, Callable[[Function, str], Lines]]] = {
    "run": _run,
    "step": _step,
    "node": _node,
    "plan": _kind("plan"),
    "agent": _kind("agent"),
    "tool": _tool,
    "llm": _llm,
    "prompt": _prompt,
    "prompt_text": _prompt_text,
    "route": _route,
    "transition": _transition,
}
_NOUNS: Final[dict[Role, str]] = {
    "prompt": "the choice of a prompt",
    "prompt_text": "a finished prompt",
    "route": "the choice of what is next",
    "transition": "a change of status",
}


def _written(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_written(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)
