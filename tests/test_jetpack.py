"""The table of JetPack, and what it warns of."""

from __future__ import annotations

import pytest

from edgecls import jetpack
from edgecls.jetpack import ORIN, RELEASES, THOR


def test_every_release_is_whole_and_in_its_order():
    numbers = [tuple(map(int, release.release.split("."))) for release in RELEASES]
    assert numbers == sorted(set(numbers)) and numbers[0] == (6, 1)
    for release in RELEASES:
        assert release.boards and set(release.boards) <= set(jetpack.BOARDS)
        assert release.l4t or "l4t" in release.unconfirmed
        assert set(release.unconfirmed) <= set(vars(release))
        assert int(release.tensorrt.split(".")[0]) >= 10


@pytest.mark.parametrize(
    ("l4t", "release"),
    [("36.4", "6.1"), ("36.4.0", "6.1"), ("36.4.3", "6.2"), ("39.2", "7.2"), ("38.4.0", "7.1")],
)
def test_a_jetson_linux_belongs_to_one_release(l4t, release):
    found = jetpack.of_l4t(l4t)
    assert found is not None and found.release == release
    assert jetpack.of_l4t("35.4.1") is None


def test_a_machines_jetson_linux_is_read(tmp_path):
    file = tmp_path / "nv_tegra_release"
    assert jetpack.l4t_here(file) == ""
    file.write_text(
        "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64,"
        " DATE: Thu Sep 18 22:54:44 UTC 2025\n# KERNEL_VARIANT: oot\n"
    )
    assert jetpack.l4t_here(file) == "36.4.7"
    file.write_text("nothing of the kind")
    assert jetpack.l4t_here(file) == ""


def test_the_dla_is_where_nvidia_says_it_is():
    having = {release.release for release in RELEASES if jetpack.has_dla(release)}
    assert {"6.1", "6.2", "7.2.2"} <= having
    assert not having & {"7.0", "7.1", "7.2", "7.2.1"}


@pytest.mark.parametrize("board", [ORIN, THOR])
def test_a_board_is_warned_of_what_matters_there(board):
    found = "\n".join(jetpack.warnings(board, 19))
    assert "--system-site-packages" in found and "--prepare" in found and "DLA" in found
    assert ("Python 3.10" in found and "numpy 2.2" in found) is (board == ORIN)
    assert "opset" not in found


def test_a_graph_that_is_too_new_for_a_parser_is_told():
    assert any(
        "opset 23, which the parsers of JetPack 6.1" in w for w in jetpack.warnings(ORIN, 23)
    )
    assert jetpack.newest_opset("10.3") == 20 and jetpack.newest_opset("11.4.1") == 24


def test_what_is_no_jetson_has_no_warnings():
    assert jetpack.warnings("x86-avx2", 19) == [] and jetpack.of_board("arm64") == ()
