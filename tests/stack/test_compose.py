"""The compose file keeps to its rules; there need be no container engine to see it."""

from __future__ import annotations

import json
import os
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stack import addresses, programs, recipes
from stack.recipes import ROOT

SETTINGS: Final = dict(
    line.split("=", 1)
    for line in (ROOT / ".env").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
TEXT: Final = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(string.Template(TEXT).safe_substitute(SETTINGS))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
COLLECTORS: Final = ("collector", "sampler-1", "sampler-2", "ingester")
ROOT_ONCE: Final = "volumes"
"""The service that gives new volumes to their users."""

services = pytest.mark.parametrize("name", SERVICES)


def image(name: str) -> tuple[str, str]:
    """Name and tag."""
    path, _, tag = str(SERVICES[name]["image"]).rpartition(":")
    return path, tag


def mounts(name: str) -> list[list[str]]:
    """Source, target and mode of each."""
    return [volume.split(":") for volume in SERVICES[name].get("volumes", ())]


def environment(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = SERVICES[name].get("environment", {})
    return found


# --- variables ------------------------------------------------------------------------------------


def test_every_variable_is_defined_and_every_definition_is_used() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))

    assert used == set(SETTINGS)


def test_the_definitions_hold_no_secret() -> None:
    assert not [name for name in SETTINGS if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]


@pytest.mark.parametrize("name", COLLECTORS)
def test_collectors_are_told_all_that_their_configuration_reads(name: str) -> None:
    read = set(re.findall(r"\$\{env:(\w+):-", programs.COMMON.read_text("utf-8")))
    left = {
        "CLICKHOUSE_CREATE_SCHEMA",
        "CLICKHOUSE_DATABASE",
        "CLICKHOUSE_USER",
        "CLICKHOUSE_PASSWORD",
        "SPAN_METRICS_INTERVAL",
    }

    assert read - left == set(environment(name)) - {"GOMEMLIMIT"}


def test_jaeger_is_told_all_that_its_configuration_reads() -> None:
    text = programs.JAEGER_CONFIGURATION.read_text("utf-8")

    assert set(re.findall(r"\$\{env:(\w+):-", text)) == set(environment("jaeger")) - {"GOMEMLIMIT"}


def test_addresses_are_written_as_the_files_expect() -> None:
    """The same forms as without containers."""
    forms = {variable.name: variable.form for variable in addresses.VARIABLES}
    patterns = {
        "host:port": r"[\w.-]+:\d+",
        "url": r"http://[\w.-]+:\d+",
        "host": r"[\w.-]+",
        "port": r"\d+",
        "path": r"/[\w./-]+",
    }
    for service in ("collector", "jaeger"):
        for name, value in environment(service).items():
            if name in forms:
                assert re.fullmatch(patterns[forms[name]], str(value)), name


# --- what runs ------------------------------------------------------------------------------------


@services
def test_images_are_pinned(name: str) -> None:
    """To one release, not to whatever is the latest of a line."""
    path, tag = image(name)

    if path == "flowspan-demo":
        assert SERVICES[name]["build"]["dockerfile"] == "examples/Dockerfile"
    else:
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)+", tag)


def test_versions_are_those_that_are_built_and_tested_without_containers() -> None:
    prometheus = recipes.PROMETHEUS_VERSION.removeprefix("v0.")  # 0.314.0 is 3.14.0

    assert SETTINGS["COLLECTOR_VERSION"] == recipes.COLLECTOR_VERSION.removeprefix("v")
    assert SETTINGS["PROMETHEUS_VERSION"] == f"v{prometheus[0]}.{int(prometheus[1:3])}.0"
    assert SETTINGS["JAEGER_VERSION"].split(".")[0] == "2"


@services
def test_services_are_guarded(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "pid", "ipc", "devices"}
    assert service.get("network_mode", "none") == "none"
    assert not [mount for mount in mounts(name) if "docker.sock" in mount[0]]


@services
def test_nobody_is_root(name: str) -> None:
    """But for one moment, with one capability, without a network."""
    service = SERVICES[name]
    if name == ROOT_ONCE:
        assert service["cap_add"] == ["CHOWN"]
        assert service["network_mode"] == "none"
        assert service["restart"] == "no"
    else:
        assert int(service["user"].split(":")[0]) > 0
        assert "cap_add" not in service


@services
def test_ports_are_of_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_no_port_is_taken_twice() -> None:
    taken = [port.split(":")[1] for each in SERVICES.values() for port in each.get("ports", ())]

    assert len(taken) == len(set(taken))


@services
def test_memory_is_bounded_and_go_knows_it(name: str) -> None:
    service = SERVICES[name]
    if "GOMEMLIMIT" in environment(name):
        most = int(service["mem_limit"].removesuffix("g")) * 1024
        assert int(environment(name)["GOMEMLIMIT"].removesuffix("MiB")) <= 0.8 * most


# --- files and volumes ----------------------------------------------------------------------------


@services
def test_what_is_mounted_exists(name: str) -> None:
    for source, target, *mode in mounts(name):
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"], source
        else:
            assert source in COMPOSE["volumes"]


def test_every_volume_is_used_by_one_writer() -> None:
    writers = {
        volume: {
            name
            for name in SERVICES
            if name != ROOT_ONCE
            for source, *_ in mounts(name)
            if source == volume
        }
        for volume in COMPOSE["volumes"]
    }

    assert {volume: len(names) for volume, names in writers.items()} == dict.fromkeys(writers, 1)


def in_the_tree(service: str, path: str) -> Path:
    """Where a path of a container is in the tree."""
    for source, target, *_ in mounts(service):
        if path.startswith(f"{target}/") and source.startswith("."):
            return ROOT / source / path.removeprefix(f"{target}/")
    raise AssertionError(f"{path} of {service} is mounted from nowhere")


def test_commands_name_files_that_are_there() -> None:
    named = [
        (name, match)
        for name, service in SERVICES.items()
        for word in service.get("command", ())
        if isinstance(service["command"], list)
        for match in re.findall(r"(?<==)/etc/[\w./-]+|(?<=config )/etc/[\w./-]+", word)
    ]

    assert {name for name, _ in named} >= {*COLLECTORS, "jaeger", "prometheus", "kafka"}
    for name, path in named:
        assert in_the_tree(name, path).is_file(), path


@pytest.mark.parametrize("topology", ["one-node", "gateway", "scale-agent"])
def test_each_topology_that_the_settings_offer_exists(topology: str) -> None:
    assert topology in (ROOT / ".env").read_text("utf-8")
    assert (programs.COLLECTOR_CONFIGURATIONS / f"{topology}.yaml").is_file()


def test_prometheus_has_the_flags_that_are_tested_without_containers() -> None:
    """They are read from here; what differs is where its files are."""
    command = set(SERVICES["prometheus"]["command"])

    here_only = command - set(programs.prometheus_flags())
    assert {flag.partition("=")[0] for flag in here_only} == {
        "--config.file",
        "--storage.tsdb.path",
        "--storage.tsdb.retention.time",
    }


# --- health ---------------------------------------------------------------------------------------

WITHOUT_SHELL: Final = {"otel/opentelemetry-collector-contrib", "jaegertracing/jaeger"}


@services
def test_no_check_asks_for_a_tool_that_the_image_has_not(name: str) -> None:
    if image(name)[0] in WITHOUT_SHELL:
        assert "healthcheck" not in SERVICES[name]


def test_a_probe_asks_those_that_cannot_ask_themselves() -> None:
    test = SERVICES["probe"]["healthcheck"]["test"]

    for name, variable in (
        ("collector", "COLLECTOR_LISTEN_HEALTH"),
        ("jaeger", "JAEGER_LISTEN_HEALTH"),
    ):
        port = environment(name)[variable].split(":")[1]
        assert f"http://{name}:{port}/" in test


@services
def test_who_waits_for_health_waits_for_one_that_tells(name: str) -> None:
    needed = SERVICES[name].get("depends_on", {})
    for other in needed:
        assert other in SERVICES
        assert SERVICES[other].get("profiles", []) in ([], SERVICES[name].get("profiles", []))
    if isinstance(needed, dict):
        for other, how in needed.items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]


# --- Grafana --------------------------------------------------------------------------------------

SOURCES: Final = yaml.safe_load(
    (ROOT / "grafana/provisioning/datasources/flowspan.yaml").read_text("utf-8")
)["datasources"]
BOARDS: Final = {path.stem: path for path in (ROOT / "dashboards/json").glob("*.json")}


def test_whoever_opens_grafana_may_look_and_nothing_else() -> None:
    grafana = environment("grafana")

    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_data_sources_have_fixed_uids_and_addresses_from_the_environment() -> None:
    assert [(source["type"], source["uid"]) for source in SOURCES] == [
        ("prometheus", "prometheus"),
        ("jaeger", "jaeger"),
    ]
    for source in SOURCES:
        assert source["url"].removeprefix("$") in environment("grafana")


def test_exemplars_lead_to_the_data_source_of_traces() -> None:
    metrics, traces = SOURCES
    destinations = metrics["jsonData"]["exemplarTraceIdDestinations"]

    assert {each["name"] for each in destinations} == {"trace_id"}
    assert [each["datasourceUid"] for each in destinations if "datasourceUid" in each] == [
        traces["uid"]
    ]
    assert traces["jsonData"]["tracesToMetrics"]["datasourceUid"] == metrics["uid"]


def test_every_dollar_of_a_data_source_is_a_variable_or_written_twice() -> None:
    text = (ROOT / "grafana/provisioning/datasources/flowspan.yaml").read_text("utf-8")
    named = set(re.findall(r"(?<!\$)\$(\w+)", text))

    assert named <= set(environment("grafana"))
    assert re.findall(r"(?<!\$)\$(?:\$\$)*(?![\w$])", text) == []


def test_the_first_page_is_a_dashboard_that_is_there() -> None:
    home = environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert in_the_tree("grafana", home).is_file()


def test_links_of_jaegers_page_lead_to_dashboards_and_variables_that_are_there() -> None:
    links = json.loads(programs.JAEGER_UI.read_text("utf-8"))
    urls = [item["url"] for menu in links["menu"] for item in menu["items"]]
    urls += [pattern["url"] for pattern in links["linkPatterns"]]
    form = re.compile(r"http://127\.0\.0\.1:(\d+)/d/([\w-]+)(?:\?(.*))?")

    for url in urls:
        port, uid, query = form.fullmatch(url).groups()  # type: ignore[union-attr]
        assert port == SETTINGS["GRAFANA_PORT"]
        board = json.loads(BOARDS[uid].read_text("utf-8"))
        variables = {f"var-{each['name']}" for each in board["templating"]["list"]}
        asked = {part.split("=")[0] for part in (query or "").split("&") if part}
        assert asked - {"from", "to"} <= variables, url


def test_the_compose_plugin_reads_it_where_there_is_one() -> None:
    """Its own parser knows more rules than this file."""
    if os.system("docker compose version >/dev/null 2>&1") != 0:  # noqa: S605 - fixed words
        pytest.skip("docker compose is not here")
    for profile in ("default", "scale", "demo"):
        command = f"docker compose --profile {profile} --project-directory {ROOT} config --quiet"
        assert os.system(command) == 0  # noqa: S605 - fixed words
