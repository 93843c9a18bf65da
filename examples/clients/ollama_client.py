"""Ollama: an answer, a stream, an embedding."""

import ollama

MODEL = "gemma3"


def answer() -> None:
    response = ollama.chat(
        model=MODEL, messages=[{"role": "user", "content": "Why is the sky blue?"}]
    )
    print(response["message"]["content"])


def stream() -> None:
    for chunk in ollama.generate(model=MODEL, prompt="Count from one to three", stream=True):
        print(chunk["response"], end="")
    print()


def embed() -> None:
    print(len(ollama.embed(model=MODEL, input="The sky is blue")["embeddings"]))


if __name__ == "__main__":
    answer()
    stream()
    embed()
