"""CEL without its command line, whose terminal toolkit no decision needs: 17 MB and .13 s of every process's start."""

import sys
from types import ModuleType

_CLI = "cel.cli"

if "cel" in sys.modules:
    import cel
else:
    sys.modules[_CLI] = ModuleType(_CLI)  # for as long as the package imports itself
    try:
        import cel
    finally:
        del sys.modules[_CLI]
    cel.__dict__.pop("cli", None)  # whoever wants it imports it

__all__ = ["cel"]
