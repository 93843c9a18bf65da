"""A model that writes: it answers the prompts of the stand-in and of the real engine alike.

What it does with a task stands in the task's goal: ``(plan: NAME)`` makes it complex, with that
plan; ``(stutter)`` makes the first answer to each of its prompts unusable; ``(fenced)`` wraps its
plan in prose; ``(fail)`` has a planner's plan that breaks the engine.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from flowspan.testing import ReceivedRequest

Plan = list[dict[str, Any]]


def _task(nid: str, kind: str, goal: str, needs: str = "", **more: Any) -> dict[str, Any]:
    task = {"id": nid, "task_type": kind, "goal": goal, "dependency": needs.split(), **more}
    return {**task, "length": "100 words"} if kind == "write" else task


PLANS: Final[dict[str, Plan]] = {
    "story": [
        _task(
            "1",
            "think",
            "Design the plot",
            sub_tasks=[
                _task("1.1", "think", "Invent the heroine (stutter)"),
                _task("1.2", "think", "Invent the sea"),
            ],
        ),
        _task("2", "write", "Write the opening", "1"),
        _task("3", "write", "Write the ending (plan: ending) (fenced)", "1"),
    ],
    "ending": [_task("3.1", "write", "Write the storm"), _task("3.2", "write", "Write the calm")],
    "report": [
        _task("1", "search", "Find the figures"),
        _task("2", "search", "Find what is broken", "1"),
        _task("3", "think", "Weigh the figures", "1 7"),
        _task("4", "write", "Write the report (stutter)", "1 2 3"),
        _task("5", "write", "Write the annex (plan: annex)"),
    ],
    "annex": [_task("5.1", "write", "Write the table")],
    "twins": [_task("1", "write", "Write one half"), _task("1", "write", "Write the other half")],
    "garbage": ["not a task", 7],  # type: ignore[list-item]
}

GOALS: Final = {
    "story": "A story of the sea (plan: story) (stutter)",
    "report": "A report on the sea (plan: report)",
    "broken": "A thing that cannot be planned (plan: twins)",
    "garbage": "A thing that nobody understands (plan: garbage)",
}


class Writer:
    """Answers requests; thread-safe. The same question gets the same answer, stutters aside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()

    def __call__(self, request: ReceivedRequest) -> str:
        """The answer to a request."""
        prompt = request.prompt
        with self._lock:
            self._asked[prompt] += 1
            asked = self._asked[prompt]
        for mark, answer in _ANSWERS:
            if mark in prompt:
                return answer(prompt, asked)
        return _result(prompt, asked)


def _goal(prompt: str) -> str:
    goals = re.findall(r'"goal": "([^"]*)"', prompt)
    return goals[-1] if goals else ""


def _stutters(prompt: str, asked: int) -> bool:
    return asked == 1 and "(stutter)" in _goal(prompt)


def _atom(prompt: str, asked: int) -> str:
    if _stutters(prompt, asked):
        return "I cannot tell."
    verdict = "complex" if "(plan: " in _goal(prompt) else "atomic"
    update = f"<goal_updating>{_goal(prompt)}, carefully</goal_updating>"
    update = update if "goal_updating" in prompt else ""
    return (
        "<think>It depends.</think>\n<result>"
        f"<atomic_task_determination>\n{verdict}\n</atomic_task_determination>{update}</result>"
    )


def _update(prompt: str, _asked: int) -> str:
    return f"<result><goal_updating>{_goal(prompt)}, precisely</goal_updating></result>"


def _planning(prompt: str, asked: int) -> str:
    goal = _goal(prompt)
    if _stutters(prompt, asked):
        return "<result>no plan yet</result>"
    named = re.search(r"\(plan: (\w+)\)", goal)
    plan = json.dumps({"sub_tasks": PLANS[named.group(1)] if named else []})
    if "(fenced)" in goal:
        return f"<result>Here it is:\n```json\n{plan}\n```\nGood luck.</result>"
    return f"<think>Let me plan.</think>\n<result>\n{plan}\n</result>"


def _article(prompt: str, asked: int) -> str:
    if _stutters(prompt, asked):
        return "<article></article>"
    return f"<think>Words.</think><article>{_goal(prompt)}: the waves came and went.</article>"


def _result(prompt: str, asked: int) -> str:
    if _stutters(prompt, asked):
        return "<result></result>"
    return f"<think>Thoughts.</think><result>{_goal(prompt)}: thought through.</result>"


def _search(prompt: str, _asked: int) -> str:
    first = re.search(r"round 0\b", prompt) is not None
    word = "broken" if "broken" in prompt.partition("Find ")[2][:20] else "sea"
    queries = [f"{word} depth", f"{word} salt"] if first else []
    return (
        "<observation>Seen.</observation><missing_info>Some.</missing_info>"
        "<planning_and_think>On.</planning_and_think>"
        "<current_turn_query_think>Why not.</current_turn_query_think>"
        f"<current_turn_search_querys>{json.dumps(queries)}</current_turn_search_querys>"
    )


def _judgement(prompt: str, asked: int) -> str:
    if "salt 0" in prompt and asked == 1:
        return "Hard to say."
    verdict = "not satisfy" if "salt 1" in prompt else "fully satisfy"
    return f"<think>Well.</think><answer>{verdict}</answer>"


def _content(_prompt: str, _asked: int) -> str:
    return "<think>Yes.</think><content>The sea is deep and salty.</content>"


_ANSWERS: Final[tuple[tuple[str, Callable[[str, int], str]], ...]] = (
    ("rich and fully satisfy", _judgement),
    ("<content></content>", _content),
    ("current_turn_search_querys", _search),
    ("atomic_task_determination", _atom),
    ("goal_updating", _update),
    ("<article></article>", _article),
    ("sub_tasks", _planning),
)
