"""Loading in the background: nobody waits long, nobody waits twice, forks survive."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from flowspan.pricing import Pricer
from flowspan.pricing.loading import Background
from flowspan.pricing.market import Market, current
from flowspan.usage import Usage

USAGE = Usage(input_tokens=1_000, output_tokens=1_000)


def run(program: str, *arguments: str) -> str:
    """Run a program in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Gate:
    """A load that ends when it is told to."""

    def __init__(self) -> None:
        self.loads = 0
        self.begun = threading.Event()
        self.open = threading.Event()

    def load(self) -> str:
        self.loads += 1
        self.begun.set()
        self.open.wait(30)
        return "thing"


class TestBackground:
    def test_it_loads_once_in_a_thread_of_its_own(self) -> None:
        threads: list[threading.Thread] = []

        def load() -> str:
            threads.append(threading.current_thread())
            return "thing"

        background = Background(load, name="it", patience=30)
        assert not background.started
        for _ in range(3):
            background.start()
            assert background.wait() == "thing"

        assert background.started
        (thread,) = threads
        assert thread is not threading.current_thread()
        assert thread.daemon

    def test_of_two_that_start_it_at_once_one_does(self) -> None:
        gate = Gate()
        background = Background(gate.load, name="it", patience=30)

        class OvertakenLock:
            """While one waits for the lock, another does it all."""

            def __enter__(self) -> None:
                background._attempt.began = time.monotonic()

            def __exit__(self, *_: object) -> None:
                pass

        background._attempt.lock = OvertakenLock()  # type: ignore[assignment]
        background.start()

        assert background.started
        assert gate.loads == 0

    def test_patience_runs_out_once_for_all(self) -> None:
        """The second caller does not wait again, and the thing is had as soon as it is there."""
        gate = Gate()
        patience = 0.4
        background = Background(gate.load, name="it", patience=patience)

        began = time.monotonic()
        assert background.wait() is None
        first = time.monotonic() - began
        began = time.monotonic()
        assert [background.wait() for _ in range(5)] == [None] * 5
        others = time.monotonic() - began

        assert first >= patience > others
        gate.open.set()
        assert poll(lambda: background.thing) == "thing"
        assert background.wait() == "thing"
        assert gate.loads == 1

    def test_a_failure_is_said_once_and_is_no_error_of_the_callers(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def load() -> str:
            raise ImportError("No module named 'genai_prices'")

        background = Background(load, name="genai-prices", patience=30)

        with caplog.at_level(logging.WARNING, "flowspan"):
            assert [background.wait() for _ in range(3)] == [None] * 3

        (record,) = caplog.records
        assert "genai-prices cannot be loaded (ImportError: No module" in record.getMessage()

    def test_no_thread_to_be_had_is_a_failure_too(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As when the interpreter is shutting down."""

        def start(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        background = Background(lambda: "thing", name="it", patience=30)
        monkeypatch.setattr("flowspan.background.start_new_thread", start)

        assert background.wait() is None
        assert "no thread can be started any more" in caplog.text

    def test_a_fork_waits_for_a_load_under_way(self) -> None:
        gate = Gate()
        background = Background(gate.load, name="it", patience=0)
        background.before_fork()  # nothing was begun: nothing to wait for
        background.start()
        gate.begun.wait(30)
        forking = threading.Thread(target=background.before_fork)

        forking.start()
        assert forking.is_alive()
        gate.open.set()
        forking.join()

        assert background.thing == "thing"

    def test_a_child_does_not_rely_on_a_thread_that_stayed_behind(self) -> None:
        gate = Gate()
        background = Background(gate.load, name="it", patience=0)
        background.start()
        gate.begun.wait(30)

        background.after_fork_in_child()
        gate.open.set()

        assert not background.started or background.thing == "thing"
        background.after_fork_in_child()
        background.start()
        assert poll(lambda: background.thing) == "thing"

    def test_what_is_there_stays_there_in_a_child(self) -> None:
        background = Background(lambda: "thing", name="it", patience=30)
        background.wait()

        background.after_fork_in_child()

        assert background.thing == "thing"

    def test_without_forks_there_is_nothing_to_survive(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on Windows."""
        monkeypatch.delattr(os, "register_at_fork", raising=False)

        assert Background(lambda: "thing", name="it", patience=30).wait() == "thing"

    def test_hooks_keep_nothing_alive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hook cannot be taken back; it must not matter once its owner is gone."""
        hooks: dict[str, Callable[[], None]] = {}
        monkeypatch.setattr(os, "register_at_fork", lambda **found: hooks.update(found))
        background = Background(lambda: "thing", name="it", patience=30)
        background.wait()
        hooks["before"]()
        hooks["after_in_child"]()

        owner = weakref.ref(background)
        del background
        poll(lambda: owner() is None)
        hooks["before"]()
        hooks["after_in_child"]()


def poll(condition: Callable[[], object], seconds: float = 30) -> object:
    """Wait until a condition holds; its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.001)
    return found


class TestPricerWhileLoading:
    def test_the_price_lists_of_the_process_are_loaded_when_they_are_needed(self) -> None:
        pricer = Pricer()

        assert poll(lambda: pricer.price(USAGE, provider="openai", model="gpt-4o", when=0.0))

    def test_a_call_that_ends_before_is_unpriced_and_the_next_one_is_not(self) -> None:
        opened = threading.Event()

        def load() -> Callable[[], Market]:
            opened.wait(30)
            return current

        lists = Background(load, name="genai-prices", patience=0.01)
        pricer = Pricer(price_lists=lists)
        pricer.warm(provider="openai", model="gpt-4o")

        early = pricer.price(USAGE, provider="openai", model="gpt-4o", when=0.0)
        opened.set()
        poll(lambda: lists.thing)
        late = pricer.price(USAGE, provider="openai", model="gpt-4o", when=0.0)

        assert early is None
        assert late is not None

    def test_a_call_that_overrides_decide_neither_loads_nor_waits(self) -> None:
        gate = Gate()
        lists: Background[Callable[[], Market]] = Background(
            gate.load,  # type: ignore[arg-type]
            name="genai-prices",
            patience=30,
        )
        pricer = Pricer(price_lists=lists)

        for _ in range(2):
            pricer.warm(provider="ollama", model="llama3.2")
            price = pricer.price(USAGE, provider="ollama", model="llama3.2", when=0.0)

        assert price is not None
        assert price.status == "free"
        assert not lists.started


IMPORTS_OFF_THE_CALLING_THREAD = """
    import sys, threading, time

    threads = {}

    def watch(event, args):
        if event == "import":
            threads.setdefault(args[0], threading.current_thread())

    from flowspan.pricing import Pricer, load_overrides
    from flowspan.usage import Usage

    heavy = ("genai_prices", "pydantic", "platformdirs", "tomllib", "flowspan.pricing.market")
    assert not [name for name in heavy if name in sys.modules]
    sys.addaudithook(watch)
    pricer = Pricer(load_overrides([])[0])
    pricer.warm(provider="openai", model="gpt-4o")
    price = None
    while price is None:  # on a busy machine the lists may come later than calls wait for them
        price = pricer.price(
            Usage(input_tokens=1, output_tokens=1), provider="openai", model="gpt-4o", when=0.0
        )
        time.sleep(0.001)
    main = threading.main_thread()
    assert threads["genai_prices.data"] is not main
    print(sorted(name for name, thread in threads.items() if thread is main))
"""

FORKS_WHILE_LOADING = """
    import os, sys, threading, time
    from flowspan.pricing import Pricer, loading
    from flowspan.usage import Usage

    loading._FORK_PATIENCE = 50.0  # however busy the machine is, the load ends first

    def price():
        while True:
            found = pricer.price(
                Usage(input_tokens=1000, output_tokens=1000),
                provider="openai", model="gpt-4o", when=1_790_000_000.0,
            )
            if found is not None:
                return found.amount
            time.sleep(0.001)

    importing = threading.Event()
    sys.addaudithook(
        lambda event, args: importing.set() if event == "import" and args[0] == "pydantic.main"
        else None
    )
    pricer = Pricer()
    pricer.warm(provider="openai", model="gpt-4o")
    importing.wait()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import pydantic.main

        os.write(write, str(price()).encode())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    print(os.read(read, 100).decode(), price())
"""


def test_the_calling_thread_imports_nothing() -> None:
    """Neither when the package is imported, nor when a call starts, nor when it ends."""
    assert run(IMPORTS_OFF_THE_CALLING_THREAD) == "[]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_in_the_middle_of_the_load_prices_and_imports() -> None:
    """It would hang for ever, had it inherited the lock of a module that nobody imports there."""
    assert run(FORKS_WHILE_LOADING, "-W", "ignore::DeprecationWarning") == "0.01250000 0.01250000"


def test_a_missing_library_costs_the_prices_and_no_more() -> None:
    """Without genai-prices there is one sentence, and the user's own rules still hold."""
    printed = run(
        """
        import logging, sys
        sys.modules["genai_prices"] = None
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        from flowspan.pricing import Pricer
        from flowspan.usage import Usage

        pricer = Pricer()
        for provider in ("openai", "ollama", "openai"):
            pricer.warm(provider=provider)
            price = pricer.price(
                Usage(input_tokens=1, output_tokens=1), provider=provider, model="x", when=0.0
            )
            print(price and price.status)
        """
    ).splitlines()

    assert printed[1:] == ["None", "free", "None"]
    assert printed[0].startswith("flowspan: genai-prices cannot be loaded (")
