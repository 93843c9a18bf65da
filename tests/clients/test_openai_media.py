"""Images, audio and moderations of OpenAI's SDK: what is told, what is not known, what is free."""

from __future__ import annotations

import gc
import inspect
import io
import json
from typing import Any

import openai
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record
from flowspan.usage import Usage

AUDIO = ("question.mp3", b"x" * 1500, "audio/mpeg")
PICTURE = ("cat.png", b"y" * 950, "image/png")


@pytest.fixture
def priced() -> Any:
    integrations = (openai_rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
    with record(*integrations, priced=True) as recording:
        yield recording


def known_in(span: Any) -> dict[str, Any]:
    return dict(span.attributes or {})


def known_of(recording: Recording) -> dict[str, Any]:
    return known_in(recording.spans.one())


def needs_streams(method: Any) -> None:
    if "stream" not in inspect.signature(method).parameters:
        pytest.skip("this version does not stream it")


# --- images ---------------------------------------------------------------------------------------


def test_an_image_has_its_request_and_what_it_cost(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """Text and images in, images out, each at its own rate."""
    usage = Usage(
        input_tokens=110, input_image_tokens=100, output_tokens=272, output_image_tokens=272
    )
    provider.reply(Reply(usage=usage))

    client.images.generate(model="gpt-image-1.5", prompt="a red cat", n=2)

    known = known_of(priced)
    assert priced.spans.one().name == "generate_content gpt-image-1.5"
    assert known[semconv.OUTPUT_TYPE] == "image"
    assert known[semconv.REQUEST_CHOICE_COUNT] == 2
    assert known[semconv.USAGE_IMAGE_INPUT] == 100
    assert known[semconv.USAGE_IMAGE_OUTPUT] == 272
    # 5, 8 and 32 dollars for a million of text in, images in, images out
    assert known[semconv.COST_USD] == (10 * 5 + 100 * 8 + 272 * 32) / 1e6


def test_what_is_charged_by_the_image_has_no_price(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """It is not known, which is not the same as 0."""
    client.images.generate(model="dall-e-3", prompt="a red cat")

    known = known_of(priced)
    assert known[semconv.COST_STATUS] == "unpriced"
    assert semconv.COST_USD not in known
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_images_that_nobody_waited_for_are_not_guessed_at(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """No text was measured from which their tokens could be told."""
    generate: Any = client.images.generate
    needs_streams(generate)
    provider.reply(Reply(gate=Gate(after_chunks=1)))

    with generate(
        model="gpt-image-1.5", prompt="a red cat", stream=True, partial_images=2
    ) as stream:
        next(stream)

    known = known_of(priced)
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.COST_STATUS] == "unpriced"
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.USAGE_ESTIMATED not in known


def test_no_image_is_ever_inlined(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """With content on, images are told by their size, and addresses without their signature."""
    client.images.edit(model="gpt-image-1", prompt="a red cat", image=PICTURE)
    client.images.generate(model="dall-e-3", prompt="a red cat")

    edit, generated = (known_in(span) for span in content_recording.spans)
    [asked] = json.loads(edit[semconv.INPUT_MESSAGES])
    [answered] = json.loads(edit[semconv.OUTPUT_MESSAGES])
    [linked] = json.loads(generated[semconv.OUTPUT_MESSAGES])
    assert [part["type"] for part in asked["parts"]] == ["text", "blob"]
    assert asked["parts"][1]["size"] == 950
    assert answered["parts"][0]["modality"] == "image"
    assert answered["parts"][0]["content"] == ""
    assert "secret" not in linked["parts"][0]["uri"]


def test_a_stream_of_images_keeps_none_of_them(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """Only the last one is told of, by its size."""
    generate: Any = client.images.generate
    needs_streams(generate)

    list(generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=3))

    known = known_of(content_recording)
    [answered] = json.loads(known[semconv.OUTPUT_MESSAGES])
    assert [part["type"] for part in answered["parts"]] == ["blob"]
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger.total().input_tokens


# --- audio ----------------------------------------------------------------------------------------


def test_a_file_is_the_programs_own(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """It is sent whole, and is not read for telemetry."""
    file = io.BytesIO(b"x" * 1500)
    file.name = "question.mp3"

    client.audio.transcriptions.create(model="whisper-1", file=file)

    assert provider.requests[0].body["file"]["size"] == 1500
    [asked] = json.loads(known_of(content_recording)[semconv.INPUT_MESSAGES])
    assert asked["parts"] == [
        {"type": "blob", "modality": "audio", "mime_type": None, "content": "", "size": None}
    ]


def test_a_transcription_is_priced_by_its_length(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """36 cents an hour."""
    provider.reply(Reply("one two", usage=Usage(audio_seconds=100.5)))

    client.audio.transcriptions.create(model="whisper-1", file=AUDIO)

    known = known_of(priced)
    assert known[semconv.USAGE_AUDIO_SECONDS] == 100.5
    assert known[semconv.COST_USD] == pytest.approx(100.5 / 3600 * 0.36)
    assert known[semconv.OUTPUT_TYPE] == "text"
    assert semconv.USAGE_INPUT_TOKENS not in known


@pytest.mark.parametrize("wished", ["text", "srt", "vtt"])
def test_a_text_does_not_say_what_it_cost(
    wished: Any, provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """How long the audio was is nowhere."""
    answer: Any = client.audio.transcriptions.create(
        model="whisper-1", file=AUDIO, response_format=wished
    )

    known = known_of(priced)
    assert isinstance(answer, str)
    assert known[semconv.COST_STATUS] == "unpriced"
    assert semconv.COST_USD not in known


def test_content_of_a_transcription_is_its_text(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """Plain, as an object, and streamed."""
    create: Any = client.audio.transcriptions.create
    calls: list[dict[str, Any]] = [{}, {"response_format": "text"}]
    if "stream" in inspect.signature(create).parameters:
        calls.append({"stream": True})
    for more in calls:
        provider.reply("one two")
        model = "gpt-4o-transcribe" if more.get("stream") else "whisper-1"
        answer = create(model=model, file=AUDIO, **more)
        if more.get("stream"):
            list(answer)

    for span in content_recording.spans:
        [said] = json.loads(known_in(span)[semconv.OUTPUT_MESSAGES])
        assert said["parts"][0]["content"].strip() == "one two"


def test_a_transcription_that_broke_off_is_not_guessed_at(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """An error, without tokens: of the audio nothing is known."""
    create: Any = client.audio.transcriptions.create
    needs_streams(create)
    provider.reply(Reply("one two three", fault=Fault.error_event(after_chunks=1)))

    with pytest.raises(openai.APIError):
        list(create(model="gpt-4o-transcribe", file=AUDIO, stream=True))
    gc.collect()  # some versions leave the response open

    assert priced.spans.one().status.status_code is StatusCode.ERROR
    assert semconv.USAGE_INPUT_TOKENS not in known_of(priced)


def test_speech_is_priced_by_its_characters(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """15 dollars for a million; the audio is the provider's, to the byte."""
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="hello world")

    known = known_of(priced)
    assert answer.content.startswith(b"ID3")
    assert known[semconv.USAGE_CHARACTERS] == 11
    assert known[semconv.COST_USD] == pytest.approx(11 * 15 / 1e6)
    assert known[semconv.OUTPUT_TYPE] == "speech"


def test_speech_that_is_charged_by_tokens_says_them_only_as_events(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """As mere bytes its price is not known."""
    speech: Any = client.audio.speech
    arguments = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "hello world"}
    provider.reply("one two", "one two")

    speech.create(**arguments)
    speech.create(**arguments, extra_body={"stream_format": "sse"})

    silent, told = (known_in(span) for span in priced.spans)
    assert silent[semconv.COST_STATUS] == "unpriced"
    assert (told[semconv.USAGE_INPUT_TOKENS], told[semconv.USAGE_AUDIO_OUTPUT]) == (2, 2)
    assert told[semconv.COST_USD] == pytest.approx((2 * 0.6 + 2 * 12) / 1e6)


def test_a_form_that_is_sent_again_is_a_retry(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """One call, one span, one charge."""
    provider.fail(Fault.rate_limited())

    client.audio.transcriptions.create(model="whisper-1", file=AUDIO)

    assert known_of(recording)[semconv.RETRY_COUNT] == 1
    assert len(provider.ledger) == 1


# --- moderations ----------------------------------------------------------------------------------


def test_a_moderation_is_free(
    provider: FakeProvider, client: openai.OpenAI, priced: Recording
) -> None:
    """By rule: it has no tokens and no price, and is not unpriced."""
    client.moderations.create(input="some text")

    known = known_of(priced)
    assert priced.spans.one().name == "moderation"
    assert known[semconv.RESPONSE_MODEL] == "omni-moderation-latest"
    assert known[semconv.COST_STATUS] == "free"
    assert semconv.USAGE_INPUT_TOKENS not in known


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("some text", ["text"]),
        (["some", "text"], ["text", "text"]),
        (
            [
                {"type": "text", "text": "some"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
            ["text", "blob"],
        ),
    ],
)
def test_content_of_a_moderation(
    given: Any, parts: list[str], client: openai.OpenAI, content_recording: Recording
) -> None:
    """What was asked about."""
    client.moderations.create(model="omni-moderation-latest", input=given)

    [asked] = json.loads(known_of(content_recording)[semconv.INPUT_MESSAGES])
    assert [part["type"] for part in asked["parts"]] == parts
