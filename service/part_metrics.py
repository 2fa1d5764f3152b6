"""The metrics of a part that is no web service, on a port of its own while it works."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """Serves the registry's metrics at host:port; port 0: nowhere. Raises OSError where the port is taken."""
    if not port:
        yield
        return
    server, _ = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
