"""The model that is asked, through the OpenAI SDK."""

from __future__ import annotations

from functools import cache

import openai


@cache
def client() -> openai.OpenAI:
    """The client, whose endpoint and key the usual variables of the environment name."""
    return openai.OpenAI()


def ask(prompt: str) -> str:
    """The model's answer to a prompt."""
    completion = client().chat.completions.create(
        model="gpt-5.4-mini", messages=[{"role": "user", "content": prompt}]
    )
    return completion.choices[0].message.content or ""
