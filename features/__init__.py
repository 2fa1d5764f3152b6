"""What happened, and the numbers read from it. Pure but for lakefile.py and lake_catalog.py: numpy, numba, stdlib."""

from features import compiled_cache

compiled_cache.install()
