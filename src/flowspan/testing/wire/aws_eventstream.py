"""The binary framing of AWS event streams (``application/vnd.amazon.eventstream``).

::

    ┌────────────┬──────────────┬─────────────┬─────────┬─────────┬─────────────┐
    │ total: u32 │ headers: u32 │ CRC of both │ headers │ payload │ CRC of all  │
    └────────────┴──────────────┴─────────────┴─────────┴─────────┴─────────────┘
    header: length of name (u8), name, type 7 (text), length of value (u16), value
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_TEXT = 7
_AROUND = 16
"""Bytes of a message that are neither headers nor payload."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of a stream."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", len(head) + len(payload) + _AROUND, len(head))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    whole = prelude + head + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def with_wrong_checksum(data: bytes) -> bytes:
    """A message whose payload was changed on the way, as its checksum tells."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


def _header(name: str, value: str) -> bytes:
    written = value.encode()
    length = struct.pack(">BH", _TEXT, len(written))
    return bytes([len(name)]) + name.encode() + length + written
