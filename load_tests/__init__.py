"""Load tests: sent from their own process, timed from when a request was due, beside a floor of the same run."""
