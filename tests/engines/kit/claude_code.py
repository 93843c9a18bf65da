"""What Claude Code is to the SDK: a program that is asked in JSON, asks its models, and sums up.

Run as a script, in place of the real one, whose answers to the SDK it imitates as far as the SDK
and pflow look at them.  It asks the provider by HTTP, again while that wants tools: ``Task`` hands
on to another model, any other tool is done at once.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SESSION = "6afb1bb5-73ff-483d-a1b2-9b2e494708ce"
DEFAULT_MODEL = "claude-opus-4-5"
DOLLARS = 0.01
"""What it believes that a request costs."""

BACKGROUND = "in the background"
"""What makes it sum up twice, as where it has not waited for agents of its own."""


def install(folder: Path) -> str:
    """Put an executable into a folder that runs this file."""
    command = folder / "claude"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return str(command)


class Agent:
    """One process: it counts from its beginning."""

    def __init__(self, model: str, most_turns: int) -> None:
        self.model = model
        self.most_turns = most_turns
        self.used: dict[str, dict[str, float]] = {}

    def work(self, prompt: str) -> Iterator[dict[str, Any]]:
        """Answer a prompt, in messages to the SDK."""
        turns = 0
        asked: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
        try:
            while True:
                turns += 1
                answer = self.ask(self.model, asked)
                yield _said("assistant", answer)
                tools = [block for block in answer["content"] if block["type"] == "tool_use"]
                if not tools or turns == self.most_turns:
                    break
                results = {"role": "user", "content": [self.use(tool) for tool in tools]}
                asked += [{"role": "assistant", "content": answer["content"]}, results]
                yield _said("user", results)
        except urllib.error.HTTPError as error:
            yield self.sum_up(turns, is_error=True, api_error_status=error.code, result="failed")
            return
        if tools:
            yield self.sum_up(turns, subtype="error_max_turns", is_error=True)
        else:
            text = "".join(block["text"] for block in answer["content"])
            yield self.sum_up(turns, result=text, structured_output=_structured(text))

    def use(self, tool: dict[str, Any]) -> dict[str, Any]:
        """Carry a tool out."""
        said = "done"
        if tool["name"] == "Task":
            given = tool["input"]
            answer = self.ask(given["model"], [{"role": "user", "content": given["prompt"]}])
            said = answer["content"][0]["text"]
        return {"type": "tool_result", "tool_use_id": tool["id"], "content": said}

    def ask(self, model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask a model, and count what it used."""
        body = {"model": model, "max_tokens": 500, "messages": messages}
        request = urllib.request.Request(  # noqa: S310 - of the provider of the tests
            f"{os.environ['ANTHROPIC_BASE_URL']}/v1/messages",
            json.dumps(body).encode(),
            {"content-type": "application/json", "x-api-key": "none"},
        )
        with urllib.request.urlopen(request) as reply:  # noqa: S310 - likewise
            answer: dict[str, Any] = json.load(reply)
        told, counts = answer["usage"], self.used.setdefault(model, {})
        for name, source in (
            ("inputTokens", "input_tokens"),
            ("outputTokens", "output_tokens"),
            ("cacheReadInputTokens", "cache_read_input_tokens"),
            ("cacheCreationInputTokens", "cache_creation_input_tokens"),
        ):
            counts[name] = counts.get(name, 0) + (told.get(source) or 0)
        counts["costUSD"] = counts.get("costUSD", 0) + DOLLARS
        return answer

    def sum_up(self, turns: int, **more: Any) -> dict[str, Any]:
        """The last message of an answer."""
        return {
            "type": "result",
            "subtype": "success",
            "duration_ms": 1,
            "duration_api_ms": 1,
            "is_error": False,
            "num_turns": turns,
            "session_id": SESSION,
            "usage": {"input_tokens": 0, "output_tokens": 0},
            "modelUsage": self.used,
            **more,
        }


def _said(role: str, message: dict[str, Any]) -> dict[str, Any]:
    return {"type": role, "message": message, "parent_tool_use_id": None, "session_id": SESSION}


def _structured(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def main() -> int:
    """Answer what is asked until nothing more comes."""
    options = dict(zip(sys.argv, sys.argv[1:], strict=False))
    agent = Agent(options.get("--model", DEFAULT_MODEL), int(options.get("--max-turns", 0)))
    if "-v" in sys.argv:
        sys.stdout.write("2.1.329 (Claude Code)\n")
        return 0
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["type"] == "control_request":
            done = {"subtype": "success", "request_id": asked["request_id"], "response": {}}
            _write({"type": "control_response", "response": done})
        elif asked["type"] == "user":
            prompt = asked["message"]["content"]
            for message in agent.work(prompt):
                _write(message)
            if BACKGROUND in prompt and not message["is_error"]:
                _write(agent.sum_up(1))
            if message["is_error"]:
                return 1
    return 0


def _write(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
