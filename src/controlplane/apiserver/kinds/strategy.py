"""What a client may not write, kind after kind the same (upstream: registry strategies).

`spec` is the client's and `status` the controllers': a create begins without status, a plain
update keeps the old one, an update of the status subresource keeps the old spec. Kinds that have
`metadata.generation` count the changes of their spec in it.
"""

from __future__ import annotations

from kubeapi.objects import Object


def begin_generation(obj: Object) -> None:
    """Forget the status that a client sent, and begin to count generations."""
    obj["status"] = {}
    obj["metadata"]["generation"] = 1


def first_generation(obj: Object) -> None:
    """Begin to count generations."""
    obj["metadata"]["generation"] = 1


def count(new: Object, old: Object) -> None:
    """Grow the generation when the spec changed."""
    generation = old["metadata"].get("generation", 0)
    new["metadata"]["generation"] = generation + (new.get("spec") != old.get("spec"))


def keep(key: str, new: Object, old: Object) -> None:
    """Put back what *old* has under *key*."""
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def keep_status(new: Object, old: Object) -> None:
    """Ignore the status on a plain update."""
    keep("status", new, old)


def keep_spec(new: Object, old: Object) -> None:
    """Ignore the spec on an update of the status."""
    keep("spec", new, old)


def keep_status_and_count(new: Object, old: Object) -> None:
    """Ignore the status on a plain update; grow the generation when the spec changed."""
    keep("status", new, old)
    count(new, old)


def keep_all_but_status(new: Object, old: Object) -> None:
    """Ignore all but the status on an update of it (upstream: ResetObjectMetaForStatus)."""
    keep("spec", new, old)
    for key in ("labels", "annotations", "finalizers", "ownerReferences", "generation"):
        keep(key, new["metadata"], old["metadata"])


def keep_spec_and_labels(new: Object, old: Object) -> None:
    """Ignore the spec, labels and generation on an update of the status, as Deployments do."""
    keep("spec", new, old)
    keep("labels", new["metadata"], old["metadata"])
    keep("generation", new["metadata"], old["metadata"])
