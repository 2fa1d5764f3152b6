"""Lints of `tact check`: each fires on a policy made for it, at its line, and stays quiet beside what is right."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from models.policy_lint import CODES, LINTS
from tact.verb_check import register

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/policy.yaml"))
SEVERITY = {lint.code: lint.severity for lint in LINTS}

app = typer.Typer()
app.callback()(lambda: None)
register(app)

TOP: dict[str, Any] = {
    "shop": "demo",
    "locales": ["en", "nl", "de", "fr"],
    "timezone": "Europe/Amsterdam",
    "placements": [
        {"id": "top", "kinds": ["badge", "hint", "bar"], "max_chars": 60},
        {"id": "side", "kinds": ["badge", "hint", "chat"]},
    ],
    "holdout": 0.05,
    "session_budget": {"per_session": 9},
}


def action(name: str = "one", **fields: Any) -> dict[str, Any]:
    """An action that no lint minds."""
    words = {"en": f"Say {name}", "nl": f"Zeg {name}", "de": f"Sag {name}", "fr": f"Dis {name}"}
    return {
        "id": name,
        "kind": "badge",
        "placements": ["top"],
        "value": 30,
        "content": {locale: {"text": text} for locale, text in words.items()},
        "reason": {"en": "It is so.", "nl": "Het is zo.", "de": "So ist es.", "fr": "C'est ainsi."},
    } | fields


def bar(**fields: Any) -> dict[str, Any]:
    """An interrupting action that no lint minds."""
    words = {locale: {"text": f"{locale} look", "cta": "Go", "url": "/x"} for locale in TOP["locales"]}
    return action("bar", kind="bar", content=words, caps={"per_day": 1}, value=60) | fields


def says(locale: str, text: str, **fields: Any) -> dict[str, Any]:
    """An action that says a text in one locale."""
    made = action(**fields)
    return made | {"content": made["content"] | {locale: {"text": text}}}


def claims(text: str, evidence: str = "document: 1", **fields: Any) -> dict[str, Any]:
    return {"text": text, "evidence": evidence, **fields}


CERTAIN = {"prior": {"mean": 1.0}}
ONE_DAY = {"from": "2026-03-02", "to": "2026-03-03"}  # a Monday
STOCK = {"claims": [claims("In stock", "catalog:stock")]}

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str, str]] = {
    # code: actions, top-level fields, what is on the line it names, what is said
    "L101": ([action(when="session.views > 5 && session.views < 3")], {}, "when:", "exclude each other"),
    "L102": ([action(when="stage.name == 'purchase'", stages=["awareness"])], {}, "- awareness", "never hold together"),
    "L103": ([action(when="item.stock == 0", **STOCK)], {}, "- text: In stock", "its claims and its rule"),
    "L104": ([action(schedule={"to": "2026-01-01"})], {}, "to: '2026-01-01'", "its schedule is over"),
    "L105": ([action(schedule={**ONE_DAY, "weekdays": ["sun"]})], {}, "from:", "never come between"),
    "L106": ([action(value=0.1)], {}, "- id: one", "worth less than its cost"),
    "L107": (
        [action(**CERTAIN), action("two", value=20, **CERTAIN)],
        {},
        "- top",
        "two: at top one wins in every draw",
    ),
    "L108": ([action(fallback=True), action("two", fallback=True)], {}, "fallback: true", "two: as a fallback at top"),
    "L109": ([action()], {}, "- id: side", "placement 'side' has no action"),
    "L110": ([action(caps={"per_session": 3, "per_day": 2})], {}, "per_session: 3", "never counts beside per_day 2"),
    "L111": ([action(claims=[claims("So", expires="2026-01-01")])], {}, "expires:", "has expired"),
    "L112": ([action(claims=[claims("So", expires="SOON")])], {}, "expires:", "expires within 30 days"),
    "L113": (
        [action(claims=[claims("60 days")]), action("two", claims=[claims("30 days")])],
        {},
        "- text: 30 days",
        "on the same evidence",
    ),
    "L114": (
        [action(when='visitor.persona == "nobody"')],
        {},
        "when: visitor.persona",
        "no persona is called 'nobody'; none are in use",
    ),
    "L201": ([says("en", "The best tents")], {}, "text: The best tents", "'best' asserts a superlative"),
    "L202": ([action(reason={"en": "So."})], {}, "en: So.", "no 'reason' in nl, de, fr"),
    "L203": (
        [action(content=bar()["content"] | {"nl": {"text": "nl kijk"}})],
        {},
        "text: nl kijk",
        "'cta' is there in en and missing in nl",
    ),
    "L204": ([says("nl", "Say so and so") | {"reason": "We like to say so."}], {}, "reason:", "the same words in en"),
    "L205": ([action(), action() | {"id": "two"}], {}, "text: Say one", "two: says the same as one in en"),
    "L206": (
        [bar(content=bar()["content"] | {"fr": {"text": "a" * 50, "cta": "b" * 11, "url": "/x"}})],
        {},
        "text: aaa",
        "61 characters; top takes 60",
    ),
    "L207": ([bar(content=action()["content"])], {}, "text: Say one", "offers nothing to do"),
    "L301": ([says("de", "Nur noch heute")], {}, "text: Nur noch heute", "hurries, and nothing ends"),
    "L302": ([says("fr", "Plus que 2 tentes")], {}, "text: Plus que 2", "it needs a claim with catalog:stock"),
    "L303": ([says("nl", "Nee bedankt, ik betaal de volle prijs")], {}, "text: Nee bedankt", "makes a no shameful"),
    "L401": ([bar(cost=0)], {}, "cost: 0", "costs 0"),
    "L402": ([bar(caps={})], {}, "caps: {}", "has no cap"),
    "L403": ([bar(cooldown_after_dismissal_s=0)], {}, "cooldown_after_dismissal_s: 0", "right after a no"),
    "L404": ([action()], {"exploration_floor": 0}, "exploration_floor: 0", "never tried"),
    "L405": ([action()], {"holdout": 0}, "holdout: 0", "no lift can be shown"),
    "L406": ([action()], {"reward": {"dismissal": 2}}, "dismissal: 2", "worth more than silence"),
}


def written(folder: Path, actions: list[dict[str, Any]], **fields: Any) -> Path:
    """A policy file of those actions, with something for the other placement."""
    soon = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    beside = [] if any("side" in a["placements"] for a in actions) else [action("beside", placements=["side"])]
    text = yaml.safe_dump(TOP | fields | {"actions": [*actions, *beside]}, sort_keys=False, allow_unicode=True)
    path = folder / "policy.yaml"
    path.write_text(text.replace("SOON", soon))
    return path


def run(*arguments: object) -> Any:
    env = {"COLUMNS": "200", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["check", *map(str, arguments)], env=env)


def fired(*arguments: object) -> list[dict[str, Any]]:
    (told,) = json.loads(run("--json", *arguments).stdout)
    return [*told["errors"], *told["warnings"]]


def codes(*arguments: object) -> list[str]:
    found = fired(*arguments)
    assert all("code" in one for one in found), found
    return [one["code"] for one in found]


def test_there_is_a_case_for_every_lint() -> None:
    assert tuple(CASES) == CODES


def test_a_policy_that_is_right_has_no_lint(tmp_path: Path) -> None:
    assert codes(written(tmp_path, [action(), bar()]), "--strict") == []


@pytest.mark.parametrize("code", CASES)
def test_a_lint_fires_at_its_line_with_its_severity(code: str, tmp_path: Path) -> None:
    actions, fields, marker, said = CASES[code]
    path = written(tmp_path, actions, **fields)
    if code == "L109":
        path.write_text(path.read_text().split("- id: beside")[0])
    result = run(path)
    line = next((line for line in result.stderr.splitlines() if f" {code} " in line), "")
    assert said in line, result.stderr
    assert line.startswith(f"{SEVERITY[code]} {path}:"), line
    at = int(line.removeprefix(f"{SEVERITY[code]} {path}:").split(":")[0])
    assert marker in path.read_text().splitlines()[at - 1]
    assert result.exit_code == (1 if SEVERITY[code] == "error" else 0)
    assert ("though a service would take it" in result.stderr) is (SEVERITY[code] == "error")
    assert run(path, "--strict").exit_code == 1
    assert code not in codes(path, "--allow", code)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_example_policies_have_no_lint(path: Path) -> None:
    assert len(EXAMPLES) >= 2
    assert run(path, "--strict").exit_code == 0
    assert codes(path) == []


def test_an_unknown_code_is_refused(tmp_path: Path) -> None:
    result = run(written(tmp_path, [action()]), "--allow", "L999")
    assert result.exit_code == 2
    assert "there is no lint 'L999'" in result.stderr


def test_several_codes_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, [bar(cost=0, caps={})], holdout=0)
    assert sorted(codes(path)) == ["L401", "L402", "L405"]
    assert codes(path, "--allow", "L401,L405", "--allow", "L402") == []


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "Rated 4.7/5 by buyers"),
        ("en", "Free returns"),
        ("en", "The official store"),
        ("en", "Guaranteed to fit"),
        ("en", "A limited edition"),
        ("nl", "Nummer 1 van Nederland"),
        ("nl", "Gratis retour"),
        ("nl", "Nu 20% korting"),
        ("nl", "Op voorraad"),
        ("de", "Die beliebtesten Zelte"),
        ("de", "Geprüft und zertifiziert"),
        ("de", "Versand kostenlos"),
        ("fr", "Retour gratuit"),
        ("fr", "Le meilleur choix"),
        ("fr", "Boutique officielle, n° 1"),
    ],
)
def test_an_assertion_needs_a_claim(locale: str, text: str, tmp_path: Path) -> None:
    assert set(codes(written(tmp_path, [says(locale, text)]))) == {"L201"}


@pytest.mark.parametrize(
    ("locale", "text", "claim"),
    [
        ("nl", "Terugsturen is gratis", claims("Free returns within 60 days")),
        ("de", "Bewertet mit 4,5 Sternen", claims("Stars", "catalog:rating")),
        ("fr", "En stock", claims("It is there", "catalog:stock")),
        ("en", "20% off", claims("Below the price before", "catalog:price")),
        ("en", "Certified shop", claims("Gecertificeerd", "https://x.example/1")),
    ],
)
def test_a_claim_about_the_same_thing_proves_it_in_any_language(
    locale: str, text: str, claim: dict[str, Any], tmp_path: Path
) -> None:
    assert codes(written(tmp_path, [says(locale, text, claims=[claim])])) == []


def test_a_claim_about_something_else_proves_nothing(tmp_path: Path) -> None:
    assert codes(written(tmp_path, [says("en", "Free returns", claims=[claims("A person answers")])])) == ["L201"]


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "Feel free to ask"),
        ("en", "PFC-free, best before June"),
        ("nl", "Beste klant, welkom"),
        ("nl", "Bestel vandaag nog"),
        ("de", "Am besten trocken lagern"),
        ("en", "No thanks"),
        ("fr", "Non merci"),
        ("de", "Nein danke"),
    ],
)
def test_ordinary_words_are_left_alone(locale: str, text: str, tmp_path: Path) -> None:
    assert codes(written(tmp_path, [says(locale, text)])) == []


@pytest.mark.parametrize(
    ("locale", "text", "code"),
    [
        ("en", "Only today", "L301"),
        ("en", "Ends in 10 minutes", "L301"),
        ("nl", "Alleen vandaag", "L301"),
        ("nl", "Nog maar 3 uur", "L301"),
        ("fr", "Dernière chance", "L301"),
        ("en", "Only 2 left", "L302"),
        ("en", "Almost gone", "L302"),
        ("nl", "Nog maar 2 over", "L302"),
        ("nl", "Op is op", "L302"),
        ("de", "Nur noch 3 Stück", "L302"),
        ("en", "No thanks, I prefer to pay full price", "L303"),
        ("de", "Nein danke, ich zahle gern mehr", "L303"),
        ("fr", "Non merci, je préfère payer plus", "L303"),
    ],
)
def test_dark_patterns_are_found_in_each_language(locale: str, text: str, code: str, tmp_path: Path) -> None:
    assert codes(written(tmp_path, [says(locale, text)])) == [code]


def test_a_countdown_with_an_end_is_allowed(tmp_path: Path) -> None:
    assert codes(written(tmp_path, [says("en", "Only today", schedule={"to": "2199-01-01"})])) == []


def test_scarcity_is_allowed_where_the_rule_bounds_the_stock_it_claims(tmp_path: Path) -> None:
    few = says("en", "Only 2 left", when="item.stock <= 2", **STOCK)
    assert codes(written(tmp_path, [few])) == []
    for wrong in (few | {"when": "item.stock <= 3"}, few | {"claims": []}, {k: few[k] for k in few if k != "when"}):
        assert codes(written(tmp_path, [wrong])) == ["L302"]


def test_shaming_is_found_in_the_shop_s_own_fields(tmp_path: Path) -> None:
    made = bar()
    more = {locale: {**words, "dismiss": f"{locale} x"} for locale, words in made["content"].items()}
    more["en"]["dismiss"] = "No, I'd rather pay full price"
    assert codes(written(tmp_path, [made | {"content": more}])) == ["L303"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"when": "session.views > 2 && session.views < 3"}, "L101"),
        ({"when": "time.idle_s > 2 && time.idle_s < 3"}, ""),
        ({"when": "visitor.known && !visitor.known"}, "L101"),
        ({"when": "event.channel == 'partnr'"}, "L101"),
        ({"when": "cart.step > 3 || cart.step < 0"}, "L101"),
        ({"when": "cart.step > 3 || cart.step < 1"}, ""),
        ({"when": "!has(item.stock) && item.stock > 3"}, "L101"),
        ({"when": "!has(item.stock) || item.stock > 3"}, ""),
        ({"when": "cart.value * 2.0 > 50 && !(cart.value * 2.0 > 50)"}, "L101"),
        ({"when": "visitor.attributes.tier == 'gold' && visitor.attributes.tier in ['red', 'blue']"}, "L101"),
        ({"when": "visitor.attributes.tier != 'gold' && visitor.attributes.tier != 'blue'"}, ""),
        ({"when": "session.views > 3 ? session.views < 2 : session.views > 5"}, "L101"),
        ({"when": "stage.purchase > 0.6 && stage.loyalty > 0.5"}, "L101"),
        ({"when": "stage.purchase > 0.6", "stages": ["hesitation", "awareness"]}, "L102"),
        ({"when": "stage.purchase > 0.4", "stages": ["hesitation", "awareness"]}, ""),
        ({"when": "time.hour >= 22", "schedule": {"hours": "06:00-21:30"}}, "L103"),
        ({"when": "time.hour >= 21", "schedule": {"hours": "06:00-21:30"}}, ""),
        ({"when": "time.weekday == 6", "schedule": {"weekdays": ["mon", "tue"]}}, "L103"),
        ({"when": "time.weekday == 6", "schedule": {"weekdays": ["mon"], "timezone": "UTC"}}, ""),
        ({"schedule": {**ONE_DAY, "to": "2199-01-01", "weekdays": ["sun"]}}, ""),
        (
            {
                "schedule": {
                    "from": "2026-03-02T08:58:00+01:00",
                    "to": "2026-03-02T10:00:00+01:00",
                    "hours": "09:00-09:02",
                }
            },
            "",
        ),
        (
            {
                "schedule": {
                    "from": "2026-03-02T09:08:00+01:00",
                    "to": "2026-03-02T10:00:00+01:00",
                    "hours": "09:00-09:02",
                }
            },
            "L105",
        ),
        ({"fallback": True}, ""),
    ],
)
def test_what_can_never_be_shown_is_told_from_what_can(fields: dict[str, Any], code: str, tmp_path: Path) -> None:
    assert codes(written(tmp_path, [action(**fields)]), "--allow", "L104") == ([code] if code else [])


@pytest.mark.parametrize(
    "fields", [{"caps": {"per_day": 1}}, {"when": "cart.units > 1"}, {"stages": ["loyalty"]}, {"value": 10}]
)
def test_a_winner_that_is_not_always_there_leaves_room_for_others(fields: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, [action(**CERTAIN, **fields), action("two", value=20, **CERTAIN)])
    assert "two" not in [one["message"].split(":")[0] for one in fired(path)]


def test_a_winner_that_an_earlier_placement_may_take_leaves_room_too(tmp_path: Path) -> None:
    both = action(placements=["top", "side"], **CERTAIN)
    path = written(tmp_path, [both, action("two", placements=["side"], value=20, **CERTAIN)])
    assert codes(path) == []
    path = written(tmp_path, [both, action("two", value=20, **CERTAIN)])
    assert codes(path) == ["L107"]


def test_a_language_without_words_is_told(tmp_path: Path) -> None:
    made = action()
    for field in ("content", "reason"):
        made[field] = {"pl": made[field]["en"]}
    path = written(
        tmp_path, [made, made | {"id": "b", "placements": ["side"], "content": {"pl": {"text": "b"}}}], locales=["pl"]
    )
    result = run(path, "--strict")
    assert (result.exit_code, "no lint reads the words of pl" in result.stderr) == (0, True), result.stderr


def test_a_toml_policy_has_lints_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'shop = "x"\nlocales = ["en"]\nholdout = 0.1\n[[placements]]\nid = "a"\nkinds = ["badge"]\n'
        '[[actions]]\nid = "one"\nkind = "badge"\nplacements = ["a"]\nvalue = 30\nreason = "So."\n'
        'when = "session.views > 5 && session.views < 3"\n[actions.content.en]\ntext = "Hi"\n'
    )
    assert [(one["code"], one["line"]) for one in fired(path)] == [("L101", 13)]
