"""What the scripted model answers, so that the example runs without an account."""

from flowspan.testing import ReceivedRequest, Reply, ToolCall


def respond(request: ReceivedRequest) -> Reply:
    """The answer to what was said last, with the tools that were offered."""
    said = str(request.body["messages"][1:])
    offered = {tool["function"]["name"] for tool in request.body["tools"]}
    if "forecaster" in offered and "mild" not in said:
        question = {"task": "The weather in Oslo", "additional_args": {}}
        return Reply(tool_calls=(ToolCall("forecaster", question, id="call_1"),))
    if "mild" in said:
        return Reply(tool_calls=(ToolCall("final_answer", {"answer": "It is mild."}, id="call_3"),))
    return Reply(tool_calls=(ToolCall("forecast", {"city": "Oslo"}, id="call_2"),))
