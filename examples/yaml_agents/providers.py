"""One function for each provider: its own SDK, a prompt, the text of the answer."""

from collections.abc import Callable

from anthropic import Anthropic
from google import genai
from openai import OpenAI


def openai(model: str, prompt: str) -> str:
    """Ask a model of OpenAI's."""
    with OpenAI() as client:
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}]
        )
    return answer.choices[0].message.content or ""


def anthropic(model: str, prompt: str) -> str:
    """Ask a model of Anthropic's; it is streamed, as long answers have to be."""
    with (
        Anthropic() as client,
        client.messages.stream(
            model=model, max_tokens=500, messages=[{"role": "user", "content": prompt}]
        ) as stream,
    ):
        return stream.get_final_text()


def google(model: str, prompt: str) -> str:
    """Ask a model of Google's."""
    client = genai.Client()
    try:
        return client.models.generate_content(model=model, contents=prompt).text or ""
    finally:
        client.close()


ASK: dict[str, Callable[[str, str], str]] = {
    "openai": openai,
    "anthropic": anthropic,
    "google": google,
}
