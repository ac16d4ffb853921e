import pytest

from kubeapi import field, status
from kubeapi.resources import DEPLOYMENTS, PODS
from kubeapi.status import StatusError


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        (status.not_found(PODS, "a"), 404, "NotFound", 'pods "a" not found'),
        (
            status.not_found(DEPLOYMENTS, "a"),
            404,
            "NotFound",
            'deployments.apps "a" not found',
        ),
        (status.already_exists(PODS, "a"), 409, "AlreadyExists", 'pods "a" already exists'),
        (
            status.conflict(PODS, "a", "why"),
            409,
            "Conflict",
            'Operation cannot be fulfilled on pods "a": why',
        ),
        (status.forbidden(PODS, "a", "why"), 403, "Forbidden", 'pods "a" is forbidden: why'),
        (status.forbidden(PODS, "", "why"), 403, "Forbidden", "pods is forbidden: why"),
        (status.bad_request("why"), 400, "BadRequest", "why"),
        (status.unauthorized(), 401, "Unauthorized", "Unauthorized"),
        (status.gone("why"), 410, "Expired", "why"),
        (status.too_large("why"), 413, "RequestEntityTooLarge", "why"),
        (status.unsupported_media_type("why"), 415, "UnsupportedMediaType", "why"),
        (status.internal("why"), 500, "InternalError", "Internal error occurred: why"),
    ],
)
def test_constructors(error, code, reason, message):
    told = error.to_object()
    assert (told["code"], told["reason"], told["message"]) == (code, reason, message)
    assert told["kind"] == "Status"
    assert StatusError.from_object(told).to_object() == told


def test_invalid_lists_every_cause_once():
    causes = [field.required("spec.a"), field.required("spec.a"), field.invalid("b", 1, "bad")]
    error = status.invalid("Deployment", "web", causes, group="apps")
    assert error.message == (
        'Deployment.apps "web" is invalid: [spec.a: Required value, b: Invalid value: 1: bad]'
    )
    assert [cause["reason"] for cause in error.details["causes"]] == [
        "FieldValueRequired",
        "FieldValueInvalid",
    ]
    one = status.invalid("Pod", "p", causes[:1])
    assert one.message == 'Pod "p" is invalid: spec.a: Required value'


def test_questions():
    assert status.is_not_found(status.not_found(PODS, "a"))
    assert status.is_conflict(status.conflict(PODS, "a"))
    assert status.is_already_exists(status.already_exists(PODS, "a"))
    assert not status.is_conflict(status.already_exists(PODS, "a"))
    assert status.is_gone(status.gone("x"))
    assert status.too_many_requests("x", retry_after_s=3).retry_after_s == 3
    assert status.bad_request("x").retry_after_s == 0
