"""Where a fake provider is found, in the forms that clients want."""

from __future__ import annotations


class ProviderAddress:
    """The address of a fake provider, in this process or in another one.

    Attributes:
        url: ``http://127.0.0.1:port``, without a path.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI clients: with ``/v1``."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for Anthropic clients: without ``/v1``."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """Base URL for Google's clients: without a version."""
        return self.url

    @property
    def mistral_url(self) -> str:
        """Base URL for Mistral clients: a path of their own, as Mistral's end like OpenAI's."""
        return f"{self.url}/mistral"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make the SDKs of a program talk to this provider.

        Those of Mistral and Hugging Face are for programs to read: their SDKs read none.
        """
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "sk-test",
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "OLLAMA_HOST": self.url,
            "CO_API_URL": self.url,
            "CO_API_KEY": "co-test",
            "GOOGLE_GEMINI_BASE_URL": self.gemini_url,
            "GOOGLE_VERTEX_BASE_URL": self.gemini_url,
            "GOOGLE_API_KEY": "gemini-test",
            "MISTRAL_SERVER_URL": self.mistral_url,
            "MISTRAL_API_KEY": "mistral-test",
            "HF_INFERENCE_URL": self.openai_url,
            "HF_TOKEN": "hf-test",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "aws-test",
            "AWS_SECRET_ACCESS_KEY": "aws-test",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
