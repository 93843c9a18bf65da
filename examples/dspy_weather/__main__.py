"""``python -m dspy_weather``: a module of DSPy that reasons, calls a tool and answers."""

import dspy

QUESTION = "What will the weather be in Oslo?"


def forecast(city: str) -> str:
    """What the weather will be in a city."""
    return f"In {city} it will be mild."


def forecaster() -> dspy.Module:
    """A program that knows the weather."""
    return dspy.ReAct("question -> answer", tools=[forecast])


def main() -> None:
    """Ask one question."""
    model = dspy.LM("openai/gpt-4o-mini", cache=False)
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        print(forecaster()(question=QUESTION).answer)


if __name__ == "__main__":
    main()
