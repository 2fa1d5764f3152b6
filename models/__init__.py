"""Numbers to a decision. Pure but for registry.py."""

import features  # noqa: F401  what is compiled here takes its turn, see features/compiled_cache.py
