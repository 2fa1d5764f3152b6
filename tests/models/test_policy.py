"""Policy files: what is accepted, and that every mistake is told with its line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from features.catalog import Product
from models.policy import PolicyError, empty_policy, load_policy
from models.policy_file import Node, parse
from models.policy_schema import json_schema, json_schema_text
from models.policy_terms import CATALOG_FACTS
from tests.models.deciding import action, shop, text_of

ROOT = Path(__file__).parents[2]
EXAMPLES = [ROOT / "examples" / "shop" / "policy.yaml", ROOT / "examples" / "starter" / "policy.yaml"]


def problems(text: str, name: str = "p.yaml") -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_policy(text, name)
    return [str(problem) for problem in caught.value.problems]


def only(*actions: dict, **fields: object) -> str:
    """The one problem of a shop with these actions."""
    (problem,) = problems(text_of(*actions, **fields))
    return problem


def test_all_problems_are_told_together_in_the_order_of_the_file():
    text = """\
shop: demo
locals: [en]
locales: [en, nl]
placements:
  - {id: top, kinds: [badge]}
actions:
  - id: x
    kind: bagde
    placements: [tpo]
    content: {en: {text: hi}, fr: {text: salut}}
    value: .nan
    when: sesion.views > 2
    claims: [{text: sure}]
  - id: x
    kind: badge
    placements: [top]
    content: {en: {text: hi}, nl: {text: hoi, url: "javascript:alert(1)"}}
    value: -1
holdout: .inf
"""
    told = problems(text)
    assert [line.split(":")[1] for line in told] == [
        "2",
        "8",
        "9",
        "10",
        "10",
        "11",
        "12",
        "13",
        "14",
        "17",
        "18",
        "19",
    ]
    assert "did you mean 'locales'" in told[0]
    assert "did you mean 'badge'" in told[1]
    assert "did you mean 'top'" in told[2]
    assert "no content for locale 'nl'" in told[3]
    assert "'evidence' is missing" in told[7]
    assert "first at line 7" in told[8]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"value": "ten"}, "expected a number"),
        ({"value": True}, "expected a number"),
        ({"value": -1}, "is not from 0"),
        ({"caps": {"per_session": 0}}, "is not from 1"),
        ({"caps": {"per_session": 1.5}}, "whole number"),
        ({"caps": {"per_week": 1}}, "unknown field 'per_week'"),
        ({"stages": ["hesitating"]}, "did you mean 'hesitation'"),
        ({"stages": []}, "at least 1"),
        ({"placements": ["top", "top"]}, "stands twice"),
        ({"kind": "chat"}, "does not take kind 'chat'"),
        ({"content": {"en": {"text": "hi"}}}, "no content for locale 'nl'"),
        ({"content": {"en": {"text": "a", "title": " "}, "nl": {"text": "a"}}}, "the text is empty"),
        ({"content": {"en": {"cta": "a", "url": "/x"}, "nl": {"text": "a"}}}, "a title or a text is missing"),
        ({"content": {"en": {"text": "a", "cta": "go"}, "nl": {"text": "a"}}}, "leads nowhere"),
        ({"content": {"en": {"text": "a", "url": "//evil"}, "nl": {"text": "a"}}}, "is not an address"),
        ({"content": {"en": {"text": "a", "note": 5}, "nl": {"text": "a"}}}, "put it in quotes"),
        ({"schedule": {"from": "2026-02-30"}}, "is not a date"),
        ({"schedule": {"from": "2026-03-01", "to": "2026-02-01"}}, "'to' is not after 'from'"),
        ({"schedule": {"hours": "9-17"}}, "is not hours"),
        ({"schedule": {"hours": "09:00-25:00"}}, "is not hours"),
        ({"schedule": {"weekdays": ["monday"]}}, "did you mean 'mon'"),
        ({"schedule": {"timezone": "Europe/Atlantis"}}, "unknown time zone"),
        ({"claims": [{"text": "best", "evidence": ""}]}, "the text is empty"),
        ({"claims": [{"text": "best", "evidence": "catalog:stok"}]}, "did you mean 'stock'"),
        ({"claims": [{"text": "best", "evidence": "x", "expires": "soon"}]}, "is not a date"),
        ({"recommend": {"count": 4}}, "only an action of kind 'recommend'"),
        ({"recommend": {"source": "simlar"}}, "did you mean 'similar'"),
        ({"recommend": {"source": ["next", "next"]}}, "stands twice"),
        ({"recommend": {"source": []}}, "at least 1"),
        ({"recommend": {"exclude": ["seen"]}}, "unknown 'seen'"),
        ({"recommend": {"returns": "no"}}, "expected true or false"),
        ({"recommend": {"max_per_category": 0}}, "is not from 1"),
        ({"recommend": {"levers": {"margin": 0.6}}}, "0.6 is not from 0 to 0.5"),
        ({"recommend": {"levers": {"profit": 0.1}}}, "unknown field 'profit'"),
        ({"recommend": {"price_band": {"from": 1.5}}}, "1.5 is not from 0 to 1"),
        ({"recommend": {"source": "popular", "returns": True}}, "does nothing without the source similar or next"),
        ({"recommend": {"source": "new", "levers": {"margin": 0.1}}}, "'levers' does nothing without the source"),
        ({"kind": "bar", "fallback": True}, "a fallback action is of kind"),
        ({"when": "session.views > 1", "fallback": True}, "cannot have 'when'"),
        ({"consent": "marketing", "fallback": True}, "cannot have 'consent'"),
        ({"consent": "everything"}, "did you mean"),
        ({"prior": {"mean": 2}}, "is not from 0 to 1"),
        ({"prior": {"mean": {"awarenes": 0.1}}}, "did you mean 'awareness'"),
        ({"prior": {}}, "'mean' is missing"),
        ({"reason": {"en": "because", "fr": "car"}}, "locale 'fr' is not one of the shop's"),
        ({"id": "Two Words"}, "is not an id"),
        ({"when": "[1].all(x, true)"}, "may not loop"),
        ({"when": 3}, "expected a rule"),
        ({"when": "a" * 501}, "at most 500"),
    ],
)
def test_a_mistake_in_an_action_is_refused(fields, told):
    kind = {"kind": "recommend"} if "recommend" in fields and "only" not in told else {}
    message = only(action("x", **kind, **fields))
    assert told in message if told != "did you mean" else "unknown 'everything'" in message


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"holdout": 0.9}, "is not from 0 to 0.5"),
        ({"exploration_floor": 1}, "is not from 0 to 0.1"),
        ({"currency": "euro"}, "at most 3"),
        ({"custom_events": ["purchase"]}, "known event already"),
        ({"session_budget": {"per_30_days": 3}}, "unknown field"),
        ({"consent_assumed": []}, "unknown field"),
        ({"attribution": {"window": "2d"}}, "'2d'"),
    ],
)
def test_a_mistake_at_the_top_is_refused(fields, told):
    assert told in only(action("x"), **fields)


def test_what_is_too_large_for_a_placement_is_refused():
    text = text_of(action("x")).replace(
        "{id: top, kinds: [badge,", "{id: top, max_chars: 3, max_items: 2, kinds: [badge,"
    )
    assert all("characters do not fit 'top'" in problem for problem in problems(text))
    recommend = action(
        "r", kind="recommend", recommend={"count": 5}, content={"en": {"title": "a"}, "nl": {"title": "b"}}
    )
    text = text_of(recommend).replace("{id: top, kinds", "{id: top, max_items: 2, kinds")
    assert "5 products do not fit" in problems(text)[0]


def test_a_file_that_is_a_list_or_nothing_is_refused():
    assert problems("- a\n") == ["p.yaml:1:1: expected a table, found a list"]
    assert problems("a\n") == ["p.yaml:1:1: expected a table, found 'a'"]


def test_a_missing_field_is_named():
    told = problems("shop: demo\n")
    assert [line.split("'")[1] for line in told] == ["actions", "locales", "placements"]


def test_yaml_and_toml_give_the_same_policy():
    toml = """
shop = "demo"
locales = ["en"]
[[placements]]
id = "top"
kinds = ["badge"]
[[actions]]
id = "x"
kind = "badge"
placements = ["top"]
value = 5
when = "session.views > 2"
[actions.schedule]
from = 2026-01-01
[actions.content.en]
text = "hi"
"""
    yaml_text = """
shop: demo
locales: [en]
placements: [{id: top, kinds: [badge]}]
actions:
  - id: x
    kind: badge
    placements: [top]
    value: 5
    when: session.views > 2
    schedule: {from: 2026-01-01}
    content: {en: {text: hi}}
"""
    one, two = load_policy(toml, "p.toml"), load_policy(yaml_text, "p.yaml")
    same = [
        replace(p, version="", filename="", actions=tuple(replace(a, line=0) for a in p.actions)) for p in (one, two)
    ]
    assert same[0] == same[1]


def test_a_toml_mistake_has_its_line():
    assert problems('shop = "demo"\nlocales = ["en"]\nholdout = 3\nplacements = []\nactions = []\n', "p.toml")[
        0
    ].startswith("p.toml:3")


def test_the_version_follows_the_text():
    text = text_of(action("x"))
    assert load_policy(text, "a.yaml").version == load_policy(text, "b.yaml").version
    assert load_policy(text + "\n", "a.yaml").version != load_policy(text, "a.yaml").version
    assert len(load_policy(text, "a.yaml").version) == 12


def test_defaults_come_from_the_action_s_kind():
    policy = shop(action("c", kind="chat", placements=["side"]), action("b"))
    chat, badge = policy.actions
    assert chat.cooldown_after_dismissal_s == 30 * 86_400
    assert badge.cooldown_after_dismissal_s == 0
    assert chat.cost > badge.cost
    assert policy.chats == (chat.hash,)
    assert policy.at == {"top": (1,), "side": (0,)}


def test_consent_is_not_assumed_unless_the_file_says_so():
    text = text_of(action("x")).replace("consent: {assumed: [analytics, personalization]}\n", "")
    assert load_policy(text, "p.yaml").assumed_consent == ()


def test_the_empty_policy_has_nothing_to_say():
    assert empty_policy("demo").actions == ()
    assert empty_policy("demo").unknown(("top",)) == ("top",)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid(path):
    policy = load_policy(path.read_text(), str(path))
    assert all(claim.evidence for a in policy.actions for claim in a.claims)


def plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: plain(below) for key, below in node.value.items()}
    return [plain(below) for below in node.value] if isinstance(node.value, list) else node.value


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_json_schema_accepts_the_examples_and_refuses_a_misspelt_field(path):
    validator = validator_for(json_schema())
    document = plain(parse(path.read_text(), str(path))[0])
    assert validator.is_valid(document)
    assert isinstance(document, dict)
    assert not validator.is_valid({**document, "placemnts": []})


def test_the_published_json_schema_is_the_table_s():
    assert (ROOT / "docs" / "policy.schema.json").read_text() == json_schema_text()
    assert json.loads(json_schema_text())["required"] == ["shop", "locales", "placements", "actions"]


def test_every_catalog_fact_is_a_product_s():
    assert all(hasattr(Product("p"), fact) for fact in CATALOG_FACTS)
