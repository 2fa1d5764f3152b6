"""The limit on wrong keys: whom it stops, whom it must not, and that it forgets."""

import pytest

from service.errors import Problem
from service.wrong_keys import LINK, MOST_ALL, MOST_CLIENTS, MOST_EACH, WINDOW_S, WrongKeys, client_of

NOW_S = 1_000_000.0


def tried(keys: WrongKeys, client: str, claim: str, times: int, now_s: float = NOW_S) -> None:
    for _ in range(times):
        keys.check(client, claim, now_s)
        keys.wrong(client, claim, now_s)


def refused(keys: WrongKeys, client: str, claim: str, now_s: float = NOW_S) -> int:
    """Seconds to wait; 0 where the key would be looked at."""
    try:
        keys.check(client, claim, now_s)
    except Problem as problem:
        return problem.retry_after_s
    return 0


def test_a_client_has_ten_wrong_keys_and_then_waits_for_the_first_to_be_forgotten():
    keys = WrongKeys()
    tried(keys, "a", "", 1)
    tried(keys, "a", "", MOST_EACH - 1, NOW_S + 60)
    with pytest.raises(Problem, match=r"too_many_logins.*try again in 240 s"):
        keys.check("a", "", NOW_S + 60)
    assert refused(keys, "a", "", NOW_S + 60) == WINDOW_S - 60
    assert refused(keys, "a", "", NOW_S + WINDOW_S - 0.5) == 1
    assert refused(keys, "a", "", NOW_S + WINDOW_S) == 0
    assert refused(keys, "b", "") == 0


def test_who_has_a_key_is_not_kept_out_by_those_at_the_same_address_who_have_none():
    keys = WrongKeys()
    tried(keys, "proxy", "", MOST_EACH)
    assert refused(keys, "proxy", "")
    assert refused(keys, "proxy", "sk_abcd") == 0


def test_a_key_s_known_beginning_is_counted_by_address():
    keys = WrongKeys()
    tried(keys, "stranger", "sk_abcd", MOST_EACH)
    assert refused(keys, "stranger", "sk_abcd")
    assert refused(keys, "operator", "sk_abcd") == 0
    assert refused(keys, "stranger", "sk_efgh") == 0


def test_many_addresses_together_have_a_limit_that_no_key_meets():
    keys = WrongKeys()
    for n in range(MOST_ALL):
        tried(keys, f"10.0.{n // 250}.{n % 250}", "", 1)
    assert refused(keys, "another", "") == WINDOW_S
    assert (refused(keys, "another", "sk_abcd"), refused(keys, "another", LINK)) == (0, 0)


def test_what_is_kept_has_an_end():
    keys = WrongKeys()
    for n in range(MOST_CLIENTS + 50):
        keys.wrong(f"c{n}", "sk_abcd", NOW_S)
    assert len(keys._tries) == MOST_CLIENTS
    tried(keys, "c1", "sk_abcd", MOST_EACH)
    assert refused(keys, "c1", "sk_abcd")


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
        ("fe80::1%eth0", "fe80::/64"),
        ("x" * 100, "x" * 64),
    ],
)
def test_an_address_stands_for_a_household(host: str, client: str):
    assert client_of(host) == client
