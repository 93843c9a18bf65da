"""The models that are asked: one through the OpenAI SDK, one by plain HTTP."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import httpx
import openai

AUTHOR = "gpt-5.4-mini"
READER = "claude-haiku-4-5"
STYLE = "You write plainly, for readers who know nothing of the matter, and never make things up."


class Models:
    """Two models at their endpoints, which the usual variables of the environment name."""

    def __init__(self) -> None:
        self._openai = openai.OpenAI()
        self._http = httpx.Client(
            base_url=os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
            headers={
                "x-api-key": os.environ.get("ANTHROPIC_API_KEY", ""),
                "anthropic-version": "2023-06-01",
            },
            timeout=60.0,
        )

    def answer(self, prompt: str) -> str:
        """The author's answer, in one piece."""
        completion = self._openai.chat.completions.create(
            model=AUTHOR,
            messages=[{"role": "system", "content": STYLE}, {"role": "user", "content": prompt}],
        )
        return completion.choices[0].message.content or ""

    def stream(self, prompt: str) -> str:
        """The author's answer, taken as it comes."""
        chunks = self._openai.chat.completions.create(
            model=AUTHOR,
            messages=[{"role": "system", "content": STYLE}, {"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        )
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

    def read(self, prompt: str) -> str:
        """The reader's answer.

        Raises:
            httpx.HTTPStatusError: The reader refuses.
        """
        message = {"role": "user", "content": prompt}
        response = self._http.post(
            "/v1/messages",
            json={"model": READER, "max_tokens": 200, "messages": [message]},
        )
        response.raise_for_status()
        return "".join(block.get("text", "") for block in response.json()["content"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._openai.close()
        self._http.close()
