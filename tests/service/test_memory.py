"""What only a start needs is given back, and what comes later still works."""

import subprocess
import sys

import pytest

LATER = """
import numba
import numpy as np
from service.memory import give_back

def resident():
    with open("/proc/self/smaps_rollup") as file:
        return 1024 * int(next(line.split()[1] for line in file if line.startswith("Rss")))

numba.njit(lambda x: x + 1)(1)
before = resident()
let_go = give_back()
print(let_go > 20_000_000, before - resident() > 10_000_000, numba.njit(lambda x: np.sort(x)[0])(np.array([3.0, 2.0])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")
def test_llvm_is_let_go_and_found_again_when_something_is_compiled_later() -> None:
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, timeout=240)
    assert not done.returncode, done.stderr
    assert done.stdout.split() == ["True", "True", "2.0"]
