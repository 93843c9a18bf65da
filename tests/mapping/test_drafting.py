"""``flowspan map suggest``: a map drafted from what modules define."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowspan.errors import ConfigurationError
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.mapping.checking import check
from flowspan.mapping.drafting import draft
from flowspan.report.findings import problems

EXAMPLES = Path(__file__).parents[2] / "examples"
STANDIN = Path(__file__).parents[1] / "engines" / "writehere" / "standin"

PROGRAM = '''
from dataclasses import dataclass


@dataclass
class Template:
    name: str
    version: int = 1

    def fill(self, values):
        return ""


class Task:
    def __init__(self, key, name):
        self.key, self.name, self.status = key, name, "new"

    def set_status(self, status):
        self.status = status


class Engine:
    def run(self, topic):
        pass

    def run_until_done(self):
        pass

    def step(self):
        pass

    def execute(self, task: Task, memory):
        pass

    def do_action(self, action_name, task):
        pass

    def next_task(self):
        pass

    def _execute(self, task):
        pass


class PlanNode:
    """Has a name in its instances."""

    name: str

    def run(self, shared):
        pass


class Agent:
    def work(self, task):
        raise NotImplementedError


class Writer(Agent):
    def work(self, task):
        pass


class Critic(Agent):
    def work(self, task):
        pass


class Job:
    def __init__(self, key):
        self.key = key


class Worker:
    def act(self, job, memory):
        raise NotImplementedError


class Digger(Worker):
    def act(self, job, memory):
        pass


class Carrier(Worker):
    def act(self, job, memory):
        pass


class Shift:
    def update_status(self, task: Task, status):
        task.status = status


def make_plan(goal):
    pass


def select_prompt(kind) -> Template:
    pass


def choose_prompt_name(kind):
    pass


def build_user_prompt(**values):
    pass


def make_prompt_of(topic, style="plain", *pages):
    pass


def render_prompt(topic, **words):
    pass


def create_prompt():
    pass


def call_tool(tool_name, arguments):
    pass


def ask_llm(model, prompt):
    pass


def extract(state):
    pass


def loop(state):
    pass


class Pipeline:
    async def stream(self, question):
        yield question


def helper(x, y):
    pass


async def arun(topic):
    pass
'''

EXPECTED: dict[str, dict[str, Any]] = {
    "Engine.run": {"kind": "run", "name": "agentprogram"},
    "Engine.run_until_done": {"kind": "run", "name": "agentprogram"},
    "arun": {"kind": "run", "name": "agentprogram"},
    "loop": {"kind": "run", "name": "agentprogram"},
    "Pipeline.stream": {"kind": "run", "name": "agentprogram"},
    "Engine.step": {"kind": "step", "name": "step"},
    "Engine.execute": {
        "kind": "node",
        "name": "{task.name}",
        "id": "{task.key}",
        "state": "memory",
    },
    "Engine.do_action": {"kind": "node", "name": "{action_name}", "id": "{task.key}"},
    "PlanNode.run": {"kind": "node", "name": "{self.name}", "state": "shared"},
    "extract": {"kind": "node", "state": "state"},
    "make_plan": {"kind": "plan"},
    "Agent.work": {"kind": "agent", "subclasses": True},
    "call_tool": {"kind": "tool", "name": "{tool_name}"},
    "select_prompt": {"prompt": {"name": "{result.name}", "version": "{result.version}"}},
    "choose_prompt_name": {"prompt": {"name": "{result}"}},
    "build_user_prompt": {"prompt_text": {"text": "result", "variables": "{keys(values)}"}},
    "make_prompt_of": {"prompt_text": {"text": "result", "variables": ["topic", "style", "pages"]}},
    "render_prompt": {"prompt_text": {"text": "result", "variables": "{keys(words)}"}},
    "create_prompt": {"prompt_text": {"text": "result"}},
    "Template.fill": {"prompt_text": {"text": "result", "variables": "{keys(values)}"}},
    "Worker.act": {
        "kind": "node",
        "subclasses": True,
        "name": "{type(self)}",
        "id": "{job.key}",
        "state": "memory",
    },
    "Shift.update_status": {"transition": {"watch": "task.status", "id": "{task.key}"}},
    "Engine.next_task": {"route": {"to": "{result}"}},
    "Task.set_status": {"transition": {"watch": "self.status", "id": "{self.key}"}},
}


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "agentprogram.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_roles_are_guessed_from_names_signatures_and_class_hierarchies(program: Path) -> None:
    rows = tomllib.loads(draft(["agentprogram"]))["rows"]

    found = {row.pop("target").removeprefix("agentprogram:"): row for row in rows}
    assert found == EXPECTED


def test_a_draft_says_why_and_leaves_model_calls_to_the_reader(program: Path) -> None:
    """A client that flowspan knows needs no row, and would be seen twice by a careless eye."""
    text = draft(["agentprogram"])

    assert '# run: it is called "run", it belongs to Engine\n[[rows]]\n' in text
    assert '# agent: it is called "work", it belongs to Agent; 2 classes override it\n' in text
    assert '# target = "agentprogram:ask_llm"\n# kind = "llm"\n# name = "{model}"\n' in text


@pytest.mark.parametrize(
    ("folder", "modules"),
    [
        (EXAMPLES, ["recursive_writer"]),
        (STANDIN, ["recursive.engine", "recursive.graph", "recursive.agent.agents"]),
        (STANDIN, ["recursive.agent", "recursive.agent.prompts", "recursive.executor.actions"]),
    ],
)
def test_a_draft_is_a_map_whose_every_row_matches(
    folder: Path, modules: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    file = tmp_path / "draft.toml"

    file.write_text(draft(modules), encoding="utf-8")

    integration, wrong = load_map(file)
    assert wrong == []
    assert integration is not None
    assert problems(check(file)) == []


ODD = """
from typing import Protocol
from unittest.mock import call

class Meta(type):
    def run(cls): ...

class Works(Protocol):
    name: str

    def run(self): ...

class Agent(metaclass=Meta):
    def run(self, task): ...

class Engine(Works):
    def run(self, topic): ...

def circle(): ...
circle.__wrapped__ = circle

def search_pages(query): ...
"""


def test_what_answers_strangely_costs_the_others_nothing(program: Path) -> None:
    """Protocols refuse to be asked for subclasses, ``type`` has no annotations, a mock has all."""
    (program / "odd.py").write_text(ODD)

    targets = {row["target"] for row in tomllib.loads(draft(["odd"]))["rows"]}

    assert "odd:Agent.run" in targets
    assert not any("circle" in target or "call" in target for target in targets)


def test_modules_that_cannot_be_imported_are_said_in_the_draft(program: Path) -> None:
    (program / "broken.py").write_text("1 / 0")

    text = draft(["agentprogram", "broken"])

    assert (
        "# Not looked at: broken cannot be imported: ZeroDivisionError: division by zero\n" in text
    )


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("agentprogra", "there is no module agentprogra: did you mean agentprogram?"),
        ("dull", "nothing in it looks like a run, a node or a tool"),
    ],
)
def test_where_there_is_nothing_to_suggest_that_is_said(
    program: Path, module: str, reason: str
) -> None:
    (program / "dull.py").write_text("def helper(x):\n    return x\nclass Plain:\n    pass\n")

    with pytest.raises(ConfigurationError) as raised:
        draft([module])

    assert str(raised.value) == f"there is nothing to suggest for {module}: {reason}"
