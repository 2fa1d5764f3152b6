"""A decision's rules need no terminal."""

import subprocess
import sys

CHECK = """
import sys, models.rules
assert "prompt_toolkit" not in sys.modules, "the command line of CEL was loaded"
assert models.rules.cel.evaluate("1 + 1") == 2
import cel.cli
assert hasattr(cel.cli, "main"), "the command line is there for whoever wants it"
"""


def test_rules_do_not_load_a_terminal_toolkit() -> None:
    subprocess.run([sys.executable, "-c", CHECK], check=True)
