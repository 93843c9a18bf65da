"""What pip is told of indexes, certificates and proxies, as uv is told it.

uv reads neither pip's variables nor its files, and environments are made where pip works.  What
uv is told itself stays; values go by variables, because addresses may hold passwords.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, NamedTuple


class _Setting(NamedTuple):
    """A setting of pip's, and uv's for the same.

    Attributes:
        name: As it stands in pip's files.
        variable: What uv reads.
        joined: What stands between several values there.
        others: What uv reads as well, or instead: where one of them is set, uv has been told.
    """

    name: str
    variable: str
    joined: str = " "
    others: tuple[str, ...] = ()


_SETTINGS: Final = (
    _Setting("index-url", "UV_DEFAULT_INDEX", others=("UV_INDEX_URL",)),
    _Setting("extra-index-url", "UV_INDEX", others=("UV_EXTRA_INDEX_URL",)),
    _Setting("find-links", "UV_FIND_LINKS", joined=","),
    _Setting("trusted-host", "UV_INSECURE_HOST"),
    _Setting("cert", "SSL_CERT_FILE", others=("SSL_CERT_DIR",)),
    _Setting("client-cert", "SSL_CLIENT_CERT"),
    _Setting(
        "proxy", "ALL_PROXY", others=("HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy")
    ),
)
_SECTIONS: Final = ("global", "install")
"""Those of pip's files that matter to an installation, the stronger one last."""


def for_uv(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables for uv, of what pip is told and uv is not.

    Args:
        environ: The variables of this process.
    """
    told = {**_of_files(environ), **_of_variables(environ)}
    found = {
        each.variable: each.joined.join(told[each.name].split())
        for each in _SETTINGS
        if each.name in told and not any(map(environ.get, (each.variable, *each.others)))
    }
    if "UV_INDEX" in found:
        # pip takes the best version that any index has, uv the first index that has one.
        found.setdefault("UV_INDEX_STRATEGY", environ.get("UV_INDEX_STRATEGY", "unsafe-best-match"))
    return found


def _of_variables(environ: Mapping[str, str]) -> dict[str, str]:
    named = {each.name: f"PIP_{each.name.replace('-', '_').upper()}" for each in _SETTINGS}
    return {name: environ[of] for name, of in named.items() if environ.get(of)}


def _of_files(environ: Mapping[str, str]) -> dict[str, str]:
    """What stands in pip's files, which pip knows to find; nothing without pip."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            env=dict(environ),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in done.stdout.splitlines():
        place, _, value = line.partition("=")
        section, _, name = place.rpartition(".")
        if section in found:
            found[section][name] = ast.literal_eval(value)
    return {name: value for section in _SECTIONS for name, value in found[section].items()}
