"""What Codex is to pflow: a command that asks its models, and tells in JSON what it does.

Run as a script, in place of the real one.  It asks the provider by HTTP, again while that wants
tools, and imitates what pflow looks at.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SESSION = "0199a213-81c0-7800-8aa1-bbab2a035a53"
DEFAULT_MODEL = "gpt-5-codex"


def install(folder: Path) -> None:
    """Put an executable into a folder that runs this file."""
    command = folder / "codex"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


def main() -> int:
    """Work on a prompt, or say that somebody is logged in."""
    if sys.argv[1:] == ["login", "status"]:
        sys.stdout.write("Logged in using ChatGPT\n")
        return 0
    options = dict(zip(sys.argv, sys.argv[1:], strict=False))
    used = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}
    asked: list[dict[str, Any]] = [{"role": "user", "content": sys.argv[-1]}]
    _tell({"type": "thread.started", "thread_id": SESSION})
    while True:
        try:
            answer = _ask(options.get("--model", DEFAULT_MODEL), asked, used)
        except urllib.error.HTTPError as error:
            _tell({"type": "turn.failed", "error": {"message": error.read().decode()}})
            return 1
        tools = answer.get("tool_calls") or []
        if not tools:
            break
        asked.append({"role": "assistant", "content": None, "tool_calls": tools})
        for tool in tools:
            asked.append({"role": "tool", "tool_call_id": tool["id"], "content": "done"})
            item = {"type": "command_execution", "command": "ls", "exit_code": 0}
            _tell({"type": "item.completed", "item": item})
    _tell({"type": "turn.completed", "usage": used})
    Path(options["--output-last-message"]).write_text(answer["content"], "utf-8")
    return 0


def _ask(model: str, messages: list[dict[str, Any]], used: dict[str, int]) -> dict[str, Any]:
    """Ask a model, and count what it used."""
    request = urllib.request.Request(  # noqa: S310 - of the provider of the tests
        f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
        json.dumps({"model": model, "messages": messages}).encode(),
        {"content-type": "application/json", "authorization": "Bearer none"},
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - likewise
        answer = json.load(reply)
    told = answer["usage"]
    used["input_tokens"] += told["prompt_tokens"]
    used["output_tokens"] += told["completion_tokens"]
    used["cached_input_tokens"] += (told.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def _tell(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
