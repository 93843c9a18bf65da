"""``python -m ag2_weather``: an agent of AG2 with a tool, asked one question."""

import asyncio
from typing import Any

from ag2 import Agent, tool
from ag2.config import OpenAIConfig


@tool
def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def forecaster(**settings: Any) -> Agent[Any]:
    """An agent that knows the weather."""
    return Agent(
        "forecaster", config=OpenAIConfig(model="gpt-4o-mini"), tools=[forecast], **settings
    )


async def main() -> None:
    """Ask one question."""
    reply = await forecaster().ask("What will the weather be in Oslo?")
    print(reply.body)


if __name__ == "__main__":
    asyncio.run(main())
