"""An internet of one machine: a proxy that is every https host that the real engine asks for.

Model providers lead to the fake provider, the search engine and all pages to made-up answers.
The certificate authority is made for the test and trusted by variables of the environment.
"""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

MODEL_HOSTS: Final = ("api.openai.com", "api.anthropic.com", "openrouter.ai")
SEARCH_HOST: Final = "serpapi.com"
PAGE_HOST: Final = "pages.example"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """``ca.pem`` to trust, and ``server.pem`` with ``server.key`` for all hosts."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        folder,
        *("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
        *("-subj", "/CN=An internet of one machine"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign"),
    )
    hosts = ",".join(f"DNS:{host}" for host in (*MODEL_HOSTS, SEARCH_HOST, PAGE_HOST))
    (folder / "extensions").write_text(
        f"subjectAltName={hosts}\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
    )
    _openssl(
        folder,
        *("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=any host"),
    )
    _openssl(
        folder,
        *("x509", "-req", "-in", "server.csr", "-out", "server.pem", "-days", "2"),
        *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"),
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False  # what a CONNECT of HTTP/1.0 says is about itself

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["host"] not in MODEL_HOSTS:
            self._send(404, b"{}")
            return
        provider = http.client.HTTPConnection("127.0.0.1", self.server.provider_port)
        provider.request("POST", self.path, body, {"content-type": "application/json"})
        answer = provider.getresponse()
        self._send(answer.status, answer.read())
        provider.close()

    def do_GET(self) -> None:
        if self.headers["host"] == SEARCH_HOST:
            self._send(200, json.dumps(_found(self.path)).encode())
        else:
            self._send(200, _page(self.path).encode(), "text/html")

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _found(path: str) -> dict[str, list[dict[str, object]]]:
    query = parse_qs(urlsplit(path).query)["q"][0]
    name = query.replace(" ", "-")
    return {
        "organic_results": [
            {
                "link": f"https://{PAGE_HOST}/{name}/{n}",
                "title": f"{query} {n}",
                "snippet": f"About {query}.",
                "position": n + 1,
            }
            for n in range(2)
        ]
    }


def _page(path: str) -> str:
    sentence = f"What stands on {path} is that the sea is deep and salty. "
    paragraphs = "".join(f"<p>{sentence * 3}</p>" for _ in range(4))
    return f"<html><body><article><h1>{path}</h1>{paragraphs}</article></body></html>"


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, provider_port: int, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider_port = provider_port
        self.tls = tls


class Internet:
    """The proxy, running; ``environment`` makes a program use it for everything but loopback."""

    def __init__(self, folder: Path, provider_port: int) -> None:
        make_certificates(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._proxy = _Proxy(provider_port, tls)
        self._thread = threading.Thread(target=self._proxy.serve_forever, args=(0.01,))
        authority = str(folder / "ca.pem")
        url = f"http://127.0.0.1:{self._proxy.server_port}"
        self.environment = {
            "HTTPS_PROXY": url,
            "https_proxy": url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
            **dict.fromkeys(("OPENAI", "CLAUDE", "OPENROUTER", "SERPAPI", "GEMINI"), "no-key"),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()
        self._thread.join()
