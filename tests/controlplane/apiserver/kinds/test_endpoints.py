from __future__ import annotations

import pytest

SUBSET = {"addresses": [{"ip": "10.244.1.2"}], "ports": [{"port": 80}]}


@pytest.mark.parametrize(
    ("subset", "cause"),
    [
        (SUBSET, None),
        ({"ports": [{"port": 80}]}, "subsets[0]: Required value"),
        ({**SUBSET, "addresses": [{"ip": "127.0.0.1"}]}, "subsets[0].addresses[0].ip: Invalid"),
        ({**SUBSET, "ports": [{"port": 0}]}, "subsets[0].ports[0].port: Invalid value: 0"),
        (
            {**SUBSET, "ports": [{"port": 1, "protocol": "X"}]},
            "subsets[0].ports[0].protocol: Unsup",
        ),
        ({**SUBSET, "ports": [{"port": 1, "name": "a"}, {"port": 2}]}, "subsets[0].ports[1].name:"),
        (
            {**SUBSET, "ports": [{"port": 1, "appProtocol": "a/b/c"}]},
            'subsets[0].ports[0].appProtocol: Invalid value: "a/b/c"',
        ),
        (
            {**SUBSET, "notReadyAddresses": [{"ip": "10.244.1.3", "hostname": "a.b"}]},
            'subsets[0].notReadyAddresses[0].hostname: Invalid value: "a.b": must not contain dots',
        ),
        (
            {**SUBSET, "addresses": [{"ip": "10.244.1.2", "nodeName": "A"}]},
            'subsets[0].addresses[0].nodeName: Invalid value: "A"',
        ),
    ],
)
def test_validation(wrong, subset, cause):
    causes = wrong("Endpoints", {"subsets": [subset]})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(cause)


def test_row_joins_addresses_and_ports(kind_of, made):
    cells = kind_of("Endpoints").cells
    assert cells(made("Endpoints", {"subsets": [SUBSET]}), 1767323045)[1] == "10.244.1.2:80"
    headless = {"subsets": [{"addresses": [{"ip": "10.244.1.2"}]}]}
    assert cells(made("Endpoints", headless), 1767323045)[1] == "10.244.1.2"
    assert cells(made("Endpoints"), 1767323045)[1] == "<none>"
    six = {"subsets": [{**SUBSET, "addresses": [{"ip": "fd00::2"}]}]}
    assert cells(made("Endpoints", six), 1767323045)[1] == "[fd00::2]:80"
