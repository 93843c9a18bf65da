"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply, ToolCall


def respond(request: ReceivedRequest) -> Reply:
    """The answer to a prompt, by what it asks for and what was said before."""
    prompt = request.prompt
    if request.body["messages"][-1]["role"] == "tool":
        return Reply("It had no pedals.")
    if "Look up" in prompt:
        return Reply(tool_calls=(ToolCall("archive", {"shelf": "history"}, id="call_archive"),))
    if "Judge this note" in prompt:
        return Reply("good" if "1817" in prompt else "when was that?")
    if "when was that?" in prompt:
        return Reply("The bicycle of 1817 had no pedals.")
    stopped = "failed validation" in prompt
    return Reply("The first bicycle had no pedals" + ("." if stopped else ""))
