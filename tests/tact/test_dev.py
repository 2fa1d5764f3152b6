"""`./dev` on a machine that lacks something says what, and passes on what it is given."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORD = '#!/bin/sh\necho "python $*" >>"$CALLS"\ncase "$*" in *fail*) exit 9;; esac\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with `dev`, a lock, and a .venv that fits the lock but only records its calls."""
    shutil.copy(ROOT / "dev", tmp_path)
    (tmp_path / "requirements.lock").write_text("numpy==2\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "lint-imports"):
        program(tmp_path / ".venv" / "bin" / name, RECORD)
    stamp = subprocess.run(["cksum", "requirements.lock"], cwd=tmp_path, capture_output=True, text=True, check=True)
    (tmp_path / ".venv" / ".requirements").write_text(stamp.stdout)
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def dev(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = f"{checkout / 'programs'}:{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "CALLS": str(checkout / "calls")}
    return subprocess.run(
        [checkout / "dev", *arguments], env=environ, cwd="/", capture_output=True, text=True, timeout=120
    )


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


def test_a_verb_and_its_arguments_go_to_tact_as_they_are(checkout: Path) -> None:
    assert dev(checkout, "import", "a file.csv", "--map", "x=y").returncode == 0
    assert calls(checkout) == ["python -m tact import a file.csv --map x=y"]


def test_test_runs_every_check_and_says_so(checkout: Path) -> None:
    done = dev(checkout, "test", "-k", "tail")
    assert calls(checkout) == [
        "python -m ruff check",
        "python -m ruff format --check",
        "python -m mypy",
        "python --no-logo",
        "python -m pytest -n 2 --dist loadfile -k tail",
    ]
    assert "+ .venv/bin/python -m mypy" in done.stdout


def test_the_first_failing_check_ends_the_run_with_its_code(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "python", RECORD.replace("*fail*", "*format*"))
    assert dev(checkout, "test").returncode == 9
    assert calls(checkout) == ["python -m ruff check", "python -m ruff format --check"]


def test_failing_tests_fail_the_run(checkout: Path) -> None:
    assert dev(checkout, "test", "-k", "fail").returncode == 9


def test_too_old_a_python_is_refused_by_version(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("numpy==3\n")
    program(checkout / "programs" / "python3", '#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    done = dev(checkout, "serve")
    assert done.returncode == 1
    assert "Python 3.9.2 is too old: 3.11 or newer is needed" in done.stderr


def test_a_python_without_venv_is_answered_with_what_to_install(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("numpy==3\n")
    program(checkout / "programs" / "python3", '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n')
    done = dev(checkout, "serve")
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert (checkout / ".venv").exists()


def test_a_changed_lock_is_installed_with_hashes_before_anything_runs(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("numpy==3\n")
    make = f"mkdir -p .venv/bin; cat >.venv/bin/python <<'E'\n{RECORD}E\nchmod +x .venv/bin/python\n"
    program(checkout / "programs" / "python3", f'#!/bin/sh\ncase "$*" in "-m venv .venv") {make};; esac\n')
    assert dev(checkout, "serve").returncode == 0
    assert dev(checkout, "serve").returncode == 0
    install, *later = calls(checkout)
    assert install.startswith("python -m pip install")
    assert "--require-hashes" in install
    assert install.endswith("-r requirements.lock")
    assert later == ["python -m tact serve"] * 2
