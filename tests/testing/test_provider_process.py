import io
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from flowspan.testing import FakeProvider, provider_process
from flowspan.testing.provider import main
from flowspan.usage import Usage

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_process_serves_and_its_ledger_is_read_from_here() -> None:
    """A provider in another process is used like one in this process."""
    with provider_process() as provider:
        httpx.post(f"{provider.openai_url}/chat/completions", json=BODY)
        ledger = provider.ledger()

    assert ledger.total() == Usage(input_tokens=1, output_tokens=2)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{provider.url}/__ledger__")


def test_process_with_a_responder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process imports the responder that it is told."""
    (tmp_path / "answers.py").write_text("def respond(request): return request.text.upper()\n")
    monkeypatch.chdir(tmp_path)

    with provider_process(respond="answers:respond") as provider:
        answer = httpx.post(f"{provider.openai_url}/chat/completions", json=BODY).json()

    assert answer["choices"][0]["message"]["content"] == "HI"


def test_process_that_does_not_start(capfd: pytest.CaptureFixture[str]) -> None:
    """A responder that cannot be imported is named, with the form expected."""
    with (
        pytest.raises(RuntimeError, match=r"did not start: .* ended with status 2"),
        provider_process(respond="no_such_module:respond"),
    ):
        pass

    assert "expected MODULE:FUNCTION" in capfd.readouterr().err


def test_command_is_run_with_the_provider_in_its_environment(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With a command the program is its wrapper and ends with its status."""
    script = "import os, sys; print(os.environ['OPENAI_BASE_URL']); sys.exit(3)"

    status = main(["--", sys.executable, "-c", script])

    assert status == 3
    assert capfd.readouterr().out.startswith("http://127.0.0.1:")


def test_program_prints_its_address_and_serves_until_input_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is the one line that the program prints."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    status = main(["--until-input-ends"])

    assert status == 0
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_interrupt_of_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt ends the program with status 0."""

    class Interrupted(io.StringIO):
        def read(self, size: int | None = -1, /) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())

    assert main(["--until-input-ends"]) == 0


def test_responder_is_named_by_module_and_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name that cannot be imported is refused with a sentence, one that can be is taken."""
    with pytest.raises(SystemExit):
        main(["--respond", "json:no_such_function"])
    status = main(["--respond", "json:dumps", "--", sys.executable, "-c", ""])

    assert status == 0
    assert "'json:no_such_function' cannot be used" in capsys.readouterr().err


def test_interrupt_is_a_good_end() -> None:
    """Without anything said it serves until it is interrupted, and says nothing about that."""
    with subprocess.Popen(
        [sys.executable, "-m", "flowspan.testing.provider"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/__ledger__").json() == []
        process.send_signal(2)
        _, errors = process.communicate(timeout=5)

    assert (process.returncode, errors) == (0, "")


def test_environment_is_the_same_for_both_kinds() -> None:
    """Variables are made from the address alone."""
    with provider_process() as other, FakeProvider() as provider:
        assert other.environment.keys() == provider.environment.keys()
