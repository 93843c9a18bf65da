"""Google's Gen AI SDK: an answer, a stream, a chat that calls a Python function by itself."""

from google import genai
from google.genai import types

MODEL = "gemini-2.5-flash"


def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


def answer(client: genai.Client) -> None:
    response = client.models.generate_content(model=MODEL, contents="Say this is a test")
    print(response.text)


def stream(client: genai.Client) -> None:
    for chunk in client.models.generate_content_stream(
        model=MODEL, contents="Count from one to three"
    ):
        print(chunk.text or "", end="")
    print()


def chat(client: genai.Client) -> None:
    config = types.GenerateContentConfig(tools=[weather])
    conversation = client.chats.create(model=MODEL, config=config)
    print(conversation.send_message("What is the weather in Oslo?").text)
    print(len(conversation.get_history()))


if __name__ == "__main__":
    google = genai.Client()
    answer(google)
    stream(google)
    chat(google)
    google.close()
