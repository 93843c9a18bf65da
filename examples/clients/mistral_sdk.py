"""Mistral's SDK: an answer, a stream, embeddings."""

import os

try:
    from mistralai.client import Mistral
except ImportError:  # before version 2
    from mistralai import Mistral

MODEL = "mistral-small-latest"


def answer(client: Mistral) -> None:
    response = client.chat.complete(
        model=MODEL, messages=[{"role": "user", "content": "Say this is a test"}]
    )
    print(response.choices[0].message.content)


def stream(client: Mistral) -> None:
    messages = [{"role": "user", "content": "Count from one to three"}]
    with client.chat.stream(model=MODEL, messages=messages) as events:
        for event in events:
            print(event.data.choices[0].delta.content or "", end="")
    print()


def embed(client: Mistral) -> None:
    response = client.embeddings.create(model="mistral-embed", inputs=["The sky is blue"])
    print(len(response.data))


if __name__ == "__main__":
    with Mistral(
        api_key=os.environ["MISTRAL_API_KEY"], server_url=os.environ.get("MISTRAL_SERVER_URL")
    ) as mistral:
        answer(mistral)
        stream(mistral)
        embed(mistral)
