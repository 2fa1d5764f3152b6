"""Settings come from a mapping, report every problem together, and stand in docs/settings.md."""

import re
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, environment_name

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_nothing_given_is_an_install_on_loopback_with_its_own_server() -> None:
    settings = Settings.load({})
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8000, None)


def test_folders_that_are_not_given_lie_under_home() -> None:
    settings = Settings.load({"TACT_HOME": "/srv/tact", "TACT_LAKE": "/data/lake"})
    assert settings.lake == Path("/data/lake")
    assert settings.keys_file == Path("/srv/tact/keys.json")
    assert settings.registry == "/srv/tact/registry"


def test_a_registry_on_object_storage_keeps_its_address() -> None:
    assert Settings.load({"TACT_REGISTRY": "s3://bucket/tact"}).registry == "s3://bucket/tact"


def test_every_problem_is_reported_at_once_by_the_name_in_the_environment() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"TACT_PORT": "eighty", "TACT_WORKERS": "0", "TACT_PROT": "1", "REDIS_URL": "http://h"})
    named = {problem.split(":")[0] for problem in caught.value.problems}
    assert named == {"TACT_PORT", "TACT_WORKERS", "TACT_PROT", "REDIS_URL"}


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError, match=r"TACT_DEADLNE_MS: no such setting; did you mean TACT_DEADLINE_MS\?"):
        Settings.load({"TACT_DEADLNE_MS": "20"})


def test_an_empty_value_counts_as_not_given() -> None:
    assert Settings.load({"TACT_PORT": " ", "REDIS_URL": ""}) == Settings.load({})


def test_a_password_in_the_redis_address_is_neither_shown_nor_reported() -> None:
    shown = repr(Settings.load({"REDIS_URL": "redis://:hunter2@h:6379"}))
    with pytest.raises(SettingsError) as caught:
        Settings.load({"REDIS_URL": "ftp://:hunter2@h"})
    assert "hunter2" not in shown + str(caught.value)


def test_the_constructor_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACT_PORT", "1234")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert Settings() == Settings.load({})


def test_the_server_started_here_syncs_every_second_or_always_and_nothing_else() -> None:
    assert Settings.load({}).appendfsync == "everysec"
    assert Settings.load({"TACT_APPENDFSYNC": "always"}).appendfsync == "always"
    with pytest.raises(SettingsError, match=r"TACT_APPENDFSYNC.*'everysec' or 'always'"):
        Settings.load({"TACT_APPENDFSYNC": "no"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


def test_the_docs_table_is_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [
        (environment_name(name), "" if field.default is None else f"`{field.default}`", field.description)
        for name, field in Settings.model_fields.items()
    ]
