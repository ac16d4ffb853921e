"""Flags as upstream's deployments write them."""

from __future__ import annotations

import pytest

from ingresscontroller.flags import FlagError, Flags, read


def test_upstreams_arguments_are_taken():
    given = read([
        "--publish-service=ingress-nginx/ingress-nginx-controller",
        "--election-id=ingress-nginx-leader", "--controller-class=k8s.io/ingress-nginx",
        "--ingress-class", "nginx", "--configmap=ingress-nginx/ingress-nginx-controller",
        "--validating-webhook=:8443", "--enable-metrics=false", "--http-port", "8080",
        "--watch-ingress-without-class",
    ])  # fmt: skip
    assert given == Flags(
        publish_service="ingress-nginx/ingress-nginx-controller",
        http_port=8080,
        watch_ingress_without_class=True,
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--publish-servise=x"], "unknown flag: --publish-servise"),
        (["stray"], "unknown flag: stray"),
        (["--http-port=http"], 'invalid argument "http"'),
        (["--http-port=65536"], "invalid argument"),
        (["--publish-service=name"], "NAMESPACE/NAME"),
        (["--publish-service"], "flag needs an argument"),
        (["--watch-ingress-without-class=maybe"], "true or false"),
    ],
)
def test_what_makes_no_sense_is_said(words, why):
    with pytest.raises(FlagError, match=why):
        read(words)
