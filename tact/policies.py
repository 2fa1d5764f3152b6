"""The policy that a verb is about: the shop's own, or a file's; told plainly where there is none."""

from collections.abc import Iterable
from pathlib import Path

import typer
from rich.markup import escape

from models.policy import PolicyError, load_policy
from models.policy_terms import Policy
from service import keys, policy_files
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


def known_shop(settings: Settings, shop: str, others: Iterable[str] = ()) -> str:
    """The named shop, or the only one that has a policy or keys; ends with code 2 and those there are.

    others: shops that are known for another reason.
    """
    policies = policy_files.find(settings.policies) if settings.policies.is_dir() else {}
    known = sorted({*policies, *keys.Keys.load(settings.keys_file).shops})
    if shop and shop not in {*known, *others}:
        fail(f"{settings.home} holds no shop {shop!r}; it has {', '.join(known) or 'none yet'}", code=2)
    if not shop and len(known) != 1:
        fail(f"name the shop with --shop: {', '.join(known) or 'none has a policy yet'}", code=2)
    return shop or known[0]


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
