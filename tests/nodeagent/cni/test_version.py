"""Which version of the protocol a network is run with."""

import pytest

from nodeagent.cni import version
from nodeagent.cni.errors import CniError, Code


@pytest.mark.parametrize("text", ["", "1", "1.0", "1.0.0-rc1", "v1.0.0", "1.0.x", "1.0.99999"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(CniError, match="invalid cniVersion"):
        version.parse(text)


def test_versions_compare_as_numbers():
    assert version.parse("1.10.0") > version.parse("1.9.0")


def test_candidates_are_ours_newest_first():
    assert version.candidates(["0.4.0", "1.1.0", "0.3.1", "1.1.0"]) == ["1.1.0", "0.4.0"]
    with pytest.raises(CniError) as refused:
        version.candidates(["0.2.0", "9.0.0"])
    assert refused.value.code == Code.INCOMPATIBLE_VERSION
    assert str(refused.value) == (
        'incompatible CNI versions; config is "0.2.0 9.0.0", plugin supports [0.4.0 1.0.0 1.1.0]'
    )


@pytest.mark.parametrize(
    ("plugins", "chosen"),
    [([], "1.1.0"), ([["1.1.0", "1.0.0"], ["1.0.0"]], "1.0.0"), ([["1.1.0"], ["0.4.0"]], "1.1.0")],
    ids=["no-plugin", "agreement", "none"],
)
def test_all_plugins_must_speak_it(plugins, chosen):
    assert version.choose(["1.1.0", "1.0.0", "0.4.0"], plugins) == chosen
