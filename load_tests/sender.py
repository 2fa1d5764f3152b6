"""The other end of the generator's process: start it, hand it jobs, get what it measured.

* LoadFailed   the generator could not send: nobody listens, or the job is wrong
"""

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict
from urllib.parse import urlsplit

import msgspec

from load_tests.generator import TIMEOUT_S, Job, Measured

START_S = 30.0


class LoadFailed(RuntimeError):
    """A job could not be done."""


class Sender:
    """A generator in a process of its own. A context manager."""

    def __init__(self, module: str = "load_tests.generator", environ: Mapping[str, str] | None = None) -> None:
        """module: what does the jobs; environ: what it gets beside this process's environment."""
        self._module, self._environ = module, dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", self._module]
        root = Path(__file__).parents[1]
        environ = (
            os.environ
            | self._environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))}
        )
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(1 if error is None else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def measure(self, job: Job) -> Measured:
        """Does a job. Raises LoadFailed."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise LoadFailed("the generator does not run")
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], job.seconds + 2 * TIMEOUT_S + START_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise LoadFailed("the generator ended" if ready else "the generator does not answer")
        if line.startswith(b'{"failed"'):
            raise LoadFailed(msgspec.json.decode(line)["failed"])
        return msgspec.json.decode(line, type=Measured)


def request(method: str, path: str, url: str, body: bytes, token: str = "") -> bytes:
    """A whole HTTP request."""
    parts = urlsplit(url)
    key = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{key}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Where(TypedDict):
    """A job's first two fields."""

    address: str
    port: int


def where(url: str) -> Where:
    """Where a job's requests go."""
    parts = urlsplit(url)
    return {"address": parts.hostname or "127.0.0.1", "port": parts.port or 80}
