"""Every shipped configuration is accepted by the real programs, and keeps to our rules."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stack import addresses, programs
from stack.recipes import ROOT

FOLDER: Final = ROOT / "collector-config"
COMMON: Final = FOLDER / "common.yaml"
TOPOLOGIES: Final = sorted(set(FOLDER.glob("*.yaml")) - {COMMON, FOLDER / "builder.yaml"})
SECTIONS: Final = ("receivers", "processors", "exporters", "connectors", "extensions")
GRPC_LIMIT: Final = 4 * 1024 * 1024
OLD_NAMES: Final = {"otlphttp", "spanmetrics", "loadbalancing", "prometheusremotewrite", "batch"}
"""Names that the collector still takes, and says that it will not for ever."""
STORED: Final = "file_storage/queue"

topologies = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def pipelines(topology: Path) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = read(topology)["service"]["pipelines"]
    return found


def kind(component: str) -> str:
    return component.partition("/")[0]


def environment(folder: Path) -> dict[str, str]:
    """What is set nowhere else: places of a test's own."""
    return {
        **os.environ,
        "COLLECTOR_QUEUE_FOLDER": str(folder / "queue"),
        "JAEGER_STORE_FOLDER": str(folder / "jaeger"),
        "JAEGER_UI_CONFIG": str(programs.JAEGER_UI),
    }


def refused(*command: str | Path, folder: Path) -> str:
    """What a program says against a configuration; nothing where it accepts it."""
    done = subprocess.run(
        [str(word) for word in command],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


# --- asked of the programs ------------------------------------------------------------------------


@topologies
def test_the_collector_accepts_every_topology(
    binaries: dict[str, Path], tmp_path: Path, topology: Path
) -> None:
    collector = binaries["otelcol-flowspan"]
    command = (collector, "validate", "--config", COMMON, "--config", topology)

    assert refused(*command, folder=tmp_path) == ""


def elsewhere() -> list[str]:
    """The configurations that the documents give for other places."""
    page = (ROOT / "docs" / "stack.md").read_text("utf-8")
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize(
    "text", elsewhere(), ids=lambda text: next(iter(yaml.safe_load(text)["exporters"]))
)
def test_the_collector_accepts_what_the_documents_add(
    binaries: dict[str, Path], tmp_path: Path, text: str
) -> None:
    added = tmp_path / "added.yaml"
    added.write_text(text)
    files = (COMMON, FOLDER / "one-node.yaml", added)
    options = [word for file in files for word in ("--config", file)]

    assert refused(binaries["otelcol-flowspan"], "validate", *options, folder=tmp_path) == ""


def test_jaeger_accepts_its_configuration(binaries: dict[str, Path], tmp_path: Path) -> None:
    command = (binaries["jaeger"], "validate", "--config", programs.JAEGER_CONFIGURATION)

    assert refused(*command, folder=tmp_path) == ""


def test_prometheus_accepts_its_configuration(binaries: dict[str, Path], tmp_path: Path) -> None:
    """With the rules that it names."""
    command = (binaries["promtool"], "check", "config", programs.PROMETHEUS_CONFIGURATION)

    assert refused(*command, folder=tmp_path) == ""


def test_a_wrong_configuration_would_be_noticed(binaries: dict[str, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("service: {pipelines: {traces: {receivers: [otlp], exporters: [nowhere]}}}")
    collector = binaries["otelcol-flowspan"]
    command = (collector, "validate", "--config", COMMON, "--config", wrong)

    assert '"nowhere"' in refused(*command, folder=tmp_path)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_collector_is_made_of_what_the_configurations_name(
    binaries: dict[str, Path], section: str
) -> None:
    """No component is missing, and the manifest has none that nobody uses."""
    printed = subprocess.run(
        [str(binaries["otelcol-flowspan"]), "components"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    built = {component["name"] for component in yaml.safe_load(printed)[section]}
    needed = {kind(name) for name in named(section)}

    assert needed <= built
    assert len(read(FOLDER / "builder.yaml")[section]) == len(needed)


# --- read from the files --------------------------------------------------------------------------


def named(section: str) -> set[str]:
    """Components that any topology uses."""
    service = read(COMMON)["service"]
    if section == "extensions":
        return set(service["extensions"])
    connectors = set(read(COMMON)["connectors"])
    used = {
        component
        for topology in TOPOLOGIES
        for pipeline in pipelines(topology).values()
        for place in ("receivers", "processors", "exporters")
        if section in (place, "connectors")
        for component in pipeline.get(place, ())
    }
    return used & connectors if section == "connectors" else used - connectors


@pytest.mark.parametrize("section", SECTIONS)
def test_every_part_is_used_and_every_used_part_is_there(section: str) -> None:
    assert set(read(COMMON)[section]) == named(section)


@topologies
def test_a_topology_defines_nothing_but_its_pipelines(topology: Path) -> None:
    """So that no part exists twice."""
    assert list(read(topology)) == ["service"]
    assert list(read(topology)["service"]) == ["pipelines"]


@topologies
def test_the_memory_limiter_comes_first(topology: Path) -> None:
    """But for a pipeline that continues another one, whose data is in memory already."""
    for name, pipeline in pipelines(topology).items():
        continues = any(kind(receiver) == "forward" for receiver in pipeline["receivers"])
        assert continues or pipeline["processors"][0] == "memory_limiter", name


@topologies
def test_nothing_from_outside_passes_unredacted(topology: Path) -> None:
    """What programs send is redacted by the first collector that it comes to."""
    if topology.stem in {"scale-sampler", "scale-ingester"}:
        return
    for name, pipeline in pipelines(topology).items():
        if "otlp" in pipeline["receivers"]:
            assert "redaction" in pipeline["processors"], name


@topologies
def test_spans_are_counted_before_any_is_left_out(topology: Path) -> None:
    for pipeline in pipelines(topology).values():
        if "span_metrics" in pipeline["exporters"]:
            assert "tail_sampling" not in pipeline["processors"]


def test_names_are_those_of_today() -> None:
    parts = read(COMMON)

    assert {kind(name) for section in SECTIONS for name in parts[section]} & OLD_NAMES == set()


def exporters() -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from read(COMMON)["exporters"].items()


@pytest.mark.parametrize("name", [name for name, _ in exporters()])
def test_queues_survive_a_restart_and_never_give_up(name: str) -> None:
    exporter = dict(exporters())[name]

    assert exporter["sending_queue"]["storage"] == STORED
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0


@pytest.mark.parametrize("name", [name for name, _ in exporters() if kind(name) != "clickhouse"])
def test_batches_stay_below_what_grpc_servers_accept(name: str) -> None:
    batch = dict(exporters())[name]["sending_queue"]["batch"]

    assert batch["sizer"] == "bytes"
    assert batch["min_size"] < batch["max_size"] < GRPC_LIMIT


def test_span_metrics_are_bounded_in_seconds_and_have_exemplars() -> None:
    span_metrics = read(COMMON)["connectors"]["span_metrics"]

    assert span_metrics["histogram"]["unit"] == "s"
    assert span_metrics["aggregation_cardinality_limit"] <= 2000
    assert span_metrics["exemplars"]["enabled"] is True
    assert not [each for each in span_metrics["dimensions"] if "id" in each["name"].split(".")]


def test_jaeger_reads_span_metrics_as_they_are_written() -> None:
    """Unit and names: else its Monitor tab says that there is no data."""
    storage = read(programs.JAEGER_CONFIGURATION)["extensions"]["jaeger_storage"]
    metrics = storage["metric_backends"]["span_metrics"]["prometheus"]

    assert (
        metrics["latency_unit"] == read(COMMON)["connectors"]["span_metrics"]["histogram"]["unit"]
    )
    assert metrics["metric_namespace"] == "traces_span_metrics"
    assert metrics["normalize_calls"] is metrics["normalize_duration"] is True


# --- variables ------------------------------------------------------------------------------------


def variables(path: Path) -> dict[str, set[str]]:
    """The variables that a file reads, and their defaults."""
    found: dict[str, set[str]] = {}
    for name, _, default in re.findall(r"\$\{env:(\w+)(:-([^}]*))?\}", path.read_text("utf-8")):
        found.setdefault(name, set()).add(default)
    return found


@pytest.mark.parametrize(
    "path", [COMMON, programs.JAEGER_CONFIGURATION], ids=lambda path: path.name
)
def test_every_variable_has_one_default(path: Path) -> None:
    """So that a program can be started by hand, and two places do not mean different things."""
    several = {name: values for name, values in variables(path).items() if len(values) > 1}

    assert several == {}
    assert [
        name for name, values in variables(path).items() if "LISTEN" in name and "" in values
    ] == []


def test_the_stack_sets_every_address_that_the_files_read() -> None:
    """A ``LISTEN`` that is not set would take a fixed port of the machine."""
    known = {variable.name for variable in addresses.VARIABLES}
    read_here = variables(COMMON).keys() | variables(programs.JAEGER_CONFIGURATION).keys()

    assert {name for name in read_here if "_LISTEN_" in name} <= known
    assert {"JAEGER_OTLP_ENDPOINT", "PROMETHEUS_URL"} <= known & read_here
