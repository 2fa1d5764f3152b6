"""A stop holds here at once and everywhere within a second, is kept in receipts, and leaves a line in the audit log."""

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import audit
from tact.cli import build
from tests.service.shop import SHOP, make_shop, running

pytestmark = pytest.mark.usefixtures("valkey")


def shown(service) -> str | None:
    return service.decide()["placements"]["product.badge"]["action"]


def test_a_stop_silences_and_its_end_lets_speak_again(home: Path, redis_url: str) -> None:
    with running(make_shop(home, redis_url)) as service:
        assert shown(service) == "returns"
        answer = service.secret.put(
            "/v1/switches/action:returns", json={"state": "stopped", "who": "kim", "why": "typo"}
        )
        assert (answer.status_code, answer.json()) == (
            200,
            {"target": "action:returns", "state": "stopped", "before": None},
        )
        decided = service.decide()
        assert decided["placements"]["product.badge"]["action"] is None
        assert service.secret.get("/v1/switches").json() == {"action:returns": "stopped"}
        path = f"/v1/decisions/{decided['decision_id']}"
        service.wait(lambda: service.secret.get(path).status_code == 200)
        why = service.secret.get(f"{path}/why?action=returns").json()["placements"][0]
        assert why["because"] == "gate stopped: action returns is stopped"
        assert service.secret.post(f"{path}/replay").json()["identical"]
        assert service.secret.delete("/v1/switches/action:returns").json()["before"] == "stopped"
        assert shown(service) == "returns"
    told = [(e.who, e.target, e.before, e.after, e.why) for e in audit.read(home)]
    assert told == [
        ("kim", "action:returns", "", "stopped", "typo"),
        ("secret key", "action:returns", "stopped", "", ""),
    ]


def test_another_worker_heeds_a_stop_within_a_second(home: Path, redis_url: str) -> None:
    shop = make_shop(home, redis_url)
    with running(shop) as one, running(shop) as other:
        began = time.monotonic()
        assert {shown(other) for _ in range(5)} == {"returns"}
        usual_s = (time.monotonic() - began) / 5
        began = time.monotonic()
        one.secret.put("/v1/switches/shop", json={"state": "stopped"})
        other.wait(lambda: shown(other) is None)
        assert time.monotonic() - began < 3 + 20 * usual_s  # a second on a machine that is not shared


def test_an_apprentice_is_decided_logged_and_not_shown(home: Path, redis_url: str) -> None:
    with running(make_shop(home, redis_url)) as service:
        service.secret.put("/v1/switches/action:returns", json={"state": "apprentice"})
        decided = service.decide()
        assert decided["placements"]["product.badge"] == {"action": None, "reason": "no_candidate"}
        path = f"/v1/decisions/{decided['decision_id']}"
        service.wait(lambda: service.secret.get(path).status_code == 200)
        assert service.secret.get(path).json()["chosen"][0]["withheld"] == "returns"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("action:nothing", {"state": "stopped"}, "unknown_target"),
        ("placement:nowhere", {"state": "stopped"}, "unknown_target"),
        ("everything", {"state": "stopped"}, "unknown_target"),
        ("shop", {"state": "off"}, "invalid_field"),
        ("placement:product.badge", {"state": "live"}, "invalid_field"),
        ("shop", {"state": "stopped", "when": "now"}, "invalid_field"),
        ("shop", [], "invalid_field"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Path, redis_url: str, target: str, body: object, code: str) -> None:
    with running(make_shop(home, redis_url)) as service:
        answer = service.secret.put(f"/v1/switches/{target}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert service.call.put(f"/v1/switches/{target}", json=body).json()["code"] == "secret_key_needed"
        assert service.secret.get("/v1/switches").json() == {}


def test_the_command_line_stops_lists_and_starts(home: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = make_shop(home, redis_url)
    for name, value in {"REDIS_URL": redis_url, "TACT_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)

    def tact(*words: str) -> str:
        result = CliRunner().invoke(build(), words)
        assert result.exit_code == 0, result.output
        return result.output

    with running(shop) as service:
        assert "nothing is switched" in tact("switch")
        assert f"{SHOP}: placement:product.badge is stopped" in tact("stop", "placement:product.badge", "--why", "typo")
        service.wait(lambda: shown(service) is None)
        assert "placement:product.badge" in tact("switch")
        tact("switch", "placement:product.badge", "off")
        service.wait(lambda: shown(service) == "returns")
        assert CliRunner().invoke(build(), ["stop", "action:nothing"]).exit_code == 2
        assert CliRunner().invoke(build(), ["switch", "shop", "mute"]).exit_code == 2
    assert [e.after for e in audit.read(home)] == ["stopped", ""]


def test_a_broken_policy_file_does_not_stop_the_stop(
    home: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(home, redis_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TACT_HOME", str(home))
    with running(shop) as service:
        assert shown(service) == "returns"
        shop.policy_file.write_text("shop: [")
        assert CliRunner().invoke(build(), ["stop", "--why", "fire"]).exit_code == 0
        service.wait(lambda: shown(service) is None)
        assert CliRunner().invoke(build(), ["stop", "action:returns"]).exit_code == 0


def test_a_torn_line_of_the_audit_log_stops_nothing(tmp_path: Path) -> None:
    entry = audit.Entry(1, "kim", "switch", "s", "shop", "", "stopped")
    audit.append(tmp_path, entry)
    with (tmp_path / audit.NAME).open("a") as log:
        log.write('{"at_ms":1,"wh')
    audit.append(tmp_path, entry)
    assert len(list(audit.read(tmp_path))) == 2


def test_a_changed_line_of_the_audit_log_is_found(tmp_path: Path) -> None:
    for number in range(3):
        audit.append(tmp_path, audit.Entry(number, "kim", "switch", "s", "shop", "", "stopped"))
    assert [entry.at_ms for entry in audit.read(tmp_path)] == [0, 1, 2]
    log = tmp_path / audit.NAME
    lines = log.read_text().splitlines()
    for tampered in ([lines[0].replace("kim", "sam"), *lines[1:]], [lines[0], lines[2]], [*lines, "{}"]):
        log.write_text("\n".join(tampered) + "\n")
        with pytest.raises(audit.TamperedAudit):
            list(audit.read(tmp_path))
