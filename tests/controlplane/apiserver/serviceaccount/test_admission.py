"""What a pod gets from its account."""

from __future__ import annotations

import pytest

from controlplane.apiserver.serviceaccount.admission import (
    MOUNT_PATH,
    admit,
    check_secrets,
    unknown_account,
)
from kubeapi.status import StatusError

NAME = "kube-api-access-abcde"


def pod(**spec):
    return {
        "metadata": {"name": "p", "namespace": "a"},
        "spec": {"serviceAccountName": "default", "containers": [{"name": "c"}], **spec},
    }


def mounts(container):
    return [(m["name"], m["mountPath"], m.get("readOnly")) for m in container["volumeMounts"]]


def test_every_container_gets_the_volume():
    made = pod(initContainers=[{"name": "i"}])
    admit(made, {}, NAME)
    spec = made["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        assert mounts(container) == [(NAME, MOUNT_PATH, True)]
    (volume,) = spec["volumes"]
    assert volume["name"] == NAME
    assert volume["projected"]["defaultMode"] == 0o644
    kinds = [next(iter(source)) for source in volume["projected"]["sources"]]
    assert kinds == ["serviceAccountToken", "configMap", "downwardAPI"]


def test_the_pod_says_no_before_the_account():
    for own, of_account, mounted in [
        (None, None, True), (None, False, False), (None, True, True),
        (False, True, False), (True, False, True),
    ]:  # fmt: skip
        made = pod(**({} if own is None else {"automountServiceAccountToken": own}))
        admit(
            made, {} if of_account is None else {"automountServiceAccountToken": of_account}, NAME
        )
        assert bool(made["spec"].get("volumes")) is mounted


def test_what_is_mounted_there_stays():
    own = {"name": "mine", "mountPath": MOUNT_PATH}
    made = pod(containers=[{"name": "c", "volumeMounts": [own]}])
    admit(made, {}, NAME)
    assert made["spec"]["containers"][0]["volumeMounts"] == [own]
    assert "volumes" not in made["spec"]


def test_a_volume_of_that_kind_is_used_again():
    known = {"name": "kube-api-access-known", "projected": {"sources": []}}
    made = pod(volumes=[known])
    admit(made, {}, NAME)
    assert made["spec"]["volumes"] == [known]
    assert mounts(made["spec"]["containers"][0])[0][0] == "kube-api-access-known"


def test_pull_secrets_come_from_the_account_unless_the_pod_has_some():
    account = {"imagePullSecrets": [{"name": "s"}], "automountServiceAccountToken": False}
    for own, expected in [({}, "s"), ({"imagePullSecrets": [{"name": "o"}]}, "o")]:
        made = pod(**own)
        admit(made, account, NAME)
        assert made["spec"]["imagePullSecrets"] == [{"name": expected}]


def test_no_account_no_pod():
    error = unknown_account(pod(), "a")
    assert error.code == 403
    assert 'service account a/default: serviceaccount "default" not found' in error.message


#: Upstream: the annotation, TestAllowsReferencedSecret and its siblings, TestRejects….
ENFORCING = {
    "metadata": {
        "name": "default",
        "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"},
    },
    "secrets": [{"name": "foo"}],
    "imagePullSecrets": [{"name": "pull"}],
}


def _env(name):
    return {"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}]}


def _secret_places(name):
    """Return specs that name a Secret, by what a refusal says of the place."""
    from_secret = {"envFrom": [{"secretRef": {"name": name}}]}
    referring = f'referencing secret.secretName="{name}"'
    found = {
        f'volume with secret.secretName="{name}"': {
            "volumes": [{"name": "v", "secret": {"secretName": name}}]
        }
    }
    for field, called in (
        ("initContainers", "init container"),
        ("containers", "container"),
        ("ephemeralContainers", "ephemeral container"),
    ):
        for how, more in (("envVar E", _env(name)), ("envFrom", from_secret)):
            found[f"{called} x with {how} {referring}"] = {field: [{"name": "x", **more}]}
    return found


@pytest.mark.parametrize("place", _secret_places("bar"))
def test_a_pod_gets_no_secret_that_its_account_does_not_name(place):
    made = pod(**_secret_places("bar")[place])
    why = f"{place} is not allowed because service account default does not reference that secret"
    with pytest.raises(StatusError) as caught:
        check_secrets(made, ENFORCING, is_new=True)
    assert (caught.value.code, caught.value.message) == (403, f'pods "p" is forbidden: {why}')
    for account in ({**ENFORCING, "metadata": {"name": "default"}}, {"metadata": {"name": "d"}}):
        check_secrets(made, account, is_new=True)


@pytest.mark.parametrize("spec", _secret_places("foo").values())
def test_a_pod_gets_the_secrets_that_its_account_names(spec):
    check_secrets(pod(**spec), ENFORCING, is_new=True)


def test_a_pod_pulls_with_its_accounts_secrets_only():
    check_secrets(pod(imagePullSecrets=[{"name": "pull"}]), ENFORCING, is_new=True)
    with pytest.raises(StatusError, match=r'imagePullSecrets\[1\].name="foo" is not allowed'):
        check_secrets(
            pod(imagePullSecrets=[{"name": "pull"}, {"name": "foo"}]), ENFORCING, is_new=True
        )


def test_of_an_old_pod_containers_for_debugging_are_judged():
    env = _env("bar")
    check_secrets(pod(containers=[{"name": "c", **env}]), ENFORCING, is_new=False)
    with pytest.raises(StatusError, match="ephemeral container d with envVar E"):
        check_secrets(pod(ephemeralContainers=[{"name": "d", **env}]), ENFORCING, is_new=False)
