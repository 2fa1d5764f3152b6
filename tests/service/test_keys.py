"""API keys: stored hashed in a private file, checked by digest, shown once."""

import json
import re
from pathlib import Path

import pytest

from service import keys
from service.keys import Access, AmbiguousKey, InvalidKeys, Keys, UnknownKey


def test_a_new_key_opens_its_shop_and_no_other_token_does(tmp_path: Path) -> None:
    token = keys.create(tmp_path / "keys.json", "fashion", "secret")
    loaded = Keys.load(tmp_path / "keys.json")
    assert loaded.check(token) == Access("fashion", "secret", ())
    same_start = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert [loaded.check(other) for other in (same_start, token + "x", token[:7], "", "sk_")] == [None] * 5


def test_a_key_is_its_kind_and_32_url_safe_characters(tmp_path: Path) -> None:
    assert re.fullmatch(r"pk_[\w-]{32}", keys.create(tmp_path / "k.json", "s", "publishable", ("*",)))
    assert re.fullmatch(r"sk_[\w-]{32}", keys.create(tmp_path / "k.json", "s", "secret"))


def test_the_file_is_private_and_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = [keys.create(path, "s", "secret"), keys.create(path, "s", "publishable", ("https://shop.example",))]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(token in path.read_text() for token in made)
    stored = json.loads(path.read_text())["shops"]["s"]
    assert stored["publishable"][0]["prefix"] == made[1][:7]
    assert stored["publishable"][0]["origins"] == ["https://shop.example"]


def test_a_publishable_key_is_bound_to_its_origins(tmp_path: Path) -> None:
    token = keys.create(tmp_path / "k.json", "s", "publishable", ("https://Shop.Example", "http://localhost:8000"))
    access = Keys.load(tmp_path / "k.json").check(token)
    assert access is not None
    assert access.allows("https://shop.example")
    assert not access.allows("https://shop.example.evil")
    assert not Access("s", "publishable", ()).allows("https://shop.example")
    assert Access("s", "publishable", ("*",)).allows("https://anywhere.example")


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/", "https://shop.example/path", "ftp://a", ""]
)
def test_what_is_not_an_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(InvalidKeys, match="is not an origin"):
        keys.create(tmp_path / "k.json", "s", "publishable", (origin,))
    assert not (tmp_path / "k.json").exists()


@pytest.mark.parametrize("shop", ["", "../x", "a:b", "a b", "x" * 65])
def test_what_is_not_a_shop_name_is_refused(tmp_path: Path, shop: str) -> None:
    with pytest.raises(InvalidKeys, match="is not a shop name"):
        keys.create(tmp_path / "k.json", shop, "secret")


def test_a_revoked_key_opens_nothing_and_the_others_still_do(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    gone, kept = keys.create(path, "s", "secret"), keys.create(path, "s", "secret")
    assert keys.revoke(path, gone[:7]).shop == "s"
    loaded = Keys.load(path)
    assert loaded.check(gone) is None
    assert loaded.check(kept) is not None
    with pytest.raises(UnknownKey, match="no key starts with"):
        keys.revoke(path, gone)


def test_a_shop_goes_with_its_last_key(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    public, secret = keys.create(path, "shop2", "publishable", ("*",)), keys.create(path, "shop2", "secret")
    kept = keys.create(path, "shop1", "secret")
    keys.revoke(path, secret)
    assert set(Keys.load(path).shops) == {"shop1", "shop2"}
    keys.revoke(path, public)
    loaded = Keys.load(path)
    assert set(loaded.shops) == {"shop1"}
    assert loaded.check(kept) is not None


def test_a_start_that_several_keys_have_revokes_none_and_lists_how_they_start(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    made = [keys.create(path, shop, "publishable", ("*",)) for shop in ("one", "two")]
    before = path.read_bytes()
    with pytest.raises(AmbiguousKey) as caught:
        keys.revoke(path, "pk_")
    assert "'pk_' is ambiguous, 2 keys start so" in str(caught.value)
    assert [token for token in made if token[:7] not in str(caught.value)] == []
    assert path.read_bytes() == before


def test_a_start_that_only_one_key_has_is_enough_but_nothing_at_all_is_not(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    secret = keys.create(path, "s", "secret")
    with pytest.raises(UnknownKey):
        keys.revoke(path, "")
    assert keys.revoke(path, "sk_").prefix == secret[:7]


def test_a_publishable_key_can_be_given_more_origins_and_keeps_those_it_has(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    other = keys.create(path, "s", "publishable", ("https://other.example",))
    token = keys.create(path, "s", "publishable", ("https://a.example",))
    keys.allow(path, token, ("https://b.example", "https://a.example"))
    loaded = Keys.load(path)
    assert loaded.check(token) == Access("s", "publishable", ("https://a.example", "https://b.example"))
    assert loaded.check(other) == Access("s", "publishable", ("https://other.example",))
    with pytest.raises(UnknownKey):
        keys.allow(path, token + "x", ("https://c.example",))


def test_no_file_is_no_keys(tmp_path: Path) -> None:
    assert Keys.load(tmp_path / "none.json").listed() == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"shops": {"s": {"secrets": []}}}',
        '{"shops": {"s": {"secret": [{"hash": "zz", "prefix": "sk_abcd"}]}}}',
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(InvalidKeys, match=r"keys\.json"):
        Keys.load(tmp_path / "keys.json")
