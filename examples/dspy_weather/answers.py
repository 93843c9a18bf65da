"""What the scripted model answers, so that the example runs without an account."""

import json

from flowspan.testing import ReceivedRequest, Reply


def respond(request: ReceivedRequest) -> Reply:
    """The fields that the prompt asks for."""
    asked = request.body["messages"][-1]["content"]
    if "next_tool_name" not in asked:
        return Reply(json.dumps({"reasoning": "It was looked up.", "answer": "Take no coat."}))
    known = "mild" in asked
    fields = {
        "next_thought": "I know it." if known else "I look it up.",
        "next_tool_name": "finish" if known else "forecast",
        "next_tool_args": {} if known else {"city": "Oslo"},
    }
    return Reply(json.dumps(fields))
