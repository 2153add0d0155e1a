"""Every topic as the map has it, on the broker: created with exact settings, or compared and each difference named."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from msgspec import Struct
from msgspec.structs import replace

from app.flow import AGENTS, CHANGELOGS, DAY_MS, TABLES, TOPICS, Table
from app.settings import Settings

CHANGELOG = {
    "cleanup.policy": "compact",
    # The cleaner must not leave only a zombie's record before the owner has noticed it (engine-findings 0.4).
    "min.compaction.lag.ms": "600000",
    # That lag counts from the stamp: a zombie's late batch must not arrive with an old one.
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048576",
}


FORGETS_AFTER_DAYS = 7
"""Days that a table's changelog has more than its table: a restore must find every row that is still to be shown."""
SEEN_TRIES = 100
"""Looks, a tenth of a second apart, until created topics show in the broker's metadata."""


class Wanted(Struct, frozen=True):
    """A topic as it has to be on the broker; `name` with prefix."""

    name: str
    partitions: int
    config: dict[str, str]


def partitions_of(settings: Settings, topic: str) -> int:
    """Partition count of a topic of the map, or of a table's changelog, by its name without prefix."""
    if topic in CHANGELOGS:
        return changelog_partitions(settings, CHANGELOGS[topic])
    return TOPICS[topic].partitions or settings.partitions


def changelog_partitions(settings: Settings, table: Table) -> int:
    """As many as the topic that its lane reads."""
    return partitions_of(settings, AGENTS[table.writers[0]].reads)


def wanted(settings: Settings) -> list[Wanted]:
    """Every topic of the map and every table's changelog."""
    topics = [Wanted(settings.topic(one.name), one.partitions or settings.partitions, one.config) for one in TOPICS.values()]
    changelogs = [
        Wanted(settings.topic(one.changelog), changelog_partitions(settings, one), changelog_config(one)) for one in TABLES.values()
    ]
    return topics + changelogs


def changelog_config(table: Table) -> dict[str, str]:
    """Exact settings of a table's changelog. What a table forgets goes from there by age, since nobody rewrites a row of an old day."""
    if not table.kept_days:
        return CHANGELOG
    return {
        **CHANGELOG,
        "cleanup.policy": "compact,delete",
        "retention.ms": str((table.kept_days + FORGETS_AFTER_DAYS) * DAY_MS),
    }


def client_options(settings: Settings) -> dict[str, Any]:
    """What every Kafka client of the process is made with."""
    options: dict[str, Any] = {
        "bootstrap_servers": [one.strip() for one in settings.broker.split(",")],
        "client_id": "kairos",
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.tls_ca or None)
    if settings.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism or "PLAIN"
        options["sasl_plain_username"], options["sasl_plain_password"] = settings.sasl_username, settings.sasl_password
    return options


async def create(settings: Settings) -> list[str]:
    """Creates what is missing; returns the names created. What exists is left as it is: `differences` judges it."""
    async with admin(settings) as client:
        there = {one["topic"] for one in await client.describe_topics(None)}
        missing = [one for one in wanted(settings) if one.name not in there]
        if not missing:
            return []
        response = await client.create_topics(
            [NewTopic(one.name, one.partitions, settings.replication, topic_configs=one.config) for one in missing]
        )
        for name, code, *message in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise KafkaError(f"creating topic {name}: {for_code(code).__name__} {message[0] if message else ''}".rstrip())
        for _ in range(SEEN_TRIES):
            # The controller has them; the broker's own metadata follows a moment later.
            there = {one["topic"] for one in await client.describe_topics(None) if one["partitions"]}
            if there.issuperset(one.name for one in missing):
                break
            await asyncio.sleep(0.1)
        return [one.name for one in missing]


async def as_created(settings: Settings) -> Settings:
    """With as many partitions as the cluster's journal has: that was fixed when its topics were created, whatever is set where a command
    runs. Without a journal the settings as they are."""
    async with admin(settings) as client:
        found = await client.describe_topics([settings.topic("journal")])
    count = len(found[0]["partitions"]) if found and not found[0].get("error_code") else 0
    return replace(settings, partitions=count) if count else settings


async def differences(settings: Settings) -> list[str]:
    """One sentence for each missing topic, wrong partition count and wrong setting. Empty: all is as the map says."""
    async with admin(settings) as client:
        described = {one["topic"]: one for one in await client.describe_topics(None) if not one.get("error_code")}
        there = [one for one in wanted(settings) if one.name in described]
        settings_of = await _configs(client, [one.name for one in there])
    found = []
    for one in wanted(settings):
        if one.name not in described:
            found.append(f"topic {one.name} is missing (kairos topics create makes it)")
            continue
        count = len(described[one.name]["partitions"])
        if count != one.partitions:
            found.append(f"topic {one.name} has {count} partitions, {one.partitions} are wanted")
        reported = settings_of.get(one.name, {})
        for name, value in one.config.items():
            # The embedded broker does not report every setting; what is not reported cannot be judged.
            if name in reported and not _same(reported[name], value):
                found.append(f"topic {one.name}: {name} is {reported[name]}, {value} is wanted")
    return found


def _same(reported: str, value: str) -> bool:
    return sorted(reported.replace(" ", "").split(",")) == sorted(value.split(","))


async def _configs(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    found: dict[str, dict[str, str]] = {}
    try:
        responses = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    except KafkaError:
        return {}
    for response in responses:
        for _, _, _, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


class admin:
    """An admin client for the length of a `with`. Raises `KafkaError` if the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await self._client.start()
        except BaseException:
            await self._client.close()
            raise
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
