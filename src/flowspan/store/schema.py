"""The tables of the store, and the view ``spans`` that every question is asked over.

::

    trace      one row per trace: when it was first and last heard of; what lists are made from
    span       one row per span: typed columns for what reports ask, JSON for the rest
     ├─ resource   what made it (service, host, …), shared by all spans of a program
     ├─ scope      which instrumentation made it
     ├─ process    who is writing it: tells an open span from an interrupted one
     └─ content    its texts above 1 KiB, so that scans never read prompts
    meta       the store's own id, and when it was made

Ids are hex text, as in URLs, logs and ClickHouse.  Resources and scopes are numbered by a hash of
what they say, so that two processes agree without asking each other.  SQLite 3.34 suffices: no
``jsonb``, ``->>``, STRICT or RETURNING.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from flowspan import semconv

APPLICATION_ID: Final = 0x464C5350
"""``FLSP`` in the file's header: tells our files from other programs' databases."""

LONG_TEXT: Final = 1_024
"""Characters above which a value goes to ``content``."""

PREVIEW: Final = 200
"""Characters of it that stay in the row."""

KIND_OF_OPERATION: Final[Mapping[str, semconv.Kind]] = {
    "invoke_workflow": "run",
    "run_step": "node",
    "invoke_agent": "agent",
    "plan": "plan",
    "execute_tool": "tool",
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embeddings": "llm",
}
"""The role of spans that other instrumentations made, which know no ``flowspan.kind``."""


class Column(NamedTuple):
    """A column of ``span``.

    Attributes:
        name: Its name.
        type: Its SQL type.
        attribute: The span attribute that fills it; ``None`` where the span itself does.
        since: Number of the migration that adds it.
    """

    name: str
    type: str
    attribute: str | None = None
    since: int = 1


SPAN_COLUMNS: Final[tuple[Column, ...]] = (
    Column("trace_id", "TEXT NOT NULL"),
    Column("span_id", "TEXT NOT NULL"),
    Column("parent_id", "TEXT"),
    Column("parent_is_remote", "INTEGER"),
    Column("name", "TEXT NOT NULL"),
    Column("kind", "TEXT"),
    Column("span_kind", "TEXT NOT NULL"),
    Column("state", "TEXT NOT NULL"),
    Column("start_ns", "INTEGER NOT NULL"),
    Column("end_ns", "INTEGER"),
    Column("status", "TEXT NOT NULL"),
    Column("status_message", "TEXT"),
    Column("process_id", "INTEGER"),
    Column("resource_id", "INTEGER"),
    Column("scope_id", "INTEGER"),
    Column("trace_state", "TEXT"),
    Column("operation", "TEXT", semconv.OPERATION_NAME),
    Column("error_type", "TEXT", semconv.ERROR_TYPE),
    Column("run_id", "TEXT", semconv.RUN_ID),
    Column("workflow", "TEXT", semconv.WORKFLOW_NAME),
    Column("engine", "TEXT", semconv.ENGINE),
    Column("step_name", "TEXT", semconv.STEP_NAME),
    Column("node_id", "TEXT", semconv.NODE_ID),
    Column("attempt", "INTEGER", semconv.ATTEMPT),
    Column("agent", "TEXT", semconv.AGENT_NAME),
    Column("tool", "TEXT", semconv.TOOL_NAME),
    Column("provider", "TEXT", semconv.PROVIDER_NAME),
    Column("request_model", "TEXT", semconv.REQUEST_MODEL),
    Column("response_model", "TEXT", semconv.RESPONSE_MODEL),
    Column("input_tokens", "INTEGER", semconv.USAGE_INPUT_TOKENS),
    Column("output_tokens", "INTEGER", semconv.USAGE_OUTPUT_TOKENS),
    Column("cache_read_tokens", "INTEGER", semconv.USAGE_CACHE_READ),
    Column("cache_write_tokens", "INTEGER", semconv.USAGE_CACHE_WRITE),
    Column("reasoning_tokens", "INTEGER", semconv.USAGE_REASONING),
    Column("cost_usd", "REAL", semconv.COST_USD),
    Column("cost_status", "TEXT", semconv.COST_STATUS),
    Column("price_source", "TEXT", semconv.PRICE_SOURCE),
    Column("estimated", "INTEGER", semconv.USAGE_ESTIMATED),
    Column("prompt_name", "TEXT", semconv.PROMPT_NAME),
    Column("prompt_version", "TEXT", semconv.PROMPT_VERSION),
    Column("conversation_id", "TEXT", semconv.CONVERSATION_ID),
    Column("session_id", "TEXT", semconv.SESSION_ID),
    Column("interruption", "TEXT", semconv.INTERRUPTION, since=2),
    Column("resumed", "INTEGER", semconv.RESUMED, since=2),
    Column("resumes", "TEXT", since=2),
    # The long ones are last: a scan that does not need them stops before them.
    Column("attrs", "TEXT NOT NULL"),
    Column("events", "TEXT NOT NULL"),
    Column("links", "TEXT NOT NULL"),
)
"""The columns of ``span`` in the order in which rows are built (see ``rows``)."""

KEY: Final = ("trace_id", "span_id")


def _span_table() -> str:
    columns = ", ".join(
        f"{column.name} {column.type}" for column in SPAN_COLUMNS if column.since == 1
    )
    return f"CREATE TABLE span ({columns}, PRIMARY KEY ({', '.join(KEY)}))"


TABLES: Final[tuple[str, ...]] = (
    """CREATE TABLE meta (
        key TEXT PRIMARY KEY, value TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE trace (
        trace_id TEXT PRIMARY KEY, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX trace_by_time ON trace (first_ns)",
    """CREATE TABLE resource (
        id INTEGER PRIMARY KEY, service TEXT, invocation TEXT, attrs TEXT NOT NULL,
        last_ns INTEGER NOT NULL
    )""",
    """CREATE TABLE scope (
        id INTEGER PRIMARY KEY, name TEXT, version TEXT, schema_url TEXT, attrs TEXT NOT NULL,
        last_ns INTEGER NOT NULL
    )""",
    """CREATE TABLE process (
        id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, kernel TEXT NOT NULL, lock TEXT,
        started_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL
    )""",
    _span_table(),
    "CREATE INDEX span_of_run ON span (run_id, workflow, engine, trace_id) WHERE kind = 'run'",
    """CREATE INDEX span_root ON span (resource_id, trace_id, parent_id, parent_is_remote)
        WHERE parent_id IS NULL OR parent_is_remote = 1""",
    """CREATE INDEX span_of_conversation ON span (conversation_id, engine, start_ns)
        WHERE kind = 'run' AND conversation_id IS NOT NULL""",
    "CREATE INDEX span_open ON span (process_id, trace_id) WHERE state = 'open'",
    """CREATE TABLE content (
        trace_id TEXT NOT NULL, span_id TEXT NOT NULL, event INTEGER NOT NULL, key TEXT NOT NULL,
        is_json INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (trace_id, span_id, event, key)
    )""",
)
"""The first migration."""


def _added(since: int) -> tuple[str, ...]:
    return tuple(
        f"ALTER TABLE span ADD COLUMN {column.name} {column.type}"
        for column in SPAN_COLUMNS
        if column.since == since
    )


RESUMPTIONS: Final[tuple[str, ...]] = (
    *_added(2),
    """CREATE INDEX span_resumes ON span (resumes) WHERE resumes IS NOT NULL""",
    # Of runs alone, which are few: what became of other spans no list asks.
    """UPDATE span SET
        interruption = json_extract(attrs, '$."flowspan.interruption"'),
        resumed = json_extract(attrs, '$."flowspan.resumed"'),
        resumes = CASE WHEN json_extract(attrs, '$."flowspan.resumed"') AND json_valid(links)
            THEN json_extract(links, '$[0].trace_id') END
        WHERE kind = 'run' AND json_valid(attrs)
        AND (attrs LIKE '%"flowspan.interruption"%' OR attrs LIKE '%"flowspan.resumed"%')""",
)
"""The second migration: which runs wait for somebody, and which one goes on with which."""

OF_THE_SPAN: Final = -1
"""Stands in ``content`` for an event's index where a text is an attribute of the span itself."""

HIDDEN: Final = frozenset({"step_name", "process_id", "resource_id", "scope_id"})
"""Columns of ``span`` that the view shows in another form."""

SPANS_VIEW: Final = (
    "CREATE VIEW spans AS SELECT "
    + ", ".join(f"s.{column.name}" for column in SPAN_COLUMNS if column.name not in HIDDEN)
    + ", CASE WHEN s.kind = 'node' THEN s.step_name END AS node"
    ", CASE WHEN s.kind = 'node' THEN NULL ELSE s.step_name END AS step"
    ", coalesce(s.response_model, s.request_model) AS model"
    ", s.end_ns - s.start_ns AS duration_ns"
    ", date(s.start_ns / 1000000000, 'unixepoch') AS day"
    ", s.process_id, r.service, r.invocation, c.name AS scope "
    "FROM span s LEFT JOIN resource r ON r.id = s.resource_id "
    "LEFT JOIN scope c ON c.id = s.scope_id"
)
"""What ClickHouse and PostgreSQL offer under the same name and with the same columns."""

VIEWS: Final[dict[str, str]] = {"spans": SPANS_VIEW}
"""Views hold no data: each migration makes them anew."""


def _insert(table: str, columns: tuple[str, ...], key: tuple[str, ...], conflict: str) -> str:
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - names of our own
        f"ON CONFLICT ({', '.join(key)}) {conflict}"
    )


_SPAN: Final = tuple(column.name for column in SPAN_COLUMNS)
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in _SPAN if name not in KEY)

INSERT_DONE: Final = _insert(
    "span", _SPAN, KEY, f"DO UPDATE SET {_REPLACED} WHERE span.state = 'open'"
)
"""An ended span wins over an open one; a repeat changes nothing."""

INSERT_OPEN: Final = _insert("span", _SPAN, KEY, "DO NOTHING")
"""An open span wins over nothing."""

INSERT_TRACE: Final = _insert(
    "trace",
    ("trace_id", "first_ns", "last_ns"),
    ("trace_id",),
    "DO UPDATE SET first_ns = min(first_ns, excluded.first_ns), "
    "last_ns = max(last_ns, excluded.last_ns) "
    "WHERE excluded.first_ns < first_ns OR excluded.last_ns > last_ns",
)

LAST_USE_NS: Final = 3_600 * 10**9
"""How exactly ``last_ns`` of a resource is kept: it need not be written with each batch."""

_LAST_USE: Final = (
    f"DO UPDATE SET last_ns = excluded.last_ns WHERE excluded.last_ns > last_ns + {LAST_USE_NS}"
)
INSERT_RESOURCE: Final = _insert(
    "resource", ("id", "service", "invocation", "attrs", "last_ns"), ("id",), _LAST_USE
)
INSERT_SCOPE: Final = _insert(
    "scope", ("id", "name", "version", "schema_url", "attrs", "last_ns"), ("id",), _LAST_USE
)
INSERT_CONTENT: Final = _insert(
    "content",
    ("trace_id", "span_id", "event", "key", "is_json", "text"),
    ("trace_id", "span_id", "event", "key"),
    "DO NOTHING",
)
INSERT_PROCESS: Final = _insert(
    "process",
    ("id", "pid", "kernel", "lock", "started_ns", "seen_ns"),
    ("id",),
    "DO UPDATE SET seen_ns = excluded.seen_ns",
)
