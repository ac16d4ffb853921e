"""What schemathesis makes of our own OpenAPI documents, sent to a server: no 5xx, no wrong schema.

A few seconds of it run always. PODWIRE_TEST_SCHEMATHESIS_S=600 in the environment gives it ten
minutes, in which it comes to every operation of every group again and again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

RUN_S = float(os.environ.get("PODWIRE_TEST_SCHEMATHESIS_S", "7"))
IS_LONG = RUN_S > 60
PATIENCE_S = 60.0
#: What some cases of any run must end with, or nothing was tried.
SUCCESSES = {200, 201}
#: Of each operation, before the next one has its turn.
EXAMPLES = 3
JSON = "application/json"
#: What would go on without an end.
ENDLESS = ("watch", "follow")
#: In a short run: groups with small kinds, for strategies of large ones take seconds to build.
SHORT = ("coordination", "scheduling", "networking.k8s.io/v1beta1", "rbac", "events", "autoscaling")
pytestmark = pytest.mark.timeout(RUN_S + 100)
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def documents(server) -> Iterator[dict]:
    """Yield the documents; bodies have one type and no unknown fields, to come further inside."""
    for name, place in server.request("GET", "/openapi/v3").json["paths"].items():
        if not IS_LONG and not any(part in name for part in SHORT):
            continue
        text = server.request("GET", place["serverRelativeURL"]).body.decode()
        document = json.loads(
            text.replace('"*/*":{"schema":{"$ref"', f'"{JSON}":{{"schema":{{"$ref"')
        )
        for schema in document["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        yield document


def operations(server) -> Iterator[Any]:
    """Yield the operations that end by themselves."""
    for document in documents(server):
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = found.ok()
            raw = operation.definition.raw
            if "/watch/" not in operation.path and raw.get("x-kubernetes-action") != "connect":
                yield operation


@pytest.fixture
def session(server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(server.authority.file)
        session.cert = tuple(map(str, server.client_files("admin")))
        yield session


def sensible(case: Any, number: int, namespace: str) -> None:
    """Let every other case be one that has a chance."""
    case.query = {k: v for k, v in (case.query or {}).items() if k not in ENDLESS}
    if "namespace" in case.path_parameters:
        case.path_parameters["namespace"] = namespace
    if number % 2:
        case.query = {}
        case.path_parameters.update(name=f"case-{number % 7}")
        if isinstance(case.body, dict):
            case.body["metadata"] = {"name": f"case-{number % 7}"}


class Campaign:
    """Cases sent, and what was wrong."""

    def __init__(self, server, session: requests.Session, namespace: str) -> None:
        self._url, self._session, self._namespace = server.url, session, namespace
        self.ends = time.monotonic() + RUN_S
        self.sent = 0
        self.codes: Counter[int] = Counter()
        self.wrong: list[str] = []

    def is_over(self) -> bool:
        """Tell whether the time is over; a busy machine has more, until something has succeeded."""
        now = time.monotonic()
        return now > self.ends and (self.codes.keys() >= SUCCESSES or now > self.ends + PATIENCE_S)

    def attempt(self, operation: Any) -> None:
        """Send some cases of *operation*."""

        @seed(self.sent)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def send(case: Any) -> None:
            if not self.is_over():
                self.sent += 1
                sensible(case, self.sent, self._namespace)
                self._send(case)

        with contextlib.suppress(Unsatisfiable):
            send()

    def _send(self, case: Any) -> None:
        response = case.call(
            base_url=self._url, session=self._session, verify=self._session.verify, timeout=10
        )
        self.codes[response.status_code] += 1
        if is_version_to_come(response):
            return
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            self.wrong += [f"{case.as_curl_command()}\n{each}" for each in group.exceptions]


def is_version_to_come(response: Any) -> bool:
    """Tell the one answer that is a 5xx as upstream has it: a revision that is not there yet."""
    return response.status_code == 504 and "Too large resource version" in response.text


def test_nothing_breaks_the_server_or_its_own_schemas(server, namespace, session):
    found = list(operations(server))
    assert len(found) > 20
    random.Random(0).shuffle(found)  # Some of every group come early.
    campaign = Campaign(server, session, namespace)
    for operation in itertools.cycle(found):
        if campaign.is_over() or campaign.wrong:
            break
        campaign.attempt(operation)
    assert not campaign.wrong, campaign.wrong[0]
    assert campaign.codes.keys() >= SUCCESSES, campaign.codes
