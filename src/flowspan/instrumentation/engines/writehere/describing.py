"""What rows say of nodes, plans and results: names, counts and lengths, never their text."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from flowspan.instrumentation.engines.writehere.frames import STEP, here
from flowspan.semconv import (
    EVENT_STATE_TRANSITION,
    NODE_ID,
    STATE_CAUSE,
    STATE_FROM,
    STATE_TO,
)

if TYPE_CHECKING:
    from flowspan.instrumentation.integration import Attributes, AttributeValue, Call


def identity(node: Any) -> dict[str, AttributeValue | None]:
    """Which node: the engine's ``nid`` as text, which is not unique, and its ``hashkey``."""
    return {"node.nid": str(node.nid), NODE_ID: node.hashkey}


def task(node: Any) -> dict[str, AttributeValue | None]:
    """Which node and what it is about."""
    return {
        **identity(node),
        "node.task.type": task_type(node.config, node.task_info),
        "node.task.goal": node.task_info.get("goal"),
    }


def task_type(config: Any, task_info: Any) -> str | None:
    """The upper-case tag (``COMPOSITION``) of a task; ``None`` for a type that nobody knows."""
    if config.get("no_type", False):
        return "GENERAL"
    tag = config.get("tag2task_type", {}).get(task_info.get("task_type"))
    return None if tag is None else str(tag)


def settings(node: Any, agent_type: str) -> dict[str, Any]:
    """What the configuration says of a kind of agent for the node's type of task."""
    found = node.config.get(task_type(node.config, node.task_info) or "", {}).get(agent_type)
    return found if isinstance(found, dict) else {}


def status(node: Any) -> str:
    """Name of the node's present status."""
    return str(node.status.name)


def transition(call: Call, node: Any, before: str, cause: str) -> None:
    """Tell the step around a call that a node's status changed, if it did."""
    after = status(node)
    if after != before:
        frame = call.nearest(STEP) or here(call)
        frame.event(EVENT_STATE_TRANSITION, transition_attributes(node, before, after, cause))


def transition_attributes(node: Any, before: str, after: str, cause: str) -> Attributes:
    """Attributes of ``flowspan.state.transition``."""
    return {**identity(node), STATE_FROM: before, STATE_TO: after, STATE_CAUSE: cause}


def tasks(raw_plan: Any) -> list[dict[str, Any]]:
    """The tasks of a raw plan; a model's answer may hold anything in their place."""
    return [one for one in raw_plan if isinstance(one, dict)] if isinstance(raw_plan, list) else []


def plan_summary(raw_plan: Any) -> str:
    """How many tasks of which type a plan has, as JSON: ``{"think": 1, "write": 3}``."""
    counts = Counter(str(one.get("task_type")) for one in tasks(raw_plan))
    return json.dumps(dict(sorted(counts.items())))


def summary(result: Any) -> str:
    """Type and size of a result: ``str of 1200``, ``dict of original, result``."""
    kind = type(result).__name__
    if isinstance(result, dict):
        return f"{kind} of {', '.join(sorted(map(str, result)))}" if result else f"empty {kind}"
    if isinstance(result, str | list | tuple):
        return f"{kind} of {len(result)}"
    return kind


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
