"""What a pod gets from its account."""

from __future__ import annotations

from controlplane.apiserver.serviceaccount.admission import MOUNT_PATH, admit, unknown_account

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
