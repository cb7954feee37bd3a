"""A bundle for a newer CPU says so where its int8 would overflow."""

from __future__ import annotations

import pytest

from edgecls.device import overflow

FULL = {"activation": "uint8", "reduce_range": False}
HASWELL = "processor : 0\nflags\t\t: fpu avx2 fma\n"
ICELAKE = "processor : 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n"
ALDERLAKE = "flags\t\t: fpu avx2 avx_vnni\n"
JETSON = "processor : 0\nFeatures\t: fp asimd asimddp\n"


@pytest.mark.parametrize(
    ("scheme", "cpuinfo", "warned"),
    [
        (FULL, HASWELL, True),
        ({**FULL, "activation": "int8"}, HASWELL, True),
        ({**FULL, "reduce_range": True}, HASWELL, False),
        (None, HASWELL, False),
        (FULL, ICELAKE, False),
        (FULL, ALDERLAKE, False),
        (FULL, JETSON, False),
        (FULL, "", False),
    ],
)
def test_only_full_range_on_x86_without_vnni_is_warned_of(tmp_path, scheme, cpuinfo, warned):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    found = overflow.warning(scheme, str(path))
    assert bool(found) is warned
    assert not warned or "--for x86-avx2" in found


def test_where_there_is_no_proc_nothing_is_said(tmp_path):
    assert overflow.warning(FULL, str(tmp_path / "none")) == ""
