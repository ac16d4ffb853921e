"""Options of lists and watches that do not go together (TestValidateListOptions, case by case)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.registry.list_options import check_list_options
from kubeapi.status import StatusError

MATCH, INITIAL = "resourceVersionMatch", "sendInitialEvents"
NOT_OLDER = {MATCH: "NotOlderThan"}
NEEDS_MATCH = f"{MATCH}: Forbidden: {INITIAL} requires setting {MATCH} to NotOlderThan"


@pytest.mark.parametrize(
    ("watch", "query", "messages"),
    [
        pytest.param(False, {}, [], id="valid-default"),
        pytest.param(
            False,
            {"resourceVersion": "1", MATCH: "Exact"},
            [],
            id="valid-resourceversionmatch-exact",
        ),
        pytest.param(
            False,
            {"resourceVersion": "0", MATCH: "Exact"},
            [f'{MATCH}: Forbidden: {MATCH} "exact" is forbidden for resourceVersion "0"'],
            id="invalid-resourceversionmatch-exact",
        ),
        pytest.param(
            False,
            {"resourceVersion": "0", **NOT_OLDER},
            [],
            id="valid-resourceversionmatch-notolderthan",
        ),
        pytest.param(
            False,
            {"resourceVersion": "0", MATCH: "foo"},
            [
                f'{MATCH}: Unsupported value: "foo": supported values: "Exact", "NotOlderThan", ""',
            ],
            id="invalid-resourceversionmatch",
        ),
        pytest.param(
            False,
            {INITIAL: "true"},
            [f"{INITIAL}: Forbidden: {INITIAL} is forbidden for list"],
            id="list-sendInitialEvents-forbidden",
        ),
        pytest.param(True, {}, [], id="valid-watch-default"),
        pytest.param(
            True,
            {INITIAL: "true", **NOT_OLDER, "allowWatchBookmarks": "true"},
            [],
            id="valid-watch-sendInitialEvents-on",
        ),
        pytest.param(
            True,
            {INITIAL: "false", **NOT_OLDER, "allowWatchBookmarks": "true"},
            [],
            id="valid-watch-sendInitialEvents-off",
        ),
        pytest.param(
            True,
            NOT_OLDER,
            [f"{MATCH}: Forbidden: {MATCH} is forbidden for watch unless {INITIAL} is provided"],
            id="watch-resourceversionmatch-without-sendInitialEvents-forbidden",
        ),
        pytest.param(
            True,
            {INITIAL: "true"},
            [NEEDS_MATCH],
            id="watch-sendInitialEvents-without-resourceversionmatch-forbidden",
        ),
        pytest.param(
            True,
            {INITIAL: "true", MATCH: "Exact", "allowWatchBookmarks": "true"},
            [
                NEEDS_MATCH,
                f'{MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
            id="watch-sendInitialEvents-with-exact-resourceversionmatch-forbidden",
        ),
        pytest.param(
            True,
            {INITIAL: "false", MATCH: ""},
            [NEEDS_MATCH],
            id="watch-sendInitialEvents-off-with-empty-resourceversionmatch-forbidden",
        ),
        pytest.param(
            True,
            {INITIAL: "true", MATCH: "incorrect", "allowWatchBookmarks": "true"},
            [
                NEEDS_MATCH,
                f'{MATCH}: Unsupported value: "incorrect": supported values: "NotOlderThan"',
            ],
            id="watch-sendInitialEvents-with-incorrect-resourceversionmatch-forbidden",
        ),
        pytest.param(
            True,
            {INITIAL: "true", **NOT_OLDER},
            [],
            id="watch-sendInitialEvents-no-allowWatchBookmark",
        ),
        pytest.param(
            True,
            {INITIAL: "true", **NOT_OLDER, "continue": "123"},
            [f"{MATCH}: Forbidden: {MATCH} is forbidden when continue is provided"],
            id="watch-sendInitialEvents-with-continue",
        ),
    ],
)
def test_validate_list_options(watch: bool, query: dict[str, str], messages: list[str]) -> None:
    if not messages:
        check_list_options(query, watch=watch)
        return
    with pytest.raises(StatusError) as raised:
        check_list_options(query, watch=watch)
    assert (raised.value.code, raised.value.details["kind"]) == (422, "ListOptions")
    causes = raised.value.details["causes"]
    assert [f"{each['field']}: {each['message']}" for each in causes] == messages
