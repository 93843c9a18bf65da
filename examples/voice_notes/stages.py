"""The stages: which prompt each has, what it reads from the state and what it writes there."""

import json
from typing import Any, NamedTuple, TypedDict

from google import genai


class Notes(TypedDict, total=False):
    """What the pipeline works on."""

    transcript: str
    pieces: list[str]
    relations: list[str]
    decisions: list[str]
    notes: list[str]
    current_stage: str
    error_type: str
    error_message: str


class Stage(NamedTuple):
    """One stage.

    Attributes:
        name: Of its node.
        prompt: What the model is asked; ``{}`` stands for what is read.
        reads: The key of the state that it works on.
        writes: The key of the state that it fills.
        model: Which model is asked.
    """

    name: str
    prompt: str
    reads: str
    writes: str
    model: str = "gemini-2.5-flash-lite"


STAGES = (
    Stage("segment", "Split into pieces of one thought each: {}", "transcript", "pieces"),
    Stage("relate", "Say how these belong together: {}", "pieces", "relations"),
    Stage("decide", "Add to an old note or make a new one, for each: {}", "relations", "decisions"),
    Stage("extract", "Write the notes: {}", "decisions", "notes", "gemini-2.5-pro"),
)


def run_stage(client: genai.Client, stage: Stage, state: Notes) -> Notes:
    """Ask the model of a stage; what it says must be a list in JSON."""
    known: Any = state
    config: Any = {"response_mime_type": "application/json"}
    answer = client.models.generate_content(
        model=stage.model, contents=stage.prompt.format(known[stage.reads]), config=config
    )
    written: Any = {stage.writes: json.loads(answer.text or ""), "current_stage": stage.name}
    return written
