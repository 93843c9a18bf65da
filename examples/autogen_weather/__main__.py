"""``python -m autogen_weather``: a team of a forecaster with a tool and a reviewer."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient

MODEL = "gpt-4o-mini-2024-07-18"


def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def team(client: OpenAIChatCompletionClient) -> RoundRobinGroupChat:
    """Two agents who speak in turn."""
    forecaster = AssistantAgent("forecaster", client, tools=[forecast], reflect_on_tool_use=True)
    reviewer = AssistantAgent("reviewer", client)
    return RoundRobinGroupChat([forecaster, reviewer], max_turns=2)


async def main() -> None:
    """Give the team one task."""
    client = OpenAIChatCompletionClient(model=MODEL)
    result = await team(client).run(task="What will the weather be in Oslo?")
    for message in result.messages:
        print(f"{message.source}: {message.to_text()}")
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
