"""`podwire get|apply|delete|logs`: the few kubectl verbs that a newcomer needs before kubectl.

Tables come from the API server (server-side printing), so they are what kubectl shows. For
everything else use kubectl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import yaml

from kubeapi.client import PatchType, RestClient
from kubeapi.objects import Object
from kubeapi.resources import ALL, PODS, Resource
from kubeapi.status import StatusError
from podwire.cli import api, cluster_option
from podwire.cluster.layout import Layout, UsageError

_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_SHORT: Final = {
    "po": "pods", "no": "nodes", "svc": "services", "ns": "namespaces", "cm": "configmaps",
    "sa": "serviceaccounts", "ev": "events", "deploy": "deployments", "rs": "replicasets",
    "netpol": "networkpolicies", "ing": "ingresses", "anp": "adminnetworkpolicies",
    "banp": "baselineadminnetworkpolicies", "cnp": "clusternetworkpolicies",
    "pdb": "poddisruptionbudgets",
}  # fmt: skip

_namespace = click.option(
    "-n", "--namespace", default="default", show_default=True, help="Where the objects are."
)


def _run(cluster_name: str, work: Callable[[RestClient], Awaitable[None]]) -> None:
    api.run(Layout.of(cluster_name), work)


def _resource(text: str) -> Resource:
    name = _SHORT.get(text.lower(), text.lower())
    for resource in ALL:
        if name in (resource.plural, resource.kind.lower()):
            return resource
    known = ", ".join(resource.plural for resource in ALL)
    raise UsageError(f"no kind {text!r}; there are {known}")


@click.command()
@click.argument("kind")
@click.argument("name", required=False)
@_namespace
@click.option("-A", "--all-namespaces", is_flag=True, help="In every namespace.")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml"]),
    default="table",
    show_default=True,
    help="In which form.",
)
@cluster_option
def get(
    kind: str,
    name: str | None,
    namespace: str,
    all_namespaces: bool,
    selector: str,
    output: str,
    cluster_name: str,
) -> None:
    """Show objects as kubectl does.

    \b
    Example: podwire get pods -o wide
    """
    resource = _resource(kind)
    where = namespace if resource.namespaced and not all_namespaces else None

    async def show(client: RestClient) -> None:
        if output in ("json", "yaml"):
            found = (
                await client.get(resource, name, where)
                if name
                else await client.list(resource, where, label_selector=selector)
            )
            text = json.dumps(found, indent=4) if output == "json" else yaml.safe_dump(found)
            click.echo(text)
            return
        path = resource.path(where, name or "")
        query = {"labelSelector": selector} if selector else {}
        answer = await client.raw("GET", path, query=query, accept=_TABLE)
        _print_table(json.loads(answer), wide=output == "wide", namespaces=all_namespaces)

    _run(cluster_name, show)


def _print_table(table: Object, *, wide: bool, namespaces: bool) -> None:
    shown = [
        number
        for number, column in enumerate(table["columnDefinitions"])
        if wide or not column.get("priority")
    ]
    lines = [[table["columnDefinitions"][number]["name"].upper() for number in shown]]
    rows = table.get("rows") or []
    lines += [[str(row["cells"][number]) for number in shown] for row in rows]
    if namespaces:
        lines[0].insert(0, "NAMESPACE")
        for line, row in zip(lines[1:], rows, strict=True):
            line.insert(0, row["object"]["metadata"].get("namespace", ""))
    if len(lines) == 1:
        click.echo("No resources found.", err=True)
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


def read_manifests(path: str) -> list[Object]:
    """Return the objects of a YAML or JSON file; raises UsageError with the place of an error."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # A date that is none, say.
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    objects: list[Object] = []
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind"):
            raise UsageError(f"{path}: a document is no object with apiVersion and kind")
        objects += document["items"] if document["kind"] == "List" else [document]
    if not objects:
        raise UsageError(f"{path}: no objects in it")
    return objects


def _resource_of(obj: Object) -> Resource:
    for resource in ALL:
        if (resource.api_version, resource.kind) == (obj.get("apiVersion"), obj["kind"]):
            return resource
    raise UsageError(f"no kind {obj['kind']} in {obj.get('apiVersion')}")


def _target(obj: Object, namespace: str) -> tuple[Resource, str, str | None]:
    resource = _resource_of(obj)
    metadata: dict[str, Any] = obj.get("metadata") or {}
    if not metadata.get("name"):
        raise UsageError(f"a {obj['kind']} has no metadata.name")
    where = (metadata.get("namespace") or namespace) if resource.namespaced else None
    return resource, str(metadata["name"]), where


def _shown(resource: Resource) -> str:
    """Return `deployment.apps`, or `pod` for the core group, as kubectl says what it did."""
    return f"{resource.kind.lower()}.{resource.group}" if resource.group else resource.kind.lower()


@click.command()
@click.option("-f", "--filename", required=True, help="A manifest; - is standard input.")
@_namespace
@cluster_option
def apply(filename: str, namespace: str, cluster_name: str) -> None:
    """Create or change the objects of a manifest.

    \b
    Example: podwire apply -f examples/web.yaml
    """
    objects = read_manifests(filename)

    async def create_or_patch(client: RestClient) -> None:
        for obj in objects:
            click.echo(await apply_object(client, obj, namespace))

    _run(cluster_name, create_or_patch)


async def apply_object(client: RestClient, obj: Object, namespace: str) -> str:
    """Create or patch one object; return what was done as kubectl would say it."""
    resource, name, where = _target(obj, namespace)
    shown = f"{_shown(resource)}/{name}"
    try:
        await client.create(resource, obj, where)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
        await client.patch(resource, name, obj, where, kind=PatchType.STRATEGIC)
        return f"{shown} configured"
    return f"{shown} created"


@click.command()
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("-f", "--filename", help="Delete the objects of a manifest.")
@_namespace
@cluster_option
def delete(
    kind: str | None, name: str | None, filename: str | None, namespace: str, cluster_name: str
) -> None:
    """Delete an object, or those of a manifest.

    \b
    Example: podwire delete pod web-0
    """
    if filename:
        targets = [_target(obj, namespace) for obj in read_manifests(filename)]
    elif kind and name:
        resource = _resource(kind)
        targets = [(resource, name, namespace if resource.namespaced else None)]
    else:
        raise UsageError("say what: podwire delete KIND NAME, or podwire delete -f FILE")

    async def remove(client: RestClient) -> None:
        for resource, target, where in targets:
            await client.delete(resource, target, where, propagation="Background")
            click.echo(f'{_shown(resource)} "{target}" deleted')

    _run(cluster_name, remove)


@click.command()
@click.argument("pod")
@click.option("-c", "--container", default="", help="Which, if the pod has several.")
@click.option("--tail", type=click.IntRange(0), help="Only the last lines.")
@_namespace
@cluster_option
def logs(pod: str, container: str, tail: int | None, namespace: str, cluster_name: str) -> None:
    """Print a pod's log.

    \b
    Example: podwire logs web-0 --tail 20
    """
    params = {"container": container} if container else {}
    if tail is not None:
        params["tailLines"] = str(tail)

    async def show(client: RestClient) -> None:
        octets = await client.raw("GET", PODS.path(namespace, pod, "log"), query=params)
        click.echo(octets, nl=False)

    _run(cluster_name, show)
