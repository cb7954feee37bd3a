"""Another Python of this installation sees none of its user's settings, but edgecls' neighbours."""

from __future__ import annotations

import site
import subprocess
import sys
from pathlib import Path

import pytest

from edgecls import isolated


def test_it_is_isolated_where_edgecls_is_no_users_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: "/home/me/.local/lib/python3")
    assert isolated.flags() == ["-I"]


def test_where_it_is_one_its_neighbours_are_found(monkeypatch: pytest.MonkeyPatch):
    users = str(Path(isolated.__file__).parents[1])
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: users)
    assert isolated.flags() == ["-E", "-P"]
    code = "import sys; print(sys.flags.no_user_site, sys.flags.safe_path, sys.path[0] == '')"
    command = [sys.executable, *isolated.flags(), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "False"]
