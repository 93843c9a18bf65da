"""``python -m haystack_weather``: a pipeline of Haystack's: a prompt, and an agent with a tool."""

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool

ASKED = {"prompt": {"city": "Oslo"}}


@tool
def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def pipeline() -> Pipeline:
    """A pipeline that knows the weather."""
    question = ChatMessage.from_user("What will the weather be in {{ city }}?")
    made = Pipeline(metadata={"name": "weather"})
    made.add_component("prompt", ChatPromptBuilder([question], required_variables=["city"]))
    model = OpenAIChatGenerator(model="gpt-4o-mini")
    made.add_component("forecaster", Agent(chat_generator=model, tools=[forecast]))
    made.connect("prompt.prompt", "forecaster.messages")
    return made


def main() -> None:
    """Run the pipeline once."""
    result = pipeline().run(ASKED)
    print(result["forecaster"]["last_message"].text)


if __name__ == "__main__":
    main()
