"""Questions about paths, asked once in a while (upstream: DelegatingAuthorizationOptions)."""

from __future__ import annotations

import asyncio

from kubeapi.client.delegation import ANONYMOUS, DENIED_S, Delegation, Question
from kubeapi.resources import SUBJECTACCESSREVIEWS


def test_a_path_is_asked_about_and_the_answer_remembered():
    asked, now = [], 0.0

    async def create(resource, review):
        assert resource == SUBJECTACCESSREVIEWS
        asked.append(review["spec"])
        return {"status": {"allowed": False}}

    delegation = Delegation(create, lambda: now)
    about = Question("nonResourceAttributes", (("path", "/metrics"), ("verb", "get")))
    assert not asyncio.run(delegation.may(ANONYMOUS, about))
    assert not asyncio.run(delegation.may(ANONYMOUS, about))
    assert asked == [
        {
            "user": "system:anonymous",
            "groups": ["system:unauthenticated"],
            "uid": "",
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        }
    ]
    now = DENIED_S
    assert not asyncio.run(delegation.may(ANONYMOUS, about))
    assert len(asked) == 2
