"""Manifests of our own in the shapes of pages of Kubernetes' documentation.

Each name is the page's subject. What they start is what those pages start: images, commands and
fields that only they use.
"""

from __future__ import annotations

from typing import Any, Final

_LOG: Final = {"name": "log", "mountPath": "/log"}


def _job(name: str, pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def _container(name: str, image: str, *command: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "command": list(command), **more}


PI: Final = _job(
    "pi",
    {
        "containers": [
            _container("pi", "perl:5.34.0", "perl", "-Mbignum=bpi", "-wle", "print bpi(99)")
        ]
    },
)
ARRAY: Final = _job(
    "array",
    {
        "initContainers": [
            _container(
                "choose", "docker.io/library/bash", "bash", "-c",
                "words=(mood live evil)\necho ${words[$JOB_COMPLETION_INDEX]} > /log/word",
                volumeMounts=[_LOG],
            )
        ],
        "containers": [
            _container("turn", "docker.io/library/busybox", "rev", "/log/word", volumeMounts=[_LOG])
        ],
        "volumes": [{"name": "log", "emptyDir": {}}],
    },
    completions=3,
    parallelism=3,
    completionMode="Indexed",
)  # fmt: skip
SUCCESS: Final = _job(
    "success",
    {
        "containers": [
            _container(
                "main", "python", "python3", "-c",
                "import os, sys\nsys.exit(os.environ['JOB_COMPLETION_INDEX'] != '1')",
            )
        ]
    },
    completions=3,
    parallelism=3,
    completionMode="Indexed",
    successPolicy={"rules": [{"succeededIndexes": "1", "succeededCount": 1}]},
)  # fmt: skip
ADAPTER: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "adapter"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "initContainers": [
            _container(
                "adapter", "registry.k8s.io/busybox:1.27.2", "sh", "-c",
                'touch /log/raw; tail -F /log/raw | while read l; do echo "adapted: $l"; done',
                restartPolicy="Always", volumeMounts=[_LOG],
            )
        ],
        "containers": [
            _container(
                "app", "debian", "bash", "-c", "echo event >> /log/raw; sleep 1000000",
                volumeMounts=[_LOG],
            )
        ],
        "volumes": [{"name": "log", "emptyDir": {}}],
    },
}  # fmt: skip
MACHINE: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "machine"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            _container(
                "look", "busybox:1.37", "sh", "-c", "cat /node-name; sleep 1000000",
                volumeMounts=[{"name": "name", "mountPath": "/node-name", "readOnly": True}],
            )
        ],
        "volumes": [{"name": "name", "hostPath": {"path": "/etc/hostname", "type": "File"}}],
    },
}  # fmt: skip


#: What a program that exports metrics looks like to the kubelet.
EXPORTER: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "exporter",
        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"},
    },
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            _container(
                "exporter", "busybox:1.37", "sh", "-c",
                "mkdir /www; echo 'messages_ready{queue=\"a\"} 30' > /www/metrics;"
                " httpd -f -p 8000 -h /www",
            )
        ],
    },
}  # fmt: skip


def _web(name: str, image: str, service: str, **container: Any) -> list[dict[str, Any]]:
    labels = {"app": name}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": name, "image": image, **container}]},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        },
    ]


_QUIT: Final = {"preStop": {"exec": {"command": ["/usr/sbin/nginx", "-s", "quit"]}}}
ALL: Final = [
    PI,
    ARRAY,
    SUCCESS,
    ADAPTER,
    MACHINE,
    EXPORTER,
    *_web("backend", "gcr.io/google-samples/hello-go-gke:1.0", "hello"),
    *_web("frontend", "gcr.io/google-samples/hello-frontend:1.0", "frontend", lifecycle=_QUIT),
    *_web("php-apache", "registry.k8s.io/hpa-example", "php-apache"),
]
