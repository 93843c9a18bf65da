"""A toy engine that knows nothing of tracing: run, step, node, agent and model call.

It does next to nothing, so that what is measured around it is the tracing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

WORKFLOW: Final = "article"
MODEL: Final = "gpt-4o-mini"
HOST: Final = "api.openai.com"
INPUT_TOKENS: Final = 1200
OUTPUT_TOKENS: Final = 350
CACHED_TOKENS: Final = 800


class Prompt:
    """A prompt that was chosen."""

    name = "write-section"
    version = "3"


class Model:
    """A model whose answer is always at hand."""

    def chat(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request."""
        return {
            "id": "answer-1",
            "model": f"{request['model']}-2024-07-18",
            "finish_reasons": ("stop",),
            "input_tokens": INPUT_TOKENS,
            "output_tokens": OUTPUT_TOKENS,
            "cached_tokens": CACHED_TOKENS,
        }


class Agent:
    """Chooses a prompt and asks the model."""

    name = "writer"

    def __init__(self) -> None:
        self.model = Model()

    def choose(self) -> Prompt:
        """Choose the prompt."""
        return Prompt()

    def work(self) -> dict[str, Any]:
        """Write a section."""
        self.choose()
        return self.model.chat({"model": MODEL, "temperature": 0.2, "max_tokens": 800})


class Node:
    """A task with a status."""

    name = "write"
    key = "node-7"

    def __init__(self) -> None:
        self.status = "ready"
        self.agent = Agent()

    def move_to(self, status: str, cause: str) -> None:  # noqa: ARG002 - for those who trace
        """Change the status."""
        self.status = status

    def execute(self) -> dict[str, Any]:
        """Do the task."""
        self.move_to("running", "picked")
        answer = self.agent.work()
        self.move_to("ready", "written")
        return answer

    def update(self, state: dict[str, Any]) -> None:
        """Do a task that only changes a state."""
        self.move_to("running", "picked")
        state["turn"] += 1
        self.move_to("ready", "written")

    def around(self, body: Callable[[], Any]) -> Any:
        """Do any task."""
        return body()


class Engine:
    """Runs nodes, one in each step."""

    def __init__(self) -> None:
        self.node = Node()

    def run(self, body: Callable[[], Any]) -> Any:
        """Run ``body``, which takes the steps."""
        return body()

    def step(self) -> dict[str, Any]:
        """Take one step."""
        return self.node.execute()
