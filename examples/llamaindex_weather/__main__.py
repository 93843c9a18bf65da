"""``python -m llamaindex_weather``: a workflow of two steps, the second a loop of an agent."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI
from workflows import Workflow, step
from workflows.events import Event, StartEvent, StopEvent


def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


class Question(Event):
    """What is to be found out."""

    text: str


class Weather(Workflow):
    """Asks an agent with a tool."""

    @step
    async def read(self, event: StartEvent) -> Question:
        """Make a question of a place."""
        return Question(text=f"What will the weather be in {event.city}?")

    @step
    async def answer(self, event: Question) -> StopEvent:
        """Have the question answered."""
        model = OpenAI("gpt-4o-mini", api_base=os.environ.get("OPENAI_BASE_URL"))
        agent = FunctionAgent(name="forecaster", tools=[forecast], llm=model, streaming=False)
        return StopEvent(result=str(await agent.run(event.text)))


async def main() -> None:
    """Run the workflow once."""
    print(await Weather(timeout=60).run(city="Oslo"))


if __name__ == "__main__":
    asyncio.run(main())
