"""Anthropic's SDK: seen by its HTTP requests, so that its own tracing must keep quiet.

From version 2 on the SDK makes a span with usage for each call, inside or beside ours: two owners
of the same tokens.  Who wants the SDK's spans sets ``ANTHROPIC_OPEN_TELEMETRY`` or disables this
integration.
"""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "anthropic", "anthropic>=0.40", (), environment={"ANTHROPIC_OPEN_TELEMETRY": "false"}
)
