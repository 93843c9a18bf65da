"""The fuzzer: a short run of it, and that it finds what it is for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowspan.instrumentation.clients.wire.stream import BodyJoiner
from fuzz import __main__ as fuzz
from fuzz import targets
from fuzz.corpus import Exchange, exchanges

SEED = 4
CASES = 400


@pytest.fixture(scope="module")
def corpus() -> Sequence[Exchange]:
    return exchanges()


def test_what_nobody_would_send_harms_nothing(corpus: Sequence[Exchange]) -> None:
    """``make fuzz`` goes on where this stops."""
    report = fuzz.Report()

    for number in range(CASES):
        report.take(number, fuzz.run_case(SEED, number, corpus))

    told = report.summary()
    assert report.cases == CASES
    assert "recogniser: openai.chat" in told
    assert "joiner: reported" in told
    assert "joiner: estimated" in told


@pytest.mark.parametrize("content", [True, False], ids=["content", "numbers"])
def test_every_real_answer_is_the_same_byte_by_byte(
    content: bool,  # noqa: FBT001 - what is kept
    corpus: Sequence[Exchange],
) -> None:
    """However the network cuts it, in every format."""
    for exchange in corpus:
        for shape in targets.shapes_of(exchange):
            single = [bytes([byte]) for byte in exchange.answer]
            cut = targets.joined(shape, single, content=content)
            assert repr(cut) == repr(targets.joined(shape, [exchange.answer], content=content))


def test_a_case_comes_again(corpus: Sequence[Exchange], capsys: pytest.CaptureFixture[str]) -> None:
    """By its seed and number."""
    found = fuzz.run_case(SEED, 7, corpus)

    assert fuzz.main(["--seed", str(SEED), "--case", "7"]) == 0
    assert f"{found.target}: {found.told}, {found.size} bytes" in capsys.readouterr().out


def test_a_fault_is_found_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a joiner that loses the end of a stream that was cut."""

    class Forgetful(BodyJoiner):
        def add(self, chunk: bytes | str) -> bool:
            return super().add(chunk) if len(chunk) > 10 else False

    monkeypatch.setattr(targets, "BodyJoiner", Forgetful)

    assert fuzz.main(["--minutes", "1", "--seed", str(SEED)]) == 1
    assert f"again by: python -m fuzz --seed {SEED} --case" in capsys.readouterr().out


def test_a_slow_case_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, corpus: Sequence[Exchange]
) -> None:
    """Time and memory have bounds."""
    slow = targets.Found("joiner", 10, "free", (), fuzz.MOST_SECONDS + 1)
    monkeypatch.setattr(fuzz, "TARGETS", (lambda _chance, _corpus: slow,))

    with pytest.raises(fuzz.SlowError, match="10 bytes"):
        fuzz.run_case(SEED, 0, corpus)

    monkeypatch.setattr(fuzz, "grown", lambda: fuzz.MOST_MIB + 1)
    with pytest.raises(fuzz.SlowError, match="grown"):
        fuzz.check_growth()


def test_a_run_says_what_it_tries(capsys: pytest.CaptureFixture[str]) -> None:
    """Seed, progress and what was made of the cases."""
    assert fuzz.main(["--minutes", "0.002"]) == 0

    told = capsys.readouterr().out
    assert told.startswith("seed ")
    assert "mutations: " in told
    assert "no fault" in told
