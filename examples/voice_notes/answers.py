"""What the scripted model answers, so that the example runs without an account."""

import json

from flowspan.testing import ReceivedRequest, Reply
from flowspan.usage import Usage

THOUGHTS = ["the tests are slow", "Ana looks at the database", "we ship on Friday"]


def respond(request: ReceivedRequest) -> Reply:
    """The answer to a prompt, by what it asks for; it can make nothing of coughs."""
    prompt = request.text
    if prompt.startswith("Split"):
        return _list(["Crackle", "a cough"] if "coughs" in prompt else THOUGHTS, 420)
    if "cough" in prompt:
        return Reply(
            "I am sorry, these do not belong together.",
            usage=Usage(input_tokens=380, output_tokens=12),
        )
    if prompt.startswith("Say how"):
        return _list(["1 causes 2", "3 follows 2"], 510)
    if prompt.startswith("Add"):
        return _list(["new", "add to 1"], 480)
    return _list(["Slow tests: Ana looks at the database.", "Ship on Friday."], 1650)


def _list(items: list[str], read: int) -> Reply:
    """A list in JSON, for a prompt as long as real ones are."""
    return Reply(json.dumps(items), usage=Usage(input_tokens=read, output_tokens=60))
