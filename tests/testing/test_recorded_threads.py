"""What a test of an application records of threads is what a watched program would."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import flowspan
from flowspan.testing import Recording, assert_run, record

pytest_plugins = ["flowspan.testing.fixtures"]


@flowspan.node
def look(page: int) -> int:
    return page


def research() -> None:
    with flowspan.run("research"):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(look, range(2))) == [0, 1]
        thread = threading.Thread(target=look, args=(2,))
        thread.start()
        thread.join()


TREE = """
invoke_workflow research
  run_step look
  run_step look
  run_step look
"""


def test_the_fixture_puts_threads_into_their_run(recorded_run: Recording) -> None:
    research()

    assert_run(recorded_run, tree=TREE, nodes=3, failed=False)


@pytest.mark.parametrize(("threads", "roots"), [(True, 1), (False, 4)])
def test_a_recording_does_so_if_it_is_asked_to(*, threads: bool, roots: int) -> None:
    """And takes it back at its end."""
    start = vars(threading.Thread)["start"]

    with record(threads=threads) as recording:
        research()

    assert len([span for span in recording.spans if span.parent is None]) == roots
    assert vars(threading.Thread)["start"] is start
