"""A program that puts secrets wherever a telemetry attribute can be, and into its prompts.

It is run under ``opentelemetry-instrument`` against a fake provider that echoes what it is asked.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import openai
from opentelemetry import metrics, trace

_CORPUS = runpy.run_path(str(Path(__file__).with_name("corpus.py")))
CORPUS, HARMLESS = _CORPUS["CORPUS"], _CORPUS["HARMLESS"]
tracer = trace.get_tracer("careless")
counter = metrics.get_meter("careless").create_counter("careless.secrets")
histogram = metrics.get_meter("careless").create_histogram("careless.sizes")


class SecretError(Exception):
    """Says what it should not."""


def leak(text: str) -> None:
    """One secret, everywhere."""
    with tracer.start_as_current_span(f"work {text}") as span:
        span.set_attribute("note", f"{HARMLESS}; {text}")
        span.set_attribute("notes", [HARMLESS, text])
        span.set_attribute("http.request.header.authorization", [text])
        span.set_attribute("db.password", text)
        span.add_event(f"saw {text}", {"note": text, "notes": [text, HARMLESS]})
        counter.add(1, {"note": text})
        histogram.record(1, {"note": text})
        try:
            raise SecretError(text)
        except SecretError as error:
            span.record_exception(error, {"note": text})
        span.set_status(trace.StatusCode.ERROR, f"failed with {text}")


def ask(client: openai.OpenAI, text: str) -> None:
    """A prompt with a secret; the answer repeats it."""
    client.chat.completions.create(
        model="gpt-5-mini",
        messages=[
            {"role": "system", "content": f"Never repeat {text}"},
            {"role": "user", "content": f"{HARMLESS}; {text}"},
        ],
        user=text[:40],
    )


def main() -> None:
    """All of the corpus."""
    client = openai.OpenAI()
    for secret in CORPUS:
        leak(secret.text)
        ask(client, secret.text)


if __name__ == "__main__":
    main()
