"""CrewAI's own telemetry goes where it went, and flowspan sees the same without it."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from crewai_kit import HAS_ASYNC, MARKS, SETTINGS
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = [*MARKS, pytest.mark.timeout(300)]  # three processes that import CrewAI

PROGRAM = """
import os, socket, sys

from opentelemetry.exporter.otlp.proto.http import trace_exporter

# CrewAI's collector is on this machine here, and no other is called.
begin = trace_exporter.OTLPSpanExporter.__init__

def here(self, endpoint=None, **settings):
    assert "crewai.com" in endpoint
    begin(self, endpoint=os.environ["CREWAIS"] + "/v1/traces", **settings)

trace_exporter.OTLPSpanExporter.__init__ = here
connect = socket.socket.connect

def only_here(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        print("called", address)
    return connect(self, address)

socket.socket.connect = only_here

from crewai import Agent, BaseLLM, Crew, Task
from crewai.flow.flow import Flow, start

class Own(BaseLLM):
    def call(self, *_, **__):
        return "Thought: so" + chr(10) + "Final Answer: own"

class Desk(Flow):
    @start()
    def work(self):
        worker = Agent(role="Worker", goal="g", backstory="b", llm=Own(model="own"))
        task = Task(name="it", description="Work.", expected_output="a line", agent=worker)
        return Crew(name="demo", agents=[worker], tasks=[task]).kickoff().raw

assert Desk().kickoff() == "own"
"""
TREE = ["Desk", "work", "demo", "it", "Worker", "own"]


class Collector(ThreadingHTTPServer):
    """CrewAI's, on loopback: counts the spans that it is sent by their names."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Taking(BaseHTTPRequestHandler):
    """One request of an exporter."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        zipped = self.headers.get("content-encoding") == "gzip"
        sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if zipped else body)
        scopes = [scope for resource in sent.resource_spans for scope in resource.scope_spans]
        self.server.got.update(span.name for scope in scopes for span in scope.spans)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is said of it."""


class Process:
    """The program, alone or watched."""

    def __init__(self, folder: Path, *, watched: bool, telemetry: bool) -> None:
        folder.mkdir()
        self.store = folder / "flows.db"
        self.collector = Collector()
        watching = ("-m", "flowspan", "run", sys.executable) if watched else ()
        (folder / "program.py").write_text(PROGRAM)
        known = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        self.running = subprocess.Popen(
            [sys.executable, *watching, str(folder / "program.py")],
            cwd=folder,
            env=known
            | SETTINGS
            | {
                "CREWAI_DISABLE_TELEMETRY": str(not telemetry).lower(),
                "CREWAI_STORAGE_DIR": str(folder / "kept"),
                "CREWAIS": self.collector.url,
                "FLOWSPAN_STORE": str(self.store),
                "HOME": str(folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> Counter[str]:
        """The names of the spans that CrewAI's collector got."""
        said, _ = self.running.communicate(timeout=280)
        self.collector.shutdown()
        self.collector.server_close()
        assert self.running.returncode == 0, said
        assert "called" not in said
        return self.collector.got

    def stored(self) -> list[str]:
        """The names of the spans that flowspan stored."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT name FROM spans ORDER BY start_ns")
            return [name for (name,) in rows]

    def seen(self) -> list[str]:
        """What they are about."""
        return [name.split()[-1] for name in self.stored()]


def test_crewai_sends_what_it_sent_and_flowspan_needs_none_of_it(tmp_path: Path) -> None:
    """Its collector gets the spans that it got, and none of flowspan's; switched off, none at all.

    The first versions send by the process's provider, which is flowspan's where they are watched.
    """
    alone = Process(tmp_path / "alone", watched=False, telemetry=True)
    watched = Process(tmp_path / "watched", watched=True, telemetry=True)
    silent = Process(tmp_path / "silent", watched=True, telemetry=False)

    sent, still_sent = alone.end(), watched.end()

    assert sent["Crew Created"] == 1
    if HAS_ASYNC:
        assert still_sent == sent
        assert watched.seen() == TREE
    else:
        assert still_sent == Counter()
        assert Counter(watched.stored()) & sent == sent
    assert silent.end() == Counter()
    assert silent.seen() == TREE
