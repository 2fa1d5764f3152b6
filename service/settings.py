"""Settings: parsed once, from a mapping, every problem reported together. The table for people: docs/settings.md.

* SettingsError   at least one setting is wrong; lists each by the name it has in the environment
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "TACT_"
REDIS_SCHEMES = ("redis", "rediss", "unix")
FsyncPolicy = Literal["everysec", "always"]


class SettingsError(ValueError):
    """What is wrong with the settings, one line each in `problems`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        super().__init__("\n  ".join((f"{count} wrong:", *problems)))


class Settings(BaseSettings):
    """One install's settings. `Settings(...)` takes only its arguments; `Settings.load(environ)` reads a mapping.

    Folders that are not given lie under `home`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, validate_default=True)
    UNDER_HOME: ClassVar[Mapping[str, str]] = {
        "lake": "lake",
        "registry": "registry",
        "policies": "policies",
        "keys_file": "keys.json",
        "live": "live",
        "logs": "logs",
    }

    redis_url: str | None = Field(
        default=None,
        repr=False,
        description="Redis ≥ 6.2 or Valkey (`redis://`, `rediss://`, `unix://`; a cluster: `?cluster=true`). "
        "If unset, a server is started here.",
    )
    appendfsync: FsyncPolicy = Field(
        default="everysec",
        description="When the server started here syncs its file to the disk: `everysec`, or `always`, before it "
        "answers. What is lost at worst: below.",
    )
    home: Path = Field(default=Path("artifacts"), description="Folder of everything this install writes.")
    lake: Path = Field(default=Path("artifacts/lake"), description="Folder of the event lake (Parquet).")
    registry: str = Field(
        default="artifacts/registry", description="Folder or fsspec address of the published bundles."
    )
    policies: Path = Field(default=Path("artifacts/policies"), description="Folder of the policy files, one a shop.")
    keys_file: Path = Field(default=Path("artifacts/keys.json"), description="File of the API keys, hashed.")
    live: Path = Field(default=Path("artifacts/live"), description="Folder of the learner's snapshots.")
    logs: Path = Field(default=Path("artifacts/logs"), description="Folder of the parts' logs.")
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(default=1, ge=1, le=64, description="Service processes that share the port.")
    partitions: int = Field(
        default=16, ge=1, le=100, description="Partitions of the stream; fixed for the life of an install."
    )
    deadline_ms: int = Field(
        default=100, ge=5, le=10_000, description="A decision answers within this, degraded if need be."
    )
    store_timeout_ms: int = Field(default=50, ge=1, le=10_000, description="How long a decision waits for Redis.")
    candidates: int = Field(default=120, ge=25, le=300, description="Products ranked for one visitor, at most.")
    tail_ttl_days: int = Field(
        default=90, ge=1, le=3650, description="A visitor's tail is forgotten after this silence."
    )
    receipt_ttl_s: int = Field(
        default=86_400, ge=60, description="How long a receipt stays in Redis; the lake keeps it."
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest request body; uploads are streamed.")
    future_skew_s: int = Field(default=300, ge=0, le=86_400, description="How far in the future an event may lie.")
    recorder_flush_s: float = Field(
        default=2.0, gt=0, le=300, description="The recorder writes a file at least this often."
    )
    recorder_rows: int = Field(default=50_000, ge=1, description="The recorder writes a file at this many rows.")
    learner_publish_s: float = Field(
        default=5.0, gt=0, le=300, description="The learner publishes a snapshot this often."
    )
    recorder_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the recorder's metrics; 0 for none."
    )
    learner_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the learner's metrics; 0 for none."
    )

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Parse REDIS_URL and TACT_*; an empty value counts as not given. Raises SettingsError with every problem."""
        names = environment_names()
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        problems = [_unknown(name) for name in sorted(given) if name.startswith(PREFIX) and name not in names]
        source = EnvSettingsSource(cls)
        source.env_vars = {f"{PREFIX}{names[name]}".lower(): value for name, value in given.items() if name in names}
        try:
            settings = cls(**source())
        except ValidationError as error:
            problems += [_problem(str(detail["loc"][0]), detail["msg"], detail["input"]) for detail in error.errors()]
        if problems:
            raise SettingsError(tuple(problems))
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: the process's environment is read in one place, by `load`."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _under_home(cls, values: dict[str, Any]) -> dict[str, Any]:
        home = Path(values.get("home", "artifacts"))
        return {name: str(home / leaf) for name, leaf in cls.UNDER_HOME.items()} | values

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in REDIS_SCHEMES:
            raise ValueError(f"starts with none of {', '.join(f'{scheme}://' for scheme in REDIS_SCHEMES)}")
        return value


def environment_name(field: str) -> str:
    """The name of a setting in the environment."""
    return "REDIS_URL" if field == "redis_url" else f"{PREFIX}{field.upper()}"


def environment_names() -> dict[str, str]:
    """Every setting's name in the environment, to its field."""
    return {environment_name(field): field for field in Settings.model_fields}


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, environment_names(), n=1)
    return f"{name}: no such setting" + (f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them")


def _problem(field: str, message: str, given: object) -> str:
    shown = "" if field == "redis_url" else f" (given: {given!r})"  # its address may hold a password
    return f"{environment_name(field)}: {message.removeprefix('Value error, ')}{shown}"
