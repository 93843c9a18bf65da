"""What the scripted models answer, so that the example runs without accounts."""

from flowspan.testing import Fault, ReceivedRequest, Reply
from flowspan.usage import Usage

SLOW = 0.4
"""Seconds that the slowest agent takes."""


def respond(request: ReceivedRequest) -> Reply:
    """The answer to a prompt; OpenAI is overloaded at first."""
    prompt = request.text
    if prompt.startswith("What"):
        if request.headers.get("x-stainless-retry-count") == "0":
            return Reply(fault=Fault.rate_limited())
        return Reply("sun", usage=Usage(input_tokens=40, output_tokens=2))
    if prompt.startswith("Three"):
        return Reply(
            "a tower, a tram and a cloister",
            usage=Usage(input_tokens=55, output_tokens=70),
            delay=SLOW,
        )
    if prompt.startswith("Where"):
        return Reply("by the river", usage=Usage(input_tokens=30, output_tokens=25))
    return Reply(
        "Tram in the morning, river at night.", usage=Usage(input_tokens=300, output_tokens=90)
    )
