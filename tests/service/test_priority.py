"""A part in a session of its own gives way, with its session where the kernel groups by it."""

import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
import os, pathlib
from service.priority import give_way
give_way(5)
group = pathlib.Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "")
"""


@pytest.mark.parametrize("own_session", [True, False])
def test_a_part_gives_way_and_its_session_with_it_if_it_is_its_own(own_session: bool) -> None:
    before = int(subprocess.check_output([sys.executable, "-c", "import os; print(os.nice(0))"]))
    group = Path("/proc/self/autogroup")
    ours = group.read_text().split()[-1] if group.exists() else ""
    said = subprocess.check_output([sys.executable, "-c", SAY], start_new_session=own_session, text=True).split()
    assert int(said[0]) == min(before + 5, 19)
    if group.exists() and ours:
        assert said[1] == ("5" if own_session else ours)
