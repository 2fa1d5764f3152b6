"""What happened, and the numbers read from it. Pure but for lakefile.py: numpy, numba and the standard library."""
