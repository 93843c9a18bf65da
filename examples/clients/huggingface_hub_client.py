"""Hugging Face's InferenceClient: an answer, a stream."""

import os

from huggingface_hub import InferenceClient

MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def answer(client: InferenceClient) -> None:
    response = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say this is a test"}]
    )
    print(response.choices[0].message.content)


def stream(client: InferenceClient) -> None:
    for chunk in client.chat_completion(
        model=MODEL,
        messages=[{"role": "user", "content": "Count from one to three"}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="")
    print()


if __name__ == "__main__":
    hub = InferenceClient(
        base_url=os.environ.get("HF_INFERENCE_URL"), api_key=os.environ["HF_TOKEN"]
    )
    answer(hub)
    stream(hub)
