"""A webhook on loopback TLS, which answers as a test says and notes what it is asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[dict], dict]


def rule(operations: list[str], resources: list[str], **fields: object) -> dict:
    return {
        "operations": operations,
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": resources,
        **fields,
    }


class WebhookServer:
    """Listens on 127.0.0.1; `answer` may be exchanged at any time."""

    def __init__(self, certificate, key, ca) -> None:
        self.reviews: list[dict] = []
        self.paths: list[str] = []
        self.status = 200
        self.raw: bytes | None = None
        self.answer: Answer = lambda _request: {"allowed": True}
        self._ca = ca
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._http.handle_error = lambda *_: None  # Clients that trust us not.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._http.server_port}/review"

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self._ca.read_bytes()).decode()

    def reset(self) -> None:
        self.reviews.clear()
        self.paths.clear()
        self.status, self.raw = 200, None
        self.answer = lambda _request: {"allowed": True}

    def hook(self, namespace: str, **fields: object) -> dict:
        """Return a webhook for ConfigMaps of *namespace*, or for what *fields* say."""
        own = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        return {
            "name": "check.example.com",
            "rules": [rule(["CREATE", "UPDATE"], ["configmaps"])],
            "clientConfig": {"url": self.url, "caBundle": self.ca_bundle},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "namespaceSelector": own,
            **fields,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                review = json.loads(body)
                outer.reviews.append(review)
                outer.paths.append(self.path)
                given = outer.answer(review["request"])
                response = {"uid": review["request"]["uid"], **given}
                whole = {k: review[k] for k in ("apiVersion", "kind")} | {"response": response}
                octets = json.dumps(whole).encode() if outer.raw is None else outer.raw
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
