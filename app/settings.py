"""The only reader of the environment: `KAIROS_…` variables, else `kairos.toml`, else the default."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

DEMO_SECRET = "kairos-demo-secret"
"""Simulation and demo only, so that the same input gives the same ids; a worker refuses it beyond loopback."""

MASK = "********"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
Secret = Annotated[str, Meta(extra={"secret": True})]
"""A setting that is never shown."""


class BadSetting(ValueError):
    """A setting that does not parse; the message names it."""


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator may set. Field `broker` is `KAIROS_BROKER`, or `broker` in kairos.toml."""

    broker: str = "127.0.0.1:9092"
    """host:port, comma separated"""
    datadir: str = ".kairos/data"
    partitions: int = 8
    """Partitions of every person-keyed topic; fixed when the topics are created."""
    topic_prefix: str = ""
    policy: str = "merged"
    """The pack a fresh cluster starts with."""
    secret: Secret = DEMO_SECRET
    """Keys person ids and signed links. An empty one counts as not set."""
    public_url: str = "http://127.0.0.1:8080"
    """Where unsubscribe links point."""
    read_keys: Secret = ""
    """Who may ask for people, decisions and messages (Authorization: Bearer), comma separated, each as it is or as `sha256:…`."""
    reader: str = ""
    """Where insight workers answer such questions: host:port, comma separated."""
    worker_id: str = ""
    """Static member id; default: derived from host and datadir."""
    tick_ms: int = 500
    session_ms: int = 10_000
    broker_wait_s: int = 30
    """How long a start waits for a broker before exit 3."""
    replication: int = 1
    """Replication factor of created topics."""
    defect_budget: int = 20
    """Records a worker may bury as our own defects before it stops."""
    bot_events_per_hour: int = 5_000
    """An identifier above this is flagged `bot`."""
    model_mb: int = 256
    """A model of recommendations above it is neither published nor used, in MB."""
    copy_url: str = ""
    """An OpenAI-compatible endpoint that drafts messages, such as https://api.example/v1; without it people write them."""
    copy_key: Secret = ""
    """Its key."""
    copy_model: str = ""
    """The model that it is asked for."""
    failpoint: str = ""
    """Tests only: `name:nth`, where the worker kills itself (engine/failpoints.py)."""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: Secret = ""
    tls_ca: str = ""

    def topic(self, name: str) -> str:
        """The topic's name on the broker."""
        return self.topic_prefix + name


def load(**overrides: object) -> Settings:
    """Settings from kairos.toml and the environment; `overrides` that are not None win. Raises `BadSetting`."""
    file, environment = _sources()
    return _checked({**file, **environment, **{name: value for name, value in overrides.items() if value is not None}})


class Shown(Struct, frozen=True):
    """A setting for people: secrets are masked, and passwords in addresses. `origin`: default, environment, or the file's name."""

    name: str
    value: str
    default: str
    origin: str


def shown() -> list[Shown]:
    """Every setting with where its value comes from. Raises `BadSetting`."""
    file, environment = _sources()
    settings, default = _checked({**file, **environment}), Settings()
    found = []
    for field in msgspec.structs.fields(Settings):
        name = field.name
        origin = "environment" if name in environment else str(_file()) if name in file else "default"
        secret = any((one.extra or {}).get("secret") for one in getattr(field.type, "__metadata__", ()))
        value, usual = (_masked(str(getattr(one, name)), secret) for one in (settings, default))
        found.append(Shown(f"KAIROS_{name.upper()}", value, usual, origin))
    return found


def _masked(value: str, secret: bool) -> str:
    return MASK if secret and value else _PASSWORD.sub(f"{MASK}@", value)


def _file() -> Path:
    return Path(os.environ.get("KAIROS_CONFIG", "kairos.toml"))


def _sources() -> tuple[dict[str, object], dict[str, str]]:
    """What kairos.toml and the environment set, by field."""
    values: dict[str, object] = {}
    file = _file()
    if file.is_file():
        try:
            values.update(tomllib.loads(file.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSetting(f"{file}: {error}") from error
    names = {field.name for field in msgspec.structs.fields(Settings)}
    if unknown := sorted(set(values) - names):
        raise BadSetting(f"{file}: unknown setting {unknown[0]!r}")
    environment = {name: os.environ[f"KAIROS_{name.upper()}"] for name in names if f"KAIROS_{name.upper()}" in os.environ}
    for told in (values, environment):
        # A compose file passes on a variable that is not set as an empty one, and an empty key anybody can guess.
        if isinstance(secret := told.get("secret"), str) and not secret.strip():
            del told["secret"]
    return values, environment


def _checked(values: dict[str, object]) -> Settings:
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(str(error)) from error
    if not 1 <= settings.partitions <= 1024:
        raise BadSetting(f"KAIROS_PARTITIONS must be between 1 and 1024, not {settings.partitions}")
    if not 1 <= settings.model_mb <= 16_384:
        raise BadSetting(f"KAIROS_MODEL_MB must be between 1 and 16384, not {settings.model_mb}")
    if not 50 <= settings.tick_ms <= 60_000:
        raise BadSetting(f"KAIROS_TICK_MS must be between 50 and 60000, not {settings.tick_ms}")
    return settings
