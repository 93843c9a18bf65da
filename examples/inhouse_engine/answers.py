"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply


def respond(request: ReceivedRequest) -> Reply:
    """The answer to a prompt, by what it asks for."""
    said = request.body["messages"][-1]["content"]
    if said.startswith("One word"):
        return Reply("bill" if "my bill" in said else "other")
    if said.startswith("Answer"):
        return Reply("On the first of the month.")
    if said.startswith("Better"):
        return Reply("On the first of the month; you have thirty days to pay it.")
    return Reply("good" if "thirty" in said else "How long one may take to pay.")
