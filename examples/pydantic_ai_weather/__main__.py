"""``python -m pydantic_ai_weather``: an agent with a tool, asked one question."""

from pydantic_ai import Agent


def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def forecaster() -> Agent:
    """An agent that knows the weather."""
    return Agent("openai-chat:gpt-4o-mini", name="forecaster", tools=[forecast])


def main() -> None:
    """Ask one question."""
    print(forecaster().run_sync("What will the weather be in Oslo?").output)


if __name__ == "__main__":
    main()
