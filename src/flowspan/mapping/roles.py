"""Guesses the role of a function by a table of rules: what it is called, where, and with what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

Role = Literal[
    "run",
    "step",
    "node",
    "agent",
    "plan",
    "tool",
    "llm",
    "prompt",
    "prompt_text",
    "transition",
    "route",
]
STATUSES: Final = ("status", "state", "phase", "stage")
"""Attributes that hold where something stands."""


@dataclass(frozen=True)
class Function:
    """What a survey says of one function."""

    data: Mapping[str, Any]

    @property
    def target(self) -> str:
        """How a row names it."""
        return f"{self.data['module']}:{self.data['path']}"

    @cached_property
    def parameters(self) -> list[str]:
        """Without ``self``."""
        return list(self.data["parameters"])

    @cached_property
    def status(self) -> str | None:
        """The attribute that it sets and that says where its object stands."""
        return next((one for one in STATUSES if one in self.data["assigned"]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Signs of a role; all that are given must be there.

    Attributes:
        role: What the function is then.
        names: Its whole name.
        owners: A name of its class, or of one that this inherits from.
        free: True for functions that are in no class.
        modules: The last part of its module's name.
        parameters: Parameters of which it has one.
        moves: True for those that set a status.
        overridden: True for methods that several classes override.
    """

    role: Role
    names: str = ".*"
    owners: str = ""
    free: bool = False
    modules: str = ""
    parameters: frozenset[str] = frozenset()
    moves: bool = False
    overridden: bool = False

    def reason(self, function: Function) -> str | None:
        """Why the function has the role; ``None`` if it has not."""
        data = function.data
        owner = self._owner(data["owners"])
        module = str(data["module"]).rpartition(".")[2]
        parameter = next((one for one in function.parameters if one in self.parameters), None)
        if (
            not re.fullmatch(self.names, data["name"].lower())
            or (self.owners and owner is None)
            or (self.free and data["owners"])
            or (self.modules and not re.fullmatch(self.modules, module))
            or (self.parameters and parameter is None)
            or (self.moves and function.status is None)
            or (self.overridden and data["overridden"] < _SEVERAL)
        ):
            return None
        signs = [
            f'it is called "{data["name"]}"' if self.names != ".*" else "",
            f"it belongs to {owner}" if owner else "",
            f'its module is called "{module}"' if self.modules else "",
            f'it takes "{parameter}"' if parameter else "",
            f'it sets "{function.status}"' if self.moves else "",
        ]
        return ", ".join(sign for sign in signs if sign)

    def _owner(self, lineage: list[str]) -> str | None:
        if not self.owners:
            return None
        return next((one for one in lineage if re.search(self.owners, one)), None)


_SEVERAL: Final = 2
NODES: Final = "(Node|Task|Stage|Block|Operator|Activity)$"
"""What classes of nodes are called."""

_DO: Final = "a?(run|execute|exec|forward|process|act|do|do_action|perform|invoke|work|__call__)"
_SUBJECTS: Final = frozenset({"node", "task", "stage", "block"})

RULES: Final = (
    Rule(
        role="transition",
        names="move(_to)?|transition(_to)?|(set|update|change|advance)_(status|state|phase|stage)",
        moves=True,
    ),
    Rule(
        role="prompt_text",
        owners="Prompt|Template",
        names="fill|format|render|build|(construct|make).*",
    ),
    Rule(
        role="prompt_text",
        names="(build|make|render|format|construct|fill|create|compose)_.*prompt.*",
    ),
    Rule(role="prompt", names="(choose|select|pick|determine)_.*(prompt|template).*"),
    Rule(role="prompt", modules="prompts?|templates?", names="choose|select|pick"),
    Rule(
        role="route",
        names="route|router|(next|choose_next|select_next|decide_next)(_node|_task)?|.*_router?",
    ),
    Rule(
        role="llm",
        owners="(LLM|Llm|Model|Client|Provider)$",
        names="a?(complete|chat|ask|generate|invoke|call|query|completion)(_.*)?",
    ),
    Rule(role="llm", names="(call|ask|query|invoke)_(llm|model|gpt|openai|claude|gemini).*"),
    Rule(role="tool", owners="Tool", names=f"{_DO}|use|call|_run"),
    Rule(role="tool", names="(call|run|use|execute|invoke)_tool|.*_tool"),
    Rule(role="tool", free=True, modules="tools?|skills?|library", names="[a-z].*"),
    Rule(role="plan", names="(re_?)?plan(_.*)?|(decompose|break_down|make_plan|create_plan)(_.*)?"),
    Rule(
        role="agent",
        owners="(Agent|Planner|Writer|Critic|Reviewer|Researcher|Executor|Retriever)$",
        names=f"{_DO}|chat|respond|reply|think|solve|step",
    ),
    Rule(role="node", owners=NODES, names=_DO),
    Rule(
        role="node",
        names=f"{_DO}|(run|execute|visit|handle)_(node|task|stage|block)",
        parameters=_SUBJECTS,
    ),
    Rule(role="run", free=True, names="(main_|run_|event_)?loop|kickoff|solve|drive"),
    Rule(role="node", free=True, names=".*_(node|stage)|(node|stage)_.*"),
    Rule(role="node", free=True, names="[a-z].*", parameters=frozenset({"state", "shared"})),
    Rule(role="run", names=".*_until(l)?_.*|run_to_(the_)?end"),
    Rule(
        role="step",
        names="a?step|tick|turn|round|iterate|advance|(run|do|next|one)_step|.*_one_step.*",
    ),
    Rule(
        role="run",
        owners="(Engine|Workflow|Pipeline|Orchestrator|Runner|Flow|Graph|Crew|App|Assistant)$",
        names="a?(run|start|execute|invoke|kickoff|solve|loop|handle|process|serve|stream)(_.*)?",
    ),
    Rule(role="node", overridden=True, names=_DO),
    Rule(
        role="run",
        free=True,
        names="a?run|solve|kickoff|run_(agent|workflow|pipeline|engine|flow|job)",
    ),
)
"""The first that holds decides."""


def role_of(function: Function) -> tuple[Role, str] | None:
    """The role that a function seems to have, and why; ``None`` for most functions."""
    if function.data["name"].startswith("_") and function.data["name"] != "__call__":
        return None
    for rule in RULES:
        reason = rule.reason(function)
        if reason is not None:
            return rule.role, reason
    return None
