"""How each program is made from its Go module: the pins, and the few commands that it takes.

No two of them build alike.  The collector is put together from a manifest by its own builder.
Jaeger's module replaces one of its requirements, so it is built inside its own sources.
Prometheus' does, too, but its sources lack what a build needs, so a module around it says it.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from stack import toolchain
from stack.toolchain import Go, Say

ROOT: Final = Path(__file__).resolve().parent.parent
MANIFEST: Final = ROOT / "collector-config" / "builder.yaml"

COLLECTOR_VERSION: Final = "v0.158.0"
JAEGER_MODULE: Final = "github.com/jaegertracing/jaeger"
JAEGER_VERSION: Final = "v1.76.0"
"""Jaeger 2.13.  Later versions have no tag that the module registry accepts."""
PROMETHEUS_MODULE: Final = "github.com/prometheus/prometheus"
PROMETHEUS_VERSION: Final = "v0.314.0"
"""Prometheus 3.14."""
PROMETHEUS_REPLACES: Final = "cloud.google.com/go=cloud.google.com/go@v0.123.0"
"""Its module's own replacement, which does not count for those who require it."""
PROMETHEUS_TAGS: Final = "remove_all_sd"
"""Without the service discovery of clouds, which would triple the build."""

_SMALL: Final = "-s -w"


class Work(NamedTuple):
    """What a recipe works with.

    Attributes:
        go: The toolchain.
        folder: An empty folder for sources.
        out: Where the programs go.
        say: Takes progress lines.
    """

    go: Go
    folder: Path
    out: Path
    say: Say

    def run(self, *command: str | Path, what: str, folder: Path | None = None, **env: str) -> str:
        """Run a command in the folder of sources, or in another one."""
        words = [str(word) for word in command]
        return toolchain.run(words, folder or self.folder, what=what, say=self.say, **env)

    def build(self, *packages: str, what: str, folder: Path | None = None, tags: str = "") -> None:
        """Compile packages into programs."""
        self.run(
            *(self.go.path, "build", "-v", "-tags", tags, "-ldflags", _SMALL),
            *("-o", f"{self.out}/", *packages),
            what=f"{what}: compiling",
            folder=folder,
        )


class Recipe(NamedTuple):
    """How some programs are made.

    Attributes:
        name: What they are called together.
        version: Of their module.
        programs: File names.
        ingredients: All else that decides what comes out.
        make: Does it.
    """

    name: str
    version: str
    programs: tuple[str, ...]
    ingredients: Callable[[], str]
    make: Callable[[Work], None]

    @property
    def key(self) -> str:
        """A folder name that differs where what comes out would do something else."""
        machine = f"{platform.system()} {platform.machine()}"
        parts = (self.version, self.ingredients(), machine)
        digest = sha256("\n".join(parts).encode()).hexdigest()
        return f"{self.name}-{self.version}-{digest[:12]}"


def _collector(work: Work) -> None:
    builder = f"go.opentelemetry.io/collector/cmd/builder@{COLLECTOR_VERSION}"
    work.run(
        *(work.go.path, "install", builder),
        what="collector: building its builder",
        GOBIN=str(work.folder),
    )
    work.run(
        *(work.folder / "builder", "--config", MANIFEST, "--skip-compilation"),
        what="collector: fetching modules",
    )
    work.build(".", what="collector", folder=work.folder / "out")


def _jaeger(work: Work) -> None:
    module = f"{JAEGER_MODULE}@{JAEGER_VERSION}"
    answer = work.run(
        *(work.go.path, "mod", "download", "-json", module), what="jaeger: fetching its source"
    )
    source = work.folder / "source"
    shutil.copytree(json.loads(answer)["Dir"], source, copy_function=shutil.copyfile)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    work.run(work.go.path, "mod", "download", what="jaeger: fetching modules", folder=source)
    work.build("./cmd/jaeger", what="jaeger", folder=source)


def _prometheus(work: Work) -> None:
    commands = [f"{PROMETHEUS_MODULE}/cmd/{name}" for name in PROMETHEUS.programs]
    fetching = "prometheus: fetching modules"
    work.run(work.go.path, "mod", "init", "flowspan.example/prometheus", what=fetching)
    work.run(work.go.path, "mod", "edit", "-replace", PROMETHEUS_REPLACES, what=fetching)
    wanted = [f"{command}@{PROMETHEUS_VERSION}" for command in commands]
    work.run(work.go.path, "get", *wanted, what=fetching)
    work.build(*commands, what="prometheus", tags=PROMETHEUS_TAGS)


COLLECTOR: Final = Recipe(
    "collector",
    COLLECTOR_VERSION,
    ("otelcol-flowspan",),
    lambda: MANIFEST.read_text("utf-8"),
    _collector,
)
JAEGER: Final = Recipe("jaeger", JAEGER_VERSION, ("jaeger",), lambda: "", _jaeger)
PROMETHEUS: Final = Recipe(
    "prometheus",
    PROMETHEUS_VERSION,
    ("prometheus", "promtool"),
    lambda: f"{PROMETHEUS_REPLACES} {PROMETHEUS_TAGS}",
    _prometheus,
)
RECIPES: Final = (PROMETHEUS, COLLECTOR, JAEGER)
