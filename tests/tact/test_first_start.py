"""The first start makes what is missing and never touches what is there."""

from pathlib import Path

import pytest

from service.keys import Keys
from service.settings import Settings
from tact import first_start


def test_the_first_start_makes_a_shop_whose_keys_open_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=9000)
    made = first_start.ensure_keys(settings)
    assert made is not None
    loaded = Keys.load(settings.keys_file)
    publishable, secret = loaded.check(made.publishable), loaded.check(made.secret)
    assert publishable is not None
    assert secret is not None
    assert (publishable.shop, publishable.kind, secret.kind) == ("default", "publishable", "secret")
    assert publishable.allows("http://127.0.0.1:9000")
    assert not publishable.allows("https://shop.example")


def test_the_next_start_makes_no_keys(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first_start.ensure_keys(settings)
    before = settings.keys_file.read_bytes()
    assert first_start.ensure_keys(settings) is None
    assert settings.keys_file.read_bytes() == before


def test_the_starter_policy_is_copied_once_and_then_the_shops_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    copied = first_start.ensure_policy(settings)
    assert copied == tmp_path / "policies" / "default.yaml"
    assert copied.read_bytes() == first_start.starter_policy().read_bytes()
    copied.write_text("edited")
    assert first_start.ensure_policy(settings) is None
    assert copied.read_text() == "edited"


@pytest.mark.parametrize("name", ["fashion.toml", "fashion.yml"])
def test_a_folder_with_a_policy_gets_no_other(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path)
    settings.policies.mkdir()
    (settings.policies / name).touch()
    assert first_start.ensure_policy(settings) is None
    assert [path.name for path in settings.policies.iterdir()] == [name]


def test_without_a_starter_policy_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "__file__", str(tmp_path / "tact" / "first_start.py"))
    with pytest.raises(first_start.NoStarterPolicy, match="no starter policy in"):
        first_start.starter_policy()
