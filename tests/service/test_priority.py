"""A part in a session of its own gives way, with its session where the kernel groups by it."""

import os
import subprocess
import sys

import pytest

from service import priority

SAY = """
import os, pathlib
from service.priority import give_way
{act}
group = pathlib.Path("/proc/self/autogroup")
print(os.nice(0), *(group.read_text().split()[-1:] if os.access(group, os.W_OK) else []))
"""


BY_HAND = """
import contextlib, time
for _ in range(20):
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/autogroup").write_text("5")
        break
    time.sleep(0.11)
"""


def said(act: str, own_session: bool) -> list[int]:
    """Its nice, and its session's where the kernel names one (not of the first session) and lets it be changed."""
    told = subprocess.check_output([sys.executable, "-c", SAY.format(act=act)], start_new_session=own_session)
    return [int(value) for value in told.split()]


@pytest.mark.parametrize("own_session", [True, False])
def test_a_part_gives_way_and_its_session_with_it_if_it_is_its_own(own_session: bool) -> None:
    if own_session and said(BY_HAND, own_session)[1:] != [5]:
        pytest.skip("this kernel takes no nice for a session")
    before = said("", own_session)
    after = said("give_way(5)", own_session)
    assert after[0] == min(before[0] + 5, 19)
    assert after[1:] == ([5] if own_session else before[1:])[: len(before) - 1]


def test_a_change_the_kernel_puts_off_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = iter([BlockingIOError(), BlockingIOError()])

    class PutOff:
        def __init__(self) -> None:
            self.taken: list[str] = []

        def write_text(self, nice: str) -> None:
            if (refusal := next(refusals, None)) is not None:
                raise refusal
            self.taken.append(nice)

    group = PutOff()
    monkeypatch.setattr(priority, "_AUTOGROUP", group)
    monkeypatch.setattr(priority, "_PAUSE_S", 0.0)
    monkeypatch.setattr(os, "nice", lambda _nice: 0)
    monkeypatch.setattr(os, "getsid", lambda _pid: os.getpid())
    priority.give_way(7)
    assert group.taken == ["7"]
