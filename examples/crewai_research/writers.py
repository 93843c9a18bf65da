"""The crew: a researcher with a tool, and a writer whose guardrail wants a full stop."""

from typing import Any

from crewai import Agent, Crew, Task
from crewai.tools import tool

MODEL = "gpt-4o-mini"
SHELVES = {"history": "The first bicycle of 1817 had no pedals."}


@tool("archive")
def archive(shelf: str) -> str:
    """What the archive has on a shelf."""
    return SHELVES.get(shelf, "The shelf is empty.")


def ends_well(output: Any) -> tuple[bool, Any]:
    """Whether a text ends with a full stop."""
    return output.raw.endswith("."), output.raw


def writers() -> Crew:
    """A new crew."""
    researcher = Agent(
        role="Researcher", goal="facts", backstory="Curious.", llm=MODEL, tools=[archive]
    )
    writer = Agent(role="Writer", goal="notes", backstory="Terse.", llm=MODEL)
    look_up = Task(
        name="look up",
        description="Look up {topic}.",
        expected_output="a fact",
        agent=researcher,
    )
    write = Task(
        name="write",
        description="Write a note on {topic}; the editor said: {verdict}",
        expected_output="one sentence",
        agent=writer,
        guardrail=ends_well,
    )
    return Crew(name="writers", agents=[researcher, writer], tasks=[look_up, write])
