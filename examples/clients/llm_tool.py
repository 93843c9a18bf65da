"""Simon Willison's llm: a prompt, a conversation, a chain with a tool."""

import llm

MODEL = "gpt-4o"


def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


def answer(model: llm.Model) -> None:
    print(model.prompt("Say this is a test", stream=False).text())


def conversation(model: llm.Model) -> None:
    talk = model.conversation()
    for question in ("first question", "second question"):
        for chunk in talk.prompt(question, stream=True):
            print(chunk, end="")
        print()


def tool(model: llm.Model) -> None:
    print(model.chain("What is the weather in Oslo?", tools=[weather], stream=False).text())


if __name__ == "__main__":
    gpt = llm.get_model(MODEL)
    answer(gpt)
    conversation(gpt)
    tool(gpt)
