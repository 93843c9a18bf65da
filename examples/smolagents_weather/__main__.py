"""``python -m smolagents_weather``: a manager asks an agent that it manages, which has a tool."""

from smolagents import OpenAIServerModel, ToolCallingAgent, tool


@tool
def forecast(city: str) -> str:
    """What the weather will be in a city.

    Args:
        city: Where.
    """
    return f"In {city} it will be mild."


def desk() -> ToolCallingAgent:
    """Who is asked first."""
    model = OpenAIServerModel("gpt-4o-mini")
    forecaster = ToolCallingAgent(
        [forecast], model, name="forecaster", description="Knows the weather", verbosity_level=-1
    )
    return ToolCallingAgent([], model, managed_agents=[forecaster], name="desk", verbosity_level=-1)


def main() -> None:
    """Ask one question."""
    print(desk().run("What will the weather be in Oslo?"))


if __name__ == "__main__":
    main()
