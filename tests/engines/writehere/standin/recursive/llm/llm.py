"""One way to every provider: plain HTTP for two of them, an SDK for each of the others."""

from __future__ import annotations

import copy
import os
from typing import Any

import requests

from recursive.memory import caches


class OpenAIApiProxy:
    def __init__(self, verbose: bool = True) -> None:  # noqa: FBT001, FBT002 - as the real engine
        self.session = requests.Session()
        self.verbose = verbose
        self.MAX_RETRIES = 4
        self.RETRY_CODES = (400, 401, 404, 429, 500, 502, 503, 504, 529)

    def call(  # noqa: PLR0913, PLR0917 - as the real engine
        self,
        model: str,
        messages: list[dict[str, Any]],
        no_cache: bool = False,  # noqa: FBT001, FBT002
        overwrite_cache: bool = False,  # noqa: FBT001, FBT002
        tools: None = None,
        temperature: float | None = None,
        headers: dict[str, str] = {},  # noqa: B006 - shared by all threads, as in the real engine
        use_official: str | None = None,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        body: dict[str, Any] = {
            "model": model,
            "messages": copy.deepcopy(messages),
            "max_tokens": 8192,
            **kwargs,
        }
        if temperature is not None:
            body["temperature"] = temperature
        cache_args = copy.deepcopy(body)
        llm_cache = None if no_cache else caches["llm"]
        if llm_cache is not None and not overwrite_cache:
            known = llm_cache.get_cache("OpenAIApiProxy.call", cache_args)
            if known is not None:
                return list(known)
        if "/" in model:
            choices = self._sdk(body)
        elif "gemini" in model:
            choices = self._google(body)
        elif "claude" in model:
            choices = self._anthropic(body, headers)
        else:
            choices = self._openai(body, headers)
        if llm_cache is not None:
            llm_cache.save_cache("OpenAIApiProxy.call", cache_args, choices)
        return choices

    def _openai(self, body: dict[str, Any], headers: dict[str, str]) -> list[dict[str, Any]]:
        base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
        headers["Authorization"] = "Bearer " + os.environ.get("OPENAI", "none")
        data = self._post(f"{base}/chat/completions", headers, body)
        return list(data["choices"])

    def _anthropic(self, body: dict[str, Any], headers: dict[str, str]) -> list[dict[str, Any]]:
        base = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
        headers = {**headers, "anthropic-version": "2023-06-01", "x-api-key": "none"}
        if body["messages"][0]["role"] == "system":
            body["system"] = body["messages"].pop(0)["content"]
        data = self._post(f"{base}/v1/messages", headers, body)
        return [{"message": {"content": data["content"][0]["text"]}}]

    def _sdk(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        from openai import OpenAI  # noqa: PLC0415 - slow to import, and only this route needs it

        client = OpenAI(
            base_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
            api_key=os.environ.get("OPENROUTER", "none"),
        )
        completion = client.chat.completions.create(**body)
        return [{"message": {"content": completion.choices[0].message.content}}]

    def _post(self, url: str, headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(self.MAX_RETRIES):
            try:
                response = self.session.post(url, headers=headers.copy(), json=body, timeout=30)
                if response.status_code not in self.RETRY_CODES:
                    response.raise_for_status()
                    break
            except requests.exceptions.RequestException:
                if attempt == self.MAX_RETRIES - 1:
                    raise
        return dict(response.json())

    def _google(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        import google.generativeai as genai  # noqa: PLC0415 - likewise

        # The real engine leaves transport and address to the SDK: gRPC, to Google.
        base = os.environ.get("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com")
        genai.configure(api_key="none", transport="rest", client_options={"api_endpoint": base})
        system: Any = None
        said: list[dict[str, Any]] = []
        for message in body["messages"]:
            if message["role"] == "system":
                system = message["content"]
            else:
                role = "model" if message["role"] == "assistant" else "user"
                said.append({"role": role, "parts": [{"text": message["content"]}]})
        settings = {"temperature": body["temperature"]} if "temperature" in body else {}
        model: Any = genai.GenerativeModel(
            body["model"], system_instruction=system, generation_config=settings
        )
        answer = model.start_chat(history=said[:-1]).send_message(said[-1]["parts"][0]["text"])
        return [{"message": {"content": answer.text}}]
