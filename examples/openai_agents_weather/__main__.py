"""``python -m openai_agents_weather``: a desk hands a question over to a forecaster with a tool."""

from typing import Any

from agents import Agent, Runner, function_tool, set_tracing_disabled

MODEL = "gpt-4o-mini"


@function_tool
def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def desk() -> Agent[Any]:
    """Who is asked first."""
    forecaster = Agent[Any](
        name="forecaster",
        handoff_description="Knows the weather",
        instructions="Look the weather up.",
        model=MODEL,
        tools=[forecast],
    )
    instructions = "Hand questions over to who knows."
    return Agent[Any](name="desk", instructions=instructions, model=MODEL, handoffs=[forecaster])


def main() -> None:
    """Ask one question."""
    set_tracing_disabled(True)  # the SDK's own traces would go to OpenAI
    result = Runner.run_sync(desk(), "What will the weather be in Oslo?")
    print(f"{result.last_agent.name}: {result.final_output}")


if __name__ == "__main__":
    main()
