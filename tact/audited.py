"""A verb's line in the audit log."""

import getpass
import time

from service import audit
from service.audit import Entry
from service.settings import Settings
from tact.console import fail


def note(settings: Settings, what: str, shop: str, target: str, change: tuple[str, str], why: str) -> None:
    """Writes what was done. change: the hash or id before ("" for none), and after. Ends where it cannot be written."""
    now_ms = time.time_ns() // 1_000_000
    try:
        audit.append(settings.home, Entry(now_ms, getpass.getuser(), what, shop, target, *change, why))
    except OSError as error:
        fail(f"{what} of {target} {change[1]} is done, but the audit log could not be written: {error}")
