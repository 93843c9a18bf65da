"""The engine: nodes that share a memory, and a table that says which comes next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

END = "end"


class Ticket:
    """A question of a customer's, and where it stands."""

    def __init__(self, key: str, question: str) -> None:
        self.key = key
        self.question = question
        self.status = "new"

    def move_to(self, status: str) -> None:
        """Change where it stands."""
        self.status = status


class Node(ABC):
    """One thing to do with a ticket."""

    name = "node"

    @abstractmethod
    def run(self, ticket: Ticket, memory: dict[str, Any]) -> str:
        """Do it; the word that it returns decides what comes next."""


class Engine:
    """Takes a ticket from node to node."""

    def __init__(self, nodes: list[Node], routes: Mapping[tuple[str, str], str]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.routes = routes

    def handle(self, ticket: Ticket) -> str:
        """Answer a ticket."""
        memory: dict[str, Any] = {}
        name = next(iter(self.nodes))
        while name != END:
            word = self.nodes[name].run(ticket, memory)
            name = self.next_node(name, word)
        return str(memory.get("answer", ""))

    def next_node(self, name: str, word: str) -> str:
        """The node that follows."""
        return self.routes[name, word]
