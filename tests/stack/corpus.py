"""Secrets that nobody has: what each looks like in a text, and what of it must not get out.

They are put together here so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
from typing import Final, NamedTuple

_LETTERS: Final = "Zq7Rt2Lp9Xw4Bn6Vc1Ks8Hd3Jf5Gm0TyQe"


class Secret(NamedTuple):
    """One.

    Attributes:
        kind: What it is.
        text: A text that holds it, as it would be written.
        core: The part that must not be found anywhere.
    """

    kind: str
    text: str
    core: str


def _of(kind: str, text: str, *parts: str) -> Secret:
    core = "".join(parts)
    return Secret(kind, text.format(core), core)


_BASE64: Final = base64.b64encode(b"admin:correct horse battery").decode().rstrip("=")
_PEM: Final = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"

CORPUS: Final = (
    _of("OpenAI key", "call it with {}, please", "sk", "-proj-", _LETTERS),
    _of("Anthropic key", "key {}.", "sk", "-ant-api03-", _LETTERS[::-1]),
    _of("Groq key", "{}", "gsk", "_", _LETTERS[3:33]),
    _of("Hugging Face token", "token={}", "hf", "_", _LETTERS[1:32]),
    _of("GitHub token", "git clone with {} now", "ghp", "_", _LETTERS[2:]),
    _of("fine-grained GitHub token", "({})", "github", "_pat_", _LETTERS[4:]),
    _of("GitLab token", "<{}>", "glpat", "-", _LETTERS[5:27]),
    _of("Slack token", "post with {}", "xoxb", "-", "123456789012-", _LETTERS[6:30]),
    _of("Google key", "?key={}", "AI", "za", _LETTERS[:33]),
    _of("AWS key id", "id {} in eu-central-1", "AK", "IA", "QWERTZUIOPASDFGH"),
    _of("AWS secret", "aws_secret_access_key = {}", _LETTERS[7:], "/Ab+"),
    _of("JSON web token", "cookie {}", "ey", "JhbGciOiJIUzI1", ".eyJzdWIiOiJ0ZXN0", ".", _LETTERS),
    _of("bearer", "Authorization: Bearer {}", _LETTERS[8:], ".", _LETTERS[:8]),
    _of("basic", "authorization=Basic {}", _BASE64),
    _of("password in an URL", "postgres://writer:{}@db.internal:5432/x", "s3cr3t", "-of-mine"),
    _of("password in JSON", '{{"user": "kim", "password": "{}"}}', "open", "-sesame-99"),
    Secret(
        "password in JSON in JSON",
        json.dumps({"arguments": json.dumps({"api_key": "inner-" + _LETTERS[9:25]})}),
        "inner-" + _LETTERS[9:25],
    ),
    _of("environment", "OPENAI_API_KEY={}", "env-", _LETTERS[10:30]),
    _of("private key", "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", _PEM),
    _of("private key, cut", "-----BEGIN PRIVATE KEY-----\n{}", _PEM[::-1]),
    _of("mail address", "write to {} today", "kim.writer+news", "@", "example.org"),
    _of("card in groups", "card {}, expires soon", "4111 1111", " 1111 1111"),
    _of("card with dashes", "card {}", "5500-0000-", "0000-0004"),
    _of("card in one", "card {} ok", "3782", "82246310005"),
    _of("telephone", "ring {} at noon", "+49 30", " 12345678"),
)
"""Each kind once."""

HARMLESS: Final = "the bicycle stays readable"
"""A text that redaction has to leave alone."""
