"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply, ToolCall


def respond(request: ReceivedRequest) -> Reply:
    """The answer to what was said last, with the tools that were offered."""
    messages = request.body["messages"]
    if messages[-1]["role"] == "tool":
        return Reply("It will be mild.")
    if request.body.get("tools"):
        return Reply(tool_calls=(ToolCall("forecast", {"city": "Oslo"}, id="call_1"),))
    return Reply("Well said.")
