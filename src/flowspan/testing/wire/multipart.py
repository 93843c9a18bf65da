"""The members of a request that is a form with files (``multipart/form-data``) or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from flowspan.testing.wire.format import Json, parse_json

_TRUTH = {"true": True, "false": False}
_NUMBERS = frozenset({"n", "partial_images"})


def parse_form(headers: Mapping[str, str], body: bytes) -> Json:
    """The members of a form, or of a JSON object where the request is no form.

    A file is told as ``{"filename", "content_type", "size"}``.  Members that come several times,
    and those whose name ends in ``[]``, are lists.

    Raises:
        ValueError: The body is neither; the message is fit for an error answer.
    """
    content_type = headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        return parse_json(headers, body)
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    if not form.is_multipart():
        raise ValueError("Could not parse multipart form")
    found: Json = {}
    for part in form.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        _add(found, name, _value(name, part))
    return found


def _value(name: str, part: Any) -> Any:
    data: bytes = part.get_payload(decode=True) or b""
    if (filename := part.get_filename()) is not None:
        return {
            "filename": filename,
            "content_type": part.get_content_type(),
            "size": len(data),
        }
    text = data.decode()
    if name in _NUMBERS and text.isdecimal():
        return int(text)
    return _TRUTH.get(text, text)


def _add(found: Json, name: str, value: Any) -> None:
    if name.endswith("[]"):
        found.setdefault(name[:-2], []).append(value)
    elif name in found:
        known = found[name]
        found[name] = [*(known if isinstance(known, list) else [known]), value]
    else:
        found[name] = value
