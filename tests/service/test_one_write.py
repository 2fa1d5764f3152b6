"""An answer's head and body leave in one write; what stands alone is not held up."""

from collections.abc import Callable

from service.one_write import Gathered


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def gathered() -> tuple[Wire, Gathered, list[Callable[[], None]]]:
    """A wire, the transport before it, and what is to be called at the end of the turn."""
    wire, later = Wire(), []
    return wire, Gathered(wire, later.append), later  # type: ignore[arg-type]


def test_what_is_written_in_one_turn_is_one_write() -> None:
    wire, transport, later = gathered()
    transport.write(b"head ")
    transport.write(b"body")
    assert wire.written == []
    (end_of_turn,) = later
    end_of_turn()
    assert wire.written == [b"head body"]


def test_the_next_turn_writes_again() -> None:
    wire, transport, later = gathered()
    for piece in (b"a", b"b"):
        transport.write(piece)
        later.pop()()
    assert wire.written == [b"a", b"b"]


def test_what_was_written_leaves_before_the_end() -> None:
    wire, transport, later = gathered()
    transport.write(b"last")
    transport.close()
    assert (wire.written, wire.closed) == ([b"last"], True)
    later.pop()()
    assert wire.written == [b"last"]


def test_everything_else_is_the_transports() -> None:
    wire, transport, _ = gathered()
    assert not transport.is_closing()
    wire.close()
    assert transport.is_closing()
