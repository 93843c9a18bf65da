"""Other people's providers, distributions, instrumentations and configuration files."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

RUN = "from ownengine import Engine\nprint(Engine().run(2))\n"
TREE = [("invoke_workflow own", "done"), ("run_step double", "done"), ("run_step double", "done")]

OTHER_DISTRO = """
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
import sys


class OtherDistro(BaseDistro):
    def _configure(self, **kwargs):
        sys.stderr.write("the other distro won\\n")


class OtherConfigurator(_OTelSDKConfigurator):
    def _configure(self, **kwargs):
        sys.stderr.write("the other configurator won\\n")
"""


def install(place: Any, name: str, source: str, entry_points: str) -> None:
    """Put a distribution with entry points on the program's path, as pip would."""
    (place.folder / f"{name}.py").write_text(source)
    metadata = place.folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(textwrap.dedent(entry_points))


def test_flowspan_run_wins_over_another_distribution(place: Any) -> None:
    install(
        place,
        "aaaother",
        OTHER_DISTRO,
        """
        [opentelemetry_distro]
        aaaother = aaaother:OtherDistro
        [opentelemetry_configurator]
        aaaother = aaaother:OtherConfigurator
        """,
    )
    result = place.run(RUN, launcher=("flowspan", "run", "--no-summary"))

    assert result.stdout == "[0, 2]\n"
    assert "won" not in result.stderr
    assert place.stored() == TREE


def test_a_provider_of_the_programs_own_gets_the_store_as_well(place: Any) -> None:
    program = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    from flowspan.distro import FlowspanInstrumentor
    FlowspanInstrumentor().instrument()

    from ownengine import Engine
    with trace.get_tracer("mine").start_as_current_span("mine"):
        print(Engine().run(2))
    print(sorted(span.name for span in exporter.get_finished_spans()))
    FlowspanInstrumentor().uninstrument()
    print(type(vars(Engine)["run"]).__name__)
    """
    result = place.run(textwrap.dedent(program), launcher=())

    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "[0, 2]",
        "['invoke_workflow own', 'mine', 'run_step double', 'run_step double']",
        "function",
    ]
    assert sorted(place.stored()) == sorted([*TREE, ("mine", "done")])


def test_a_provider_that_the_program_sets_second_is_told_so_and_its_runs_end(place: Any) -> None:
    program = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is not provider

    from ownengine import Engine
    with provider.get_tracer("mine").start_as_current_span("mine"):
        print(Engine().run(2))
    """
    result = place.run(program)

    assert result.stdout == "[0, 2]\n"
    assert result.stderr == "Overriding of current TracerProvider is not allowed\n"
    assert place.stored() == TREE
    (found,) = place.flowspan("runs", "--json")["runs"]
    assert found["status"] == "ok"


def test_spans_of_the_programs_own_inside_a_run_carry_its_id(place: Any, sink: Any) -> None:
    program = """
    from ownengine import Engine
    from opentelemetry import trace
    def node(self, index):
        with trace.get_tracer("mine").start_as_current_span("mine"):
            return index
    Engine.node = node
    Engine().run(1)
    """
    place.run(textwrap.dedent(program), OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    ids = {
        span.name: {item.key: item.value.string_value for item in span.attributes}
        for span in sink.spans()
    }
    run, mine = ids["invoke_workflow own"], ids["mine"]
    assert mine["flowspan.run.id"] == run["flowspan.run.id"]
    assert mine["gen_ai.workflow.name"] == "own"


def test_a_configuration_file_keeps_its_say_and_the_store_is_added(place: Any, sink: Any) -> None:
    pytest.importorskip("opentelemetry.configuration")
    config = place.folder / "otel.yaml"
    config.write_text(
        textwrap.dedent(f"""
        file_format: "1.1"
        tracer_provider:
          processors:
            - batch:
                schedule_delay: 100
                exporter:
                  otlp_http:
                    endpoint: {sink.url}/v1/traces
        """)
    )
    result = place.run(RUN, OTEL_CONFIG_FILE=str(config))

    assert result.stdout == "[0, 2]\n"
    assert "Traceback" not in result.stderr
    assert place.stored() == TREE
    assert len(sink.spans()) == 3


def test_a_foreign_instrumentor_of_the_same_calls_is_left_out_and_said_once(place: Any) -> None:
    install(
        place,
        "foreignopenai",
        "raise SystemExit('it was imported')\n",
        """
        [opentelemetry_instrumentor]
        openai = foreignopenai:Instrumentor
        """,
    )
    result = place.run(RUN)

    assert result.stdout == "[0, 2]\n"
    assert result.stderr.count("foreignopenai") == 1
    assert "counted twice" in result.stderr


def test_a_foreign_instrumentor_that_fails_does_not_cost_the_others(place: Any) -> None:
    install(
        place,
        "aaabroken",
        "class Instrumentor:\n    def instrument(self, **kw): raise RuntimeError('broken')\n",
        """
        [opentelemetry_instrumentor]
        aaabroken = aaabroken:Instrumentor
        """,
    )
    result = place.run(RUN)

    assert result.stdout == "[0, 2]\n"
    assert place.stored() == TREE
    assert "aaabroken" in result.stderr


def test_an_integration_of_a_third_party_is_found_by_its_entry_point(place: Any) -> None:
    install(
        place,
        "thirdparty",
        textwrap.dedent("""
        from flowspan.instrumentation.integration import Integration, Patch
        INTEGRATION = Integration("third", "", (
            Patch(target="ownengine:Engine.run", kind="run", name="third"),
        ))
        """),
        """
        [flowspan_integration]
        third = thirdparty:INTEGRATION
        broken = thirdparty:ABSENT
        wrong = thirdparty:Patch
        """,
    )
    result = place.run(RUN, FLOWSPAN_MAP="")

    assert place.stored() == [("invoke_workflow third", "done")]
    assert result.stderr.count("is left out") == 2


def test_threads_belong_to_their_run_and_nothing_is_put_on_them(place: Any) -> None:
    program = """
    import threading
    from ownengine import Engine

    class Worker(threading.Thread):
        def run(self):
            print(sorted(name for name in vars(self) if "otel" in name))
            Engine.node(Engine(), 1)

    def node(self, index, node=Engine.node):
        worker = Worker()
        worker.start()
        worker.join()

    engine = Engine()
    engine.node = node.__get__(engine)
    engine.run(1)
    """
    result = place.run(textwrap.dedent(program))

    assert (result.stdout, result.stderr) == ("[]\n", "")
    assert place.stored() == TREE[:2]


def test_taken_back_and_applied_again_nothing_piles_up(place: Any) -> None:
    program = """
    import threading
    from opentelemetry import trace
    from flowspan.distro import FlowspanInstrumentor
    from ownengine import Engine

    for _ in range(5):
        FlowspanInstrumentor().uninstrument()
        assert type(vars(Engine)["run"]).__name__ == "function"
        FlowspanInstrumentor().instrument()
    Engine().run(1)
    print(len(trace.get_tracer_provider()._active_span_processor._span_processors))
    """
    result = place.run(program)

    assert (result.stdout, result.stderr) == ("3\n", "")
    assert place.stored() == TREE[:2]


def test_threads_of_ours_run_where_a_program_has_replaced_pythons(place: Any) -> None:
    """As monkey patching for cooperative threads does: what waits in earnest stops everything."""
    program = """
    import _thread, queue, threading

    def cooperative(*_, **__):
        raise SystemExit("one of flowspan's threads was to be started as the program's")

    _thread.start_new_thread = threading._start_new_thread = cooperative
    threading.Event = threading.Lock = queue.SimpleQueue = cooperative
    from ownengine import Engine
    print(Engine().run(1))
    """
    result = place.run(program)

    assert (result.stdout, result.stderr) == ("[0]\n", "")
    assert place.stored() == TREE[:2]
