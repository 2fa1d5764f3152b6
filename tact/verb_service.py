"""`tact service`: one process of the HTTP service."""

import socket
from typing import Annotated

import typer
import uvicorn

from service.one_write import OneWrite
from service.settings import Settings
from tact.console import part_settings

GRACE_S = 5
"""Seconds that requests under way get at a stop; open prompt streams are cut then."""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("service")
    def service(
        fd: Annotated[int | None, typer.Option(help="Serve on this inherited socket.")] = None,
    ) -> None:
        """Run only the HTTP service, one process."""
        settings = part_settings()
        server = uvicorn.Server(config(settings))
        server.run(sockets=None if fd is None else [socket.socket(fileno=fd)])


def config(settings: Settings) -> uvicorn.Config:
    """uvicorn as the service needs it; the application reads the same environment."""
    return uvicorn.Config(
        "service.app:app_from_env",
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=OneWrite,
        ws="none",
        lifespan="on",
        proxy_headers=False,  # nothing here asks who is behind a proxy: Host and Origin come through it as they are
        access_log=False,  # metrics count requests; a line for each would cost more than a decision
        server_header=False,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )
