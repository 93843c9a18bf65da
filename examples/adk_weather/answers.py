"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply, ToolCall


def respond(request: ReceivedRequest) -> Reply:
    """The answer to what was said last."""
    if "mild" in str(request.body["contents"][-1]):
        return Reply("Take no coat.")
    return Reply(tool_calls=(ToolCall("forecast", {"city": "Oslo"}, id="call_1"),))
