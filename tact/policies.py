"""The policy that a verb is about: the shop's own, or a file's; told plainly where there is none."""

from pathlib import Path

import typer
from rich.markup import escape

from models.policy import PolicyError, load_policy
from models.policy_terms import Policy
from service import policy_files
from service.settings import Settings
from tact.console import errors, fail


def policy_of_file(path: Path) -> Policy:
    """The policy in a file; ends with every problem in it."""
    try:
        return load_policy(policy_files.read(path), str(path))
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except PolicyError as bad:
        for problem in bad.problems:
            errors.print(f"[bold red]error[/] {escape(str(problem))}", soft_wrap=True)
        raise typer.Exit(2) from bad


def live_file(settings: Settings, shop: str) -> Path | None:
    """The file of a shop's live policy, None if it has none."""
    files = policy_files.find(settings.policies).get(shop, ()) if settings.policies.is_dir() else ()
    return files[0] if files else None


def policy_of(settings: Settings, shop: str, path: Path | None = None) -> Policy:
    """The policy of a file or, without one, the shop's live policy."""
    found = path if path is not None else live_file(settings, shop)
    if found is None:
        fail(f"shop {shop!r} has no policy in {settings.policies}", "Name its file with --policy.", code=2)
    policy = policy_of_file(found)
    if policy.shop != shop:
        fail(f"{found} is the policy of shop {policy.shop!r}, not of {shop!r}", code=2)
    return policy
