"""Every way an import can be refused before or while it reads; the text says what to do.

* ImportRefused
  * Unreadable    no file, no log, or broken in the middle: what was found
  * Unclear       a log, but not what is what in it: what to add to the command
"""


class ImportRefused(Exception):
    """A file that cannot be imported. hint: what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Unreadable(ImportRefused):
    """The file is missing, empty, damaged, or no log at all."""


class Unclear(ImportRefused):
    """The file can be read, but its columns, times or event names cannot be told."""
