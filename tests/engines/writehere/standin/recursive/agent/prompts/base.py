"""What every prompt template is."""

from __future__ import annotations

from abc import ABC
from typing import Any

from recursive.utils.register import Register

prompt_register = Register("prompt_register")


class PromptTemplate(ABC):  # noqa: B024 - as the real engine
    def __init__(self, system_message: str, content_template: str) -> None:
        self.system_message = system_message
        self.content_template = content_template

    def construct_system_message(self, **mapping: Any) -> str:
        text = self.system_message
        for key, value in mapping.items():
            if value is not None:
                text = text.replace(key, value)
        return text

    def construct_prompt(self, **mapping: Any) -> str:
        return self.content_template.format(**mapping) if mapping else self.content_template
