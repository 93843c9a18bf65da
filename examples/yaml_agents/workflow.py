"""What a workflow file says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Agent(NamedTuple):
    """One agent.

    Attributes:
        name: Of its node, and of the key that its answer is put under.
        provider: Whose model it asks.
        model: The model.
        prompt: What it asks, with names of keys in braces.
        after: The agents whose answers it waits for.
    """

    name: str
    provider: str
    model: str
    prompt: str
    after: tuple[str, ...] = ()


class Workflow(NamedTuple):
    """A file.

    Attributes:
        name: Of the graph.
        inputs: The state that it begins with.
        outputs: Keys of the state that are printed.
        agents: Its nodes.
    """

    name: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    agents: tuple[Agent, ...]


def load(path: Path) -> Workflow:
    """Read a file."""
    said: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    agents = tuple(
        Agent(name, one["provider"], one["model"], one["prompt"], tuple(one.get("after", ())))
        for name, one in said["agents"].items()
    )
    return Workflow(said["workflow"], said["inputs"], tuple(said["outputs"]), agents)
