"""What the console has done by the verbs themselves: judged, promoted, simulated, tested, rolled back.

A job is a process of its own, `tact VERB …` at a low priority, so that it says, writes and refuses exactly what the
command line does. What may run, and with which options, is in COMMANDS and nowhere else. The audit log's `who` is the
session's: the verbs take it from LOGNAME.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from features.catalog import Product
from features.lake_catalog import read_catalog
from models.policy import PolicyError, load_policy
from service import policy_files
from service.settings import Settings
from tact.policies import live_file
from tact.supervisor import child_environ

Json = dict[str, Any]
MOST_JOBS: Final = 50
MOST_S: Final = 1800.0
LAST_LINES: Final = 30
TESTS: Final = "console-tests"
"""In the home: each shop's persona tests as they were run last."""


class Overtaken(Exception):
    """Another policy is live than the one that a draft was seen beside."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job is about. folder: its own, for files. text: of a policy; tests: of persona tests. base: the version of
    the policy that has to be live still when a promotion's turn comes, "" for none; None for whichever."""

    shop: str
    folder: Path
    text: str = ""
    suffix: str = ".yaml"
    tests: str = ""
    why: str = ""
    bundle: str = ""
    force: bool = False
    since: str = "30d"
    base: str | None = None
    lake: Path = Path()

    @property
    def file(self) -> Path:
        return self.folder / f"{self.shop}{self.suffix}"

    @property
    def figures(self) -> Path:
        return self.folder / "figures.json"


def _promote(want: Wanted) -> list[str]:
    forced = ["--force"] if want.force else []
    return [*_judge(want)[:-1], f"--why={want.why}", *forced]


def _judge(want: Wanted) -> list[str]:
    figures = ["--json", str(want.figures)]
    return ["promote", "--policy", str(want.file), "--shop", want.shop, "--since", want.since, *figures, "--dry-run"]


def _simulate(want: Wanted) -> list[str]:
    figures = ["--json", str(want.figures)]
    return [
        "simulate",
        "--policy",
        str(want.file),
        "--shop",
        want.shop,
        "--since",
        want.since,
        "--max",
        "5000",
        *figures,
    ]


def _test(want: Wanted) -> list[str]:
    (want.folder / "tests.yaml").write_text(want.tests, encoding="utf-8")
    lines = [msgspec.json.encode(_line(product)) for product in read_catalog(want.lake, want.shop)]
    (want.folder / "catalog.ndjson").write_bytes(b"\n".join(lines))
    kept = want.folder.parents[1] / TESTS
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    (kept / f"{want.shop}.yaml").write_text(want.tests, encoding="utf-8")
    return ["test-policy", str(want.file), str(want.folder / "tests.yaml"), "--json"]


def _line(product: Product) -> Json:
    """A product as PUT /v1/catalog/items takes it."""
    told: Json = msgspec.to_builtins(product)
    told["added"] = told.pop("added_ms") or None
    told["stock"] = None if product.stock < 0 else product.stock
    return {name: value for name, value in told.items() if value is not None and value == value and value != ""}


def _publish(want: Wanted) -> list[str]:
    forced = ["--force"] if want.force else []
    return ["publish", want.bundle, "--shop", want.shop, f"--why={want.why}", "--json", str(want.figures), *forced]


COMMANDS: Final[Mapping[str, Callable[[Wanted], list[str]]]] = {
    "drift": lambda want: ["drift", "--shop", want.shop, "--json"],
    "judge": _judge,
    "promote": _promote,
    "simulate": _simulate,
    "test": _test,
    "publish": _publish,
    "rollback_policy": lambda want: ["rollback", "--policy", "--shop", want.shop, f"--why={want.why}"],
    "rollback_bundle": lambda want: ["rollback", "--shop", want.shop, f"--why={want.why}"],
}


@dataclass(slots=True)
class Job:
    """One process. exit: None while it runs. told: what it wrote as JSON, if it did."""

    what: str
    shop: str
    began_s: float
    exit: int | None = None
    said: str = ""
    told: Any = None
    took_s: float = 0.0


@dataclass
class Jobs:
    """Jobs of one install, one after another."""

    settings: Settings
    _jobs: dict[str, Job] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "job"))

    def start(self, what: str, who: str, shop: str, given: Mapping[str, Any]) -> Json:
        """{job} to ask for. given: fields of Wanted. Raises TypeError for what is no field."""
        command = COMMANDS.get(what)
        if command is None:
            return {"state": "unknown", "detail": f"there is no job {what[:40]!r}, there are {', '.join(COMMANDS)}"}
        name = secrets.token_hex(8)
        want = Wanted(shop, self.settings.home / "console-jobs" / name, lake=self.settings.lake, **given)
        with self._lock:
            self._jobs[name] = Job(what, shop, time.monotonic())
            while len(self._jobs) > MOST_JOBS:
                self._jobs.pop(next(iter(self._jobs)))
        self._pool.submit(self._run, name, who, want, command)
        return {"state": "done", "answer": {"job": name}}

    def told(self, name: str, shop: str) -> Json:
        """{what, running, exit, said, told, elapsed_s} of the shop's job; {state: unknown} for any other."""
        job = self._jobs.get(name)
        if job is None or job.shop != shop:
            return {"state": "unknown", "detail": "there is no such job any more"}
        elapsed_s = time.monotonic() - job.began_s if job.exit is None else job.took_s
        about = {"what": job.what, "running": job.exit is None, "exit": job.exit, "said": job.said, "told": job.told}
        return {"state": "done", "answer": about | {"elapsed_s": elapsed_s}}

    def close(self) -> None:
        """Starts nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, name: str, who: str, want: Wanted, command: Callable[[Wanted], list[str]]) -> None:
        job = self._jobs[name]
        try:
            if want.base is not None and (live := self._version(want.shop)) != want.base:
                raise Overtaken(f"another policy went live meanwhile: {live or 'none'}, not {want.base or 'none'}")
            want.folder.mkdir(mode=0o700, parents=True)
            if want.text:
                want.file.write_text(want.text, encoding="utf-8")
            environ = child_environ(self.settings) | {"LOGNAME": who, "COLUMNS": "160", "NO_COLOR": "1"}
            argv = (sys.executable, "-m", "tact", *command(want))
            done = subprocess.run(argv, env=environ, capture_output=True, timeout=MOST_S, check=False, cwd=os.getcwd())
            err, out = (_plain(data, want.folder, self.settings.home) for data in (done.stderr, done.stdout))
            job.said = "\n".join(_text(err, out).splitlines()[-LAST_LINES:])
            job.told = _read(want.figures) if want.figures.exists() else _json(out)
            job.took_s, job.exit = time.monotonic() - job.began_s, done.returncode
        except (OSError, subprocess.TimeoutExpired, Overtaken) as error:
            said = str(error) if isinstance(error, Overtaken) else f"{type(error).__name__}: {error}"
            job.said, job.took_s, job.exit = said, time.monotonic() - job.began_s, 1
        finally:
            _remove(want.folder)

    def _version(self, shop: str) -> str:
        """Of the policy that is live now, "" where there is none that can be served."""
        path = live_file(self.settings, shop)
        try:
            return load_policy(policy_files.read(path), str(path)).version if path is not None else ""
        except (PolicyError, OSError):
            return ""


def _plain(said: bytes, folder: Path, home: Path) -> bytes:
    """What a verb said, without where the server keeps things: its own files by name, others from the home on."""
    for root in (folder, folder.resolve(), home, home.resolve()):
        said = said.replace(f"{root}/".encode(), b"")
    return said


def _text(*parts: bytes) -> str:
    return "\n".join(part.decode(errors="replace").strip() for part in parts if part.strip())


def _read(path: Path) -> Any:
    return _json(path.read_bytes())


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _remove(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
