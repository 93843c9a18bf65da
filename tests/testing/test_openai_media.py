"""Images, audio and moderations as OpenAI's SDK sends and reads them."""

from __future__ import annotations

import base64
import inspect
import json
from typing import Any

import httpx
import openai
import pytest

from flowspan.testing import FakeProvider, Fault, Reply
from flowspan.usage import Usage

AUDIO = ("speech.mp3", b"x" * 1500, "audio/mpeg")
PICTURE = ("cat.png", b"y" * 950, "image/png")


def whole(value: Any) -> dict[str, Any]:
    """A typed answer with everything that it came with."""
    return dict(value.model_dump())


# --- images ---------------------------------------------------------------------------------------


def test_images_are_generated(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """As many as asked for, in base64, with tokens of text in and of images out."""
    provider.reply(Reply(usage=Usage(output_tokens=272)))

    answer = openai_client.images.generate(model="gpt-image-1", prompt="a red cat", n=2)

    assert answer.data is not None
    assert [base64.b64decode(image.b64_json or "")[1:4] for image in answer.data] == [b"PNG"] * 2
    assert provider.ledger.total() == Usage(
        input_tokens=3, output_tokens=272, output_image_tokens=272
    )
    assert whole(answer)["usage"]["input_tokens_details"] == {"text_tokens": 3, "image_tokens": 0}


def test_an_edit_is_a_form_whose_images_are_input(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """A token for each hundred bytes of the images; numbers of the form are numbers."""
    answer = openai_client.images.edit(
        model="gpt-image-1", prompt="a cat", image=PICTURE, n=2, size="1024x1024"
    )

    body = provider.requests[0].body
    assert answer.data is not None
    assert len(answer.data) == 2
    assert body["image"] == {"filename": "cat.png", "content_type": "image/png", "size": 950}
    assert body["n"] == 2
    assert provider.ledger[0].usage.input_image_tokens == 10
    assert provider.ledger[0].usage.input_tokens == 12


def test_several_images_of_a_form_are_a_list(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """The SDK repeats ``image[]``."""
    if openai.VERSION.startswith("1.4"):
        pytest.skip("this version takes one image")
    images: Any = [PICTURE, PICTURE]
    openai_client.images.edit(model="gpt-image-1", prompt="a cat", image=images)

    assert len(provider.requests[0].body["image"]) == 2
    assert provider.ledger[0].usage.input_image_tokens == 19


def test_a_retired_model_says_no_tokens(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """It is charged by the image."""
    answer = openai_client.images.generate(model="dall-e-3", prompt="a cat")

    assert answer.data is not None
    assert (answer.data[0].url or "").startswith("https://")
    assert "usage" not in answer.model_fields_set
    assert provider.ledger.total() == Usage()


def test_images_on_their_way_are_streamed(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Partial images as asked for, then the last one with the usage."""
    generate: Any = openai_client.images.generate
    if "stream" not in inspect.signature(generate).parameters:
        pytest.skip("this version does not stream images")

    events = list(generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=2))

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert events[-1].usage.input_tokens == 2
    assert provider.ledger[0].usage_on_wire


# --- audio ----------------------------------------------------------------------------------------


def test_a_transcription_says_its_tokens(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Audio is a token for each hundred of its bytes."""
    provider.reply("one two")

    answer: Any = openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=AUDIO, prompt="a story"
    )

    assert answer.text == "one two"
    assert whole(answer)["usage"] == {
        "type": "tokens",
        "input_tokens": 17,
        "input_token_details": {"text_tokens": 2, "audio_tokens": 15},
        "output_tokens": 2,
        "total_tokens": 19,
    }
    assert provider.ledger.total() == Usage(input_tokens=17, output_tokens=2, input_audio_tokens=15)


@pytest.mark.parametrize("wished", ["json", "verbose_json", "text", "srt", "vtt"])
def test_an_older_model_says_the_length_where_it_says_anything(
    wished: Any, provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """A second for each thousand bytes; texts and subtitles have no room for it."""
    provider.reply("one two")

    answer: Any = openai_client.audio.transcriptions.create(
        model="whisper-1", file=AUDIO, response_format=wished
    )

    assert "one two" in (answer if isinstance(answer, str) else answer.text)
    if not isinstance(answer, str):
        assert whole(answer)["usage"] == {"type": "duration", "seconds": 1.5}
    assert provider.ledger.total() == Usage(audio_seconds=1.5)


def test_a_transcription_is_streamed(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Pieces, and the whole with its tokens."""
    create: Any = openai_client.audio.transcriptions.create
    if "stream" not in inspect.signature(create).parameters:
        pytest.skip("this version does not stream transcriptions")
    provider.reply("one two")

    events = list(create(model="gpt-4o-transcribe", file=AUDIO, stream=True))

    assert [event.type for event in events] == [
        "transcript.text.delta",
        "transcript.text.delta",
        "transcript.text.done",
    ]
    assert events[-1].usage.output_tokens == 2
    assert provider.requests[0].stream


def test_the_older_model_ignores_that_a_stream_is_asked_for(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """As its documentation says."""
    openai_client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=AUDIO, extra_body={"stream": True}
    )

    assert not provider.requests[0].stream


def test_a_translation_says_nothing_of_what_it_used(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Only its text; asked for everything also the length."""
    provider.reply("one two", "one two")
    create: Any = openai_client.audio.translations.create

    short = create(model="whisper-1", file=AUDIO)
    verbose = create(model="whisper-1", file=AUDIO, response_format="verbose_json")

    assert whole(short) == {"text": "one two"}
    assert (float(whole(verbose)["duration"]), whole(verbose).get("task")) == (1.5, "translate")
    assert provider.ledger.total() == Usage(audio_seconds=3.0)


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("tts-1", Usage(characters=11)),
        (
            "gpt-4o-mini-tts",
            Usage(input_tokens=2, output_tokens=2, output_audio_tokens=2),
        ),
    ],
)
def test_speech_is_bytes(
    model: str, usage: Usage, provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Charged by characters or by tokens, and told to nobody."""
    provider.reply("one two")

    answer = openai_client.audio.speech.create(model=model, voice="alloy", input="hello world")

    assert answer.read().startswith(b"ID3")
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert provider.ledger.total() == usage


def test_speech_as_events_says_its_tokens(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """The audio in pieces, in base64."""
    provider.reply("one two")
    events = {"stream_format": "sse"}  # older versions do not know it

    with openai_client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="hello world", extra_body=events
    ) as response:
        data = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]

    told = [json.loads(each) for each in data]
    assert [event["type"] for event in told] == [
        "speech.audio.delta",
        "speech.audio.delta",
        "speech.audio.done",
    ]
    assert told[-1]["usage"] == {"input_tokens": 2, "output_tokens": 2, "total_tokens": 4}


# --- the rest -------------------------------------------------------------------------------------


def test_a_moderation_is_not_charged(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """It is answered, and the ledger does not know of it."""
    answer = openai_client.moderations.create(input=["some text", "more"])

    assert answer.id == "modr-000001"
    assert answer.model == "omni-moderation-latest"
    assert not answer.results[0].flagged
    assert provider.requests[0].texts == ("some text", "more")
    assert len(provider.ledger) == 0


@pytest.mark.parametrize("body", [b"no form", b""])
def test_what_claims_to_be_a_form_and_is_none_is_refused(
    body: bytes, provider: FakeProvider
) -> None:
    """With a sentence, as a broken JSON body is."""
    refused = httpx.post(
        f"{provider.openai_url}/images/edits",
        content=body,
        headers={"Content-Type": "multipart/form-data"},
    )

    assert refused.status_code == 400
    assert "multipart" in refused.json()["error"]["message"]
    assert len(provider.ledger) == 0


def test_a_form_may_be_refused_and_tried_again(
    provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """The SDK sends the file again."""
    provider.fail(Fault.server_error())

    openai_client.with_options(max_retries=1).audio.transcriptions.create(
        model="whisper-1", file=AUDIO
    )

    assert [request.body["file"]["size"] for request in provider.requests] == [1500, 1500]
