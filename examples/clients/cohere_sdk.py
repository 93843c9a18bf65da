"""Cohere's SDK: an answer, a stream, embeddings."""

import cohere

MODEL = "command-a-03-2025"


def answer(client: cohere.ClientV2) -> None:
    response = client.chat(
        model=MODEL, messages=[{"role": "user", "content": "Say this is a test"}]
    )
    print(response.message.content[0].text)


def stream(client: cohere.ClientV2) -> None:
    events = client.chat_stream(
        model=MODEL, messages=[{"role": "user", "content": "Count from one to three"}]
    )
    for event in events:
        if event.type == "content-delta":
            print(event.delta.message.content.text, end="")
    print()


def embed(client: cohere.ClientV2) -> None:
    response = client.embed(
        model="embed-v4.0",
        texts=["The sky is blue"],
        input_type="search_document",
        embedding_types=["float"],
    )
    print(len(response.embeddings.float_))


if __name__ == "__main__":
    co = cohere.ClientV2()
    answer(co)
    stream(co)
    embed(co)
