"""Logs of other shops and tools as rows of the lake: presets, a general mapping, CSV, NDJSON, Parquet.

reader = read("events.csv.gz", now_ms=now)
reader.plan                      what was understood
for table in reader.batches():   tables of schema features.lakefile.EVENTS
reader.counts                    rows read, given, rejected by reason
"""

from training.importers.errors import ImportRefused, Unclear, Unreadable
from training.importers.load import Loaded, load
from training.importers.plan import Plan, Wishes
from training.importers.presets import PRESETS
from training.importers.reader import Counts, Reader, RejectsFile, read

__all__ = [
    "PRESETS",
    "Counts",
    "ImportRefused",
    "Loaded",
    "Plan",
    "Reader",
    "RejectsFile",
    "Unclear",
    "Unreadable",
    "Wishes",
    "load",
    "read",
]
