"""litellm: an answer, a stream, and a router whose first choice may fail."""

import litellm
from litellm import Router

MODEL = "openai/gpt-4o"


def answer() -> None:
    response = litellm.completion(
        model=MODEL, messages=[{"role": "user", "content": "Say this is a test"}]
    )
    print(response.choices[0].message.content)


def stream() -> None:
    chunks = litellm.completion(
        model=MODEL,
        messages=[{"role": "user", "content": "Count from one to three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        print(chunk.choices[0].delta.content or "", end="")
    print()


def route() -> None:
    router = Router(
        model_list=[{"model_name": "writer", "litellm_params": {"model": MODEL}}],
    )
    response = router.completion(
        model="writer", messages=[{"role": "user", "content": "Say good bye"}]
    )
    print(response.choices[0].message.content)


if __name__ == "__main__":
    answer()
    stream()
    route()
