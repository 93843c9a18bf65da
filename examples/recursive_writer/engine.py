"""The engine: it moves one task at a time until the root is done."""

from __future__ import annotations

import pickle
from pathlib import Path

from recursive_writer.agents import AGENTS
from recursive_writer.models import Models
from recursive_writer.nodes import Kind, Node, Rule, next_move


class Engine:
    """Writes one article, and keeps every state on the way in a folder."""

    def __init__(self, topic: str, models: Models, folder: Path) -> None:
        self.root = Node("0", Kind.TEXT, topic)
        self.agents = {action: agent(models) for action, agent in AGENTS.items()}
        self.folder = folder
        self.steps = 0

    def run(self) -> str:
        """Move until nothing moves; the article."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settle()
        while (move := self.find()) is not None:
            self.step(*move)
        (self.folder / "article.md").write_text(self.root.result + "\n", encoding="utf-8")
        return self.root.result

    def find(self) -> tuple[Node, Rule] | None:
        """The first task that can move, and how."""
        for node in self.root.walk():
            rule = next_move(node)
            if rule is not None:
                return node, rule
        return None

    def step(self, node: Node, rule: Rule) -> None:
        """Make one move, then those that need no work, then a snapshot."""
        self.steps += 1
        self.perform(node, rule)
        self.settle()
        self.save()

    def perform(self, node: Node, rule: Rule) -> None:
        """Have an agent do what the move takes."""
        if rule.action is not None:
            self.agents[rule.action].work(node)
        node.move_to(rule.next_status)

    def settle(self) -> None:
        """Make all moves that need no work."""
        for node in self.root.walk():
            while (rule := next_move(node)) is not None and rule.action is None:
                node.move_to(rule.next_status)

    def save(self) -> None:
        """Keep all tasks as they are now."""
        file = self.folder / f"nodes-{self.steps:03}.pickle"
        file.write_bytes(pickle.dumps(list(self.root.walk())))
