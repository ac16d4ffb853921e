"""What the API server knows of one kind: a row, not a handler.

The generic registry (upstream: k8s.io/apiserver's `registry.Store`) does every verb for every
kind; what differs stands here as data and small pure functions (upstream: defaulting, validation,
strategy and printer of each kind). Functions named `default` and `prepare_*` change the object
they are given in place; everything else only looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from controlplane.apiserver.authn import User
from kubeapi.objects import Object
from kubeapi.resources import Resource
from kubeapi.schema import TypeSchema, schema_for
from kubeapi.status import Cause


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a server-side Table (metav1.TableColumnDefinition)."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0  # 0: always shown; 1: with -o wide
    description: str = ""


Cell = str | int | float | bool | None


def nothing(_obj: Object) -> None:
    """Default nothing."""


def nothing_changed(_new: Object, _old: Object) -> None:
    """Prepare nothing."""


def signed_by_nobody(_obj: Object, _user: User) -> None:
    """Say nothing of who creates it."""


def as_it_is(obj: Object) -> Object:
    """Convert nothing."""
    return obj


def no_causes(_obj: Object) -> list[Cause]:
    """Find nothing wrong."""
    return []


def no_update_causes(_new: Object, _old: Object) -> list[Cause]:
    """Find nothing wrong."""
    return []


def no_fields(_obj: Object) -> Mapping[str, str]:
    """Offer no fields besides metadata.name and metadata.namespace."""
    return {}


def in_version(resource: Resource) -> Callable[[Object], Object]:
    """Return a conversion that changes nothing but the apiVersion, to that of *resource*."""

    def convert(obj: Object) -> Object:
        return {**obj, "apiVersion": resource.api_version}

    return convert


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How the update of one subresource differs: what it may change, and what of that is wrong."""

    prepare: Callable[[Object, Object], None]
    validate: Callable[[Object, Object], list[Cause]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePaths:
    """Where a kind has what autoscaling/v1 Scale shows."""

    spec_replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    #: Where the selector stands as a text; empty: `Kind.scale_selector` makes it.
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind as the registry sees it."""

    resource: Resource
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    #: Subresources that the generic registry serves: "status", "scale". Others ("binding", "log",
    #: "eviction") have handlers of their own.
    subresources: tuple[str, ...] = ()
    #: Those that are the object itself, changed by a rule of their own.
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    #: Fill in upstream's defaults, on every write and before validation.
    default: Callable[[Object], None] = nothing
    #: Strategy: what a client may not set on create (status is reset, generation becomes 1) …
    prepare_create: Callable[[Object], None] = nothing
    #: What it says of who creates it; no client may say so itself.
    sign: Callable[[Object, User], None] = signed_by_nobody
    #: … and on update (spec-less status, kept fields; generation grows when the spec changed).
    prepare_update: Callable[[Object, Object], None] = nothing_changed
    prepare_status_update: Callable[[Object, Object], None] = nothing_changed
    #: Semantic validation, after the schema's (types are right then); causes with upstream's field
    #: paths and wordings. `validate` judges every write; `validate_create` adds what only later
    #: writes may set, `validate_update` what depends on the old object. A binding
    #: writes spec.nodeName past all of them.
    validate: Callable[[Object], list[Cause]] = no_causes
    validate_create: Callable[[Object], list[Cause]] = no_causes
    validate_update: Callable[[Object, Object], list[Cause]] = no_update_causes
    #: Fields for field selectors besides metadata.name and metadata.namespace.
    fields: Callable[[Object], Mapping[str, str]] = no_fields
    #: Those of them by which lists find their objects without looking at the others.
    indexed_fields: tuple[str, ...] = ()
    #: The Table printer: columns, and a row's cells for (object, now as Unix seconds).
    columns: Sequence[Column] = ()
    cells: Callable[[Object, float], Sequence[Cell]] | None = None
    #: Seconds of grace for a delete that names none; None: this kind dies at once (all but pods).
    grace_s: Callable[[Object], int] | None = None
    #: A removal answers with the object instead of a Status (upstream: ReturnDeletedObject).
    returns_deleted: bool = False
    #: The propagation of a delete that names none.
    default_propagation: str = "Background"
    #: Selector path of the scale subresource, replicas paths are upstream's.
    scale_selector: Callable[[Object], str] | None = None
    #: The version that is stored, cached, defaulted and judged, where this is another one of it …
    hub: Kind | None = None
    #: … and copies converted, the apiVersion among them (upstream: the internal version).
    to_hub: Callable[[Object], Object] = as_it_is
    from_hub: Callable[[Object], Object] = as_it_is
    #: Field selectors' names in this version → the hub's (AddFieldLabelConversionFunc).
    hub_fields: Mapping[str, str] = field(default_factory=dict)
    #: Answered and never stored: there is no cache of it, and no verb but these.
    virtual: bool = False
    verbs: tuple[str, ...] = ("create",)
    #: A kind that no release of Kubernetes has: its schema, compiled when it is first asked for …
    custom_schema: Callable[[], TypeSchema] | None = None
    #: … as it was written, for OpenAPI, and a text that changes when that does …
    custom_document: Callable[[], Object] | None = None
    custom_stamp: str = ""
    #: … and how objects become what they are now, which were stored under an older definition.
    on_read: Callable[[Object], None] | None = None
    #: Somebody outside converts its versions: `to_hub` and `from_hub` raise ConversionNeeded, take
    #: objects of any version and do so for the stored version, too.
    is_converted: bool = False
    #: What a deletion does first, given the time; it may add finalizers that hold the object.
    begin_deletion: Callable[[Object, float], None] | None = None
    #: Where the scale subresource reads and writes.
    scale: ScalePaths = field(default_factory=ScalePaths)
    #: The warning that every answer about a deprecated version carries.
    deprecation: str = ""

    @property
    def schema(self) -> TypeSchema:
        """Return what objects of this kind look like."""
        resource = self.resource
        if self.custom_schema is not None:
            return self.custom_schema()
        found = schema_for(resource.api_version, resource.kind)
        assert found is not None, f"{resource.kind} has no schema"
        return found

    @property
    def is_custom(self) -> bool:
        """Tell whether a CustomResourceDefinition made this kind."""
        return self.custom_schema is not None

    @property
    def stored(self) -> Kind:
        """Return the version that is stored."""
        return self.hub or self
