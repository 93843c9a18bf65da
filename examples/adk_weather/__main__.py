"""``python -m adk_weather``: an agent of Google's ADK with a tool, asked one question."""

import asyncio
from collections.abc import AsyncIterator

from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.genai import types


def forecast(city: str) -> dict[str, str]:
    """What the weather will be in a city."""
    return {"weather": f"In {city} it will be mild."}


async def answers() -> AsyncIterator[str]:
    """What is said when the agent is asked one question."""
    forecaster = LlmAgent(name="forecaster", model="gemini-2.5-flash", tools=[forecast])
    runner = InMemoryRunner(forecaster, app_name="weather")
    session = await runner.session_service.create_session(app_name="weather", user_id="someone")
    question = types.Content(role="user", parts=[types.Part(text="The weather in Oslo?")])
    async for event in runner.run_async(
        user_id="someone", session_id=session.id, new_message=question
    ):
        parts = event.content.parts if event.content else None
        for part in parts or ():
            if part.text:
                yield f"{event.author}: {part.text}"
    await runner.close()


async def main() -> None:
    """Ask one question."""
    async for answer in answers():
        print(answer)


if __name__ == "__main__":
    asyncio.run(main())
