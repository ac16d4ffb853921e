"""What a plugin refuses before it does anything."""

import pytest
from cni_node import bridge
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.invocation import COMMANDS, Invocation, decode, from_environment, verify

COMPLETE = {
    "CNI_CONTAINERID": "pod",
    "CNI_NETNS": "/run/netns/pod",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin",
    "CNI_ARGS": "IgnoreUnknown=1;IP=10.0.0.9;odd",
}


def call(command="ADD", config=None, **changed):
    environment = {**COMPLETE, **{f"CNI_{key}": text for key, text in changed.items()}}
    made = from_environment({**environment, "CNI_COMMAND": command}, b"{}")
    return Invocation(
        command=made.command,
        config=bridge("10.0.0.0/24") if config is None else config,
        container_id=made.container_id,
        netns=made.netns,
        ifname=made.ifname,
        path=made.path,
    )


def refusal(*args, **changed) -> CniError:
    with pytest.raises(CniError) as refused:
        verify(call(*args, **changed))
    return refused.value


@pytest.mark.parametrize("command", COMMANDS)
def test_a_complete_call_passes_and_is_the_same_in_the_environment(command):
    verify(call(command))
    environment = {**COMPLETE, "CNI_COMMAND": command}
    assert from_environment(environment, b"{}").environment() == environment


def test_arguments_are_found_by_name():
    made = from_environment({**COMPLETE, "CNI_COMMAND": "ADD"}, b"{}")
    assert (made.argument("IP"), made.argument("odd"), made.argument("none")) == (
        "10.0.0.9",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("ADD", ["CONTAINERID", "NETNS", "IFNAME", "PATH"]),
        ("CHECK", ["CONTAINERID", "NETNS", "IFNAME", "PATH"]),
        ("DEL", ["CONTAINERID", "IFNAME", "PATH"]),
        ("GC", ["PATH"]),
        ("STATUS", ["PATH"]),
    ],
)
def test_missing_variables_are_all_named(command, missing):
    error = refusal(command, CONTAINERID="", NETNS="", IFNAME="", PATH="")
    names = ",".join(f"CNI_{each}" for each in missing)
    assert (error.code, error.message) == (4, f"required env variables [{names}] missing")


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "a:b", "sixteen-letters-"])
def test_interface_names_are_linux(name):
    assert refusal(IFNAME=name).code == Code.INVALID_ENVIRONMENT


@pytest.mark.parametrize("name", ["-a", "a/b", "../a", "ä", "a\n"])
def test_container_ids_are_names_of_files(name):
    assert refusal(CONTAINERID=name).code == Code.INVALID_ENVIRONMENT


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_late_commands_need_the_version_that_has_them(command):
    error = refusal(command, bridge("10.0.0.0/24", version="1.0.0"))
    assert (error.code, error.message) == (1, f"config version does not allow {command}")


def test_types_that_are_no_text_are_no_version_and_no_name():
    assert refusal("ADD", {"cniVersion": 1, "name": "net"}).code == Code.INCOMPATIBLE_VERSION
    assert refusal("ADD", {"cniVersion": "1.0.0", "name": 5}).code == Code.INVALID_NETWORK_CONFIG


@pytest.mark.parametrize("command", ["", "NONSENSE", "add"])
def test_commands_that_are_none_are_refused(command):
    with pytest.raises(CniError, match="CNI_COMMAND") as refused:
        from_environment({**COMPLETE, "CNI_COMMAND": command}, b"{}")
    assert refused.value.code == Code.INVALID_ENVIRONMENT


def test_versions_may_be_asked_for_in_silence():
    made = from_environment({"CNI_COMMAND": "VERSION"}, b" \n")
    verify(made)
    assert made.config == {}


@given(st.binary(max_size=100))
def test_any_octets_are_a_document_or_a_decoding_failure(octets):
    try:
        found = decode(octets)
    except CniError as error:
        code = error.code
    else:
        code = Code.DECODING_FAILURE
        assert isinstance(found, dict)
    assert code == Code.DECODING_FAILURE
