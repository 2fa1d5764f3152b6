"""Numbers to a decision. Pure but for registry.py."""
