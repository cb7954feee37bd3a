"""``edgecls models``: a table for people, a line of JSON a net for programs."""

from __future__ import annotations

import json

from edgecls.models import zoo


def test_a_table_of_the_nets_that_were_asked(edgecls):
    ended = edgecls("models", "squeezenet", "--size", 64, "--channels", 1, "--classes", 7)
    head, *rows = ended.out.splitlines()
    assert ended.status == 0 and "parameters" in head and "64×64" in head
    macs, params = zoo.price("squeezenet1_1", 7, 1, (64, 64))
    assert [row.split()[0] for row in rows] == ["squeezenet1_1", "squeezenet1_0"]
    assert rows[0].split() == ["squeezenet1_1", f"{params:,}", f"{macs:,}", "squeezenet"]


def test_a_net_that_cannot_take_the_size_has_a_row_that_says_so(edgecls):
    ended = edgecls("models", "alexnet", "--size", 32)
    assert ended.status == 0 and "cannot take images of 32×32" in ended.out.splitlines()[1]


def test_json_is_a_line_a_net(edgecls):
    ended = edgecls("models", "resnet1?", "--size", 64, "--json")
    (row,) = map(json.loads, ended.out.splitlines())
    macs, params = zoo.price("resnet18", 1000, 3, (64, 64))
    assert row["arch"] == "resnet18" and (row["macs"], row["num_params"]) == (macs, params)


def test_mistakes_are_usage_errors(edgecls):
    for arguments in (["resmet18"], ["--size", 4], ["--channels", 2], ["--timm"]):
        assert edgecls("models", *arguments).status == 2
    assert "did you mean 'resnet18'" in edgecls("models", "resmet18").err
