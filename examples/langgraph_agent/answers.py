"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply, ToolCall


def respond(request: ReceivedRequest) -> Reply:
    """The answer to a prompt, by what was said last."""
    last = request.body["messages"][-1]
    said = last["content"]
    if last["role"] == "tool":
        return Reply(f"Noted: {said}")
    if said.startswith("Two angles"):
        return Reply("the history of it\nthe present of it")
    if said.startswith("Research"):
        shelf = "history" if "history" in said else "present"
        return Reply(tool_calls=(ToolCall("archive", {"shelf": shelf}, id=f"call_{shelf}"),))
    if said.startswith("Write, shorter"):
        return Reply("The bicycle: from a toy to a van.")
    return Reply("The bicycle began without pedals, and carries households now.")
