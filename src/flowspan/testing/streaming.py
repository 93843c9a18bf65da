"""A streamed answer: its events one by one, with gates, delays, faults and clients that leave."""

from __future__ import annotations

from dataclasses import dataclass

from flowspan.testing.answering import share
from flowspan.testing.connection import ClientClosedError
from flowspan.testing.exchange import Exchange
from flowspan.testing.ledger import LedgerEntry, Outcome
from flowspan.testing.script import Fault, Reply
from flowspan.testing.wire.format import Answer, EventFormat, Frame

_ERROR_MESSAGE = "The server had an error while streaming"


@dataclass(slots=True)
class StreamedAnswer:
    """One stream on its way to the client.

    It is charged once: before its last event is written, where a fault ends it, or where the client
    is found to have hung up.
    """

    exchange: Exchange
    events: EventFormat
    reply: Reply
    answer: Answer
    sent: int = 0
    total: int = 0
    usage_sent: bool = False
    entry: LedgerEntry | None = None

    def send(self, headers: dict[str, str]) -> None:
        """Sends the whole stream, or what the reply's fault and the client leave of it."""
        frames = list(self.events.frames(self.answer))
        self.total = sum(frame.content for frame in frames)
        self.exchange.answered(200)
        try:
            self.exchange.connection.pause(self.reply.delay)
            self.exchange.connection.begin_stream(200, headers)
            self._send_frames(frames)
        except ClientClosedError:
            self._client_closed()
            raise

    def _send_frames(self, frames: list[Frame]) -> None:
        for position, frame in enumerate(frames):
            self._wait(frame)
            data = frame.data
            fault = self._due_fault(frame)
            if fault is not None and fault.kind == "malformed":
                data = self.events.malformed(data)
            elif fault is not None:
                self._break_off(fault, position)
                return
            self._send_frame(frame, data, last=position == len(frames) - 1)

    def _wait(self, frame: Frame) -> None:
        connection, gate = self.exchange.connection, self.reply.gate
        if gate is not None and self._is_at(gate.after_chunks, frame):
            connection.wait_at(gate)
        if frame.content:
            connection.pause(self.reply.chunk_delay)
        connection.check()

    def _is_at(self, after_chunks: int, frame: Frame) -> bool:
        """True before the content chunk of that number, or after the last one if there is none."""
        return self.sent == min(after_chunks, self.total) and (
            frame.content or self.sent == self.total
        )

    def _due_fault(self, frame: Frame) -> Fault | None:
        fault = self.reply.fault
        if fault is None:
            return None
        if fault.kind == "malformed":
            due = frame.content and self.sent == min(fault.after_chunks, self.total - 1)
        else:
            due = self._is_at(fault.after_chunks, frame)
        return fault if due else None

    def _break_off(self, fault: Fault, position: int) -> None:
        exchange = self.exchange
        if fault.kind == "cut":
            self._charge("cut", told=self.usage_sent)
            exchange.connection.shut()
        else:
            self._charge("failed", told=self.usage_sent)
            frame = self.events.error(fault.message or _ERROR_MESSAGE, position)
            exchange.connection.send_chunk(frame.data, last=True)

    def _send_frame(self, frame: Frame, data: bytes, *, last: bool) -> None:
        told = self.usage_sent or frame.usage
        if last:
            self._charge("completed", told=told)
        self.exchange.connection.send_chunk(data, last=last)
        self.usage_sent = told
        self.sent += frame.content

    def _charge(self, outcome: Outcome, *, told: bool) -> None:
        usage = self.answer.usage
        if not self.answer.in_background:
            usage = share(usage, self.sent, self.total)
        self.entry = self.exchange.charge(
            self.answer, usage, outcome=outcome, told=told, sent=self.sent
        )

    def _client_closed(self) -> None:
        if self.entry is None:
            self._charge("client_closed", told=self.usage_sent)
        else:
            self.exchange.amend(self.entry, told=self.usage_sent)
