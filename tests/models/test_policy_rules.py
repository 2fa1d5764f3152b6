"""Rules: what CEL a policy may hold, and what a rule sees."""

import cel
import pytest

from models.rules import FEATURE_NAMES, InvalidRule, compile_rule, holds, mentioned


def refused(source: str) -> str:
    with pytest.raises(InvalidRule) as caught:
        compile_rule(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("session.views >= 3 && cart.value > 50", {("session", "views"), ("cart", "value")}),
        ("event.name in ['a', 'session.veiws']", {("event", "name")}),
        ("has(item.stock) && item.stock > 0 // cart.valu", {("item", "stock")}),
        ("event.query.size() > 3 || size(event.query) == 0", {("event", "query")}),
        ("visitor.attributes.tier == 'gold' || visitor.known", {("visitor", "attributes"), ("visitor", "known")}),
        ("stage.evaluation > 0.5 ? intent.buy < 0.2 : stage.name == 'loyalty'", None),
        ("(session.views + 1.0) * 2.0 > 3.0 && !(time.hour < 9)", None),
    ],
)
def test_a_rule_compiles_and_tells_the_names_it_mentions(source, names):
    rule = compile_rule(source)
    assert names is None or set(rule.names) == names


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("session.veiws > 1", "did you mean 'session.views'"),
        ("sesion.views > 1", "did you mean 'session'"),
        ("x > 1", "unknown name 'x'"),
        ("session", "alone is no value"),
        ("session.views", "not true or false"),
        ("session.views.more > 1", "is not a value"),
        ("session['views'] > 1", "brackets"),
        ("(session).views > 1", "does not follow"),
        (".session.views > 1", "does not follow"),
        ("visitor.attributes == 1", "visitor.attributes.NAME"),
        ("cart.value * 2 > 10", "2.0"),
        ("event.name > 1", "mixes types"),
        ("[1, 2].all(x, x > 0)", "may not loop"),
        ("[1].map(x, x) == [1]", "may not loop"),
        ("[1].filter(x, true) == [1]", "may not loop"),
        ("[1].exists(x, x > 0)", "may not loop"),
        ("[1].exists_one(x, x > 0)", "may not loop"),
        ("event.name.matches('(a+)+$')", "unknown function 'matches'"),
        ("duration('1s') > duration('2s')", "unknown function 'duration'"),
        ("{'a': 1}.a == 1", "'{'"),
        ("session.views >", "not a CEL expression"),
        ("'abc", "not a CEL expression"),
        ("a" * 501, "500"),
        ("(" * 240 + "true" + ")" * 240, "not a CEL expression"),
        ("event.kind == 3.0", "unknown name 'event.kind'"),
    ],
)
def test_a_rule_that_could_not_work_is_refused_with_what_to_change(source, told):
    assert told in refused(source)


def test_what_is_unknown_raises_key_error_and_or_can_still_decide():
    context = cel.Context(variables={"visitor": {"purchases": 0.0}})
    rule = compile_rule("visitor.since_purchase_s > 10 || visitor.purchases == 0")
    assert holds(rule, context)
    with pytest.raises(KeyError):
        holds(compile_rule("visitor.since_purchase_s > 10"), context)


def test_every_feature_but_codes_can_be_named():
    assert ("session", "views") in FEATURE_NAMES
    assert ("event", "kind") not in FEATURE_NAMES
    for variable, field in FEATURE_NAMES:
        compile_rule(f"has({variable}.{field})")


def test_a_gate_s_detail_gives_back_the_names_of_its_rule():
    assert mentioned("not so: session.views > 2 && e.g. foo.bar") == (("session", "views"),)
