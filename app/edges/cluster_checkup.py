"""What `kairos doctor` finds on the broker: who it is, its clock, its topics, the pack that is active. It only reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiokafka.errors import KafkaError

from app.agents.kinds import compilers
from app.domain.plural import count
from app.edges.checkup import Finding
from app.engine.artifacts import Artifacts
from app.engine.broker import Broker, look, skew_ms
from app.engine.clock import SKEW_MS
from app.engine.membership import on_loopback
from app.engine.topics import client_options, differences, wanted
from app.engine.worker import EMBEDDED_CLUSTER
from app.settings import Settings

ANSWER_S = 15.0
SKEW_WARN_MS = 5_000
SKEW_WAIT_MS = 2_500
ARTIFACTS_S = 20.0
SHOWN = 10
"""Differences of topics that are named."""


async def reach(settings: Settings) -> tuple[Broker | None, Finding]:
    """The broker, if it answers, and what to say of that."""
    try:
        async with asyncio.timeout(ANSWER_S):
            broker = await look(settings)
    except TimeoutError:
        reason = f"no answer within {ANSWER_S:.0f} s"
    except (KafkaError, OSError) as error:
        reason = str(error) or type(error).__name__
    else:
        version = f"Apache Kafka {broker.version} or later" if broker.version else "an old protocol"
        found = f"{settings.broker}, cluster {broker.cluster}, {count(broker.nodes, 'node')}, speaks {version}"
        return broker, Finding("ok", "broker", found)
    return None, Finding("bad", "broker", f"{settings.broker}: {reason}", "start it, or set KAIROS_BROKER; `kairos kafka up` runs one here")


async def cluster(settings: Settings, broker: Broker) -> AsyncIterator[Finding]:
    """What is on a broker that answers. Raises `KafkaError` if it stops to."""
    if broker.cluster == EMBEDDED_CLUSTER:
        local = on_loopback(settings)
        found = "the embedded one, which loses acknowledged records when killed"
        yield Finding("warn" if local else "bad", "broker", found, "for demos on one machine only: use Apache Kafka")
    elif broker.version is None:
        yield Finding("warn", "broker", "older than Apache Kafka 2.7", "Kairos is tested on 4.x")
    if broker.creates_topics:
        advice = "set auto.create.topics.enable=false: a mistyped name becomes a topic with wrong settings, and its records are lost to us"
        yield Finding("warn", "broker", "creates topics by itself", advice)
    lines = await differences(settings)
    missing = {line.split()[1] for line in lines if "is missing" in line}
    wrong = [line for line in lines if "is missing" not in line]
    if missing:
        found = f"{len(missing)} of {len(wanted(settings))} are missing: {', '.join(sorted(missing))}"
        yield Finding("bad", "topics", found, "`kairos topics create` makes them")
        if settings.replication > broker.nodes:
            found = f"{settings.replication}, but the cluster has {count(broker.nodes, 'node')}"
            yield Finding("bad", "KAIROS_REPLICATION", found, "topics cannot be created so")
    for line in wrong[:SHOWN]:
        yield Finding("bad", "topics", line, "alter the topic, or the setting it follows from")
    if len(wrong) > SHOWN:
        yield Finding("bad", "topics", f"and {len(wrong) - SHOWN} more differences", "`kairos topics check` names all")
    if not lines:
        yield Finding("ok", "topics", f"all {len(wanted(settings))} are as the map says")
    if settings.topic("control") not in missing:
        yield await _clock(settings)
    if settings.topic("artifacts") not in missing:
        yield await _active(settings)


async def _clock(settings: Settings) -> Finding:
    skew = await skew_ms(settings, SKEW_WAIT_MS)
    if skew is None:
        return Finding("ok", "clock", "cannot be compared with the broker's: no worker writes to the control topic now")
    found = f"{abs(skew) / 1000:.1f} s {'ahead of' if skew >= 0 else 'behind'} the broker's"
    if abs(skew) > SKEW_MS:
        return Finding("bad", "clock", found, f"beyond {SKEW_MS // 1000} s there are no ticks, so no timer fires: run NTP on both")
    return Finding("warn", "clock", found, "run NTP on both") if abs(skew) > SKEW_WARN_MS else Finding("ok", "clock", found)


async def _active(settings: Settings) -> Finding:
    """Whether the pack that decides now is whole on the topic and runs in this version."""
    artifacts = Artifacts(settings.topic("artifacts"), client_options(settings), compilers(settings.model_mb))
    following = asyncio.create_task(artifacts.follow())
    try:
        await artifacts.loaded(ARTIFACTS_S)
        ref = artifacts.active.get("policy")
        if ref is None:
            return Finding("ok", "active pack", f"none yet: the first worker makes {settings.policy} active")
        pack = await asyncio.to_thread(artifacts.packs, ref)
    except KeyError:
        why = (
            "the bytes on the artifacts topic are not those of this hash"
            if ref in artifacts.damaged
            else "not whole on the artifacts topic"
        )
        return Finding("bad", "active pack", f"{ref}: {why}", "`kairos policy publish` it again")
    except ValueError as error:
        first = str(error).splitlines()[0]
        return Finding("bad", "active pack", f"{ref}: {first}", "publish a pack that this version of Kairos can run")
    except TimeoutError:
        return Finding("bad", "active pack", f"the artifacts topic could not be read within {ARTIFACTS_S:.0f} s", "see the broker's log")
    finally:
        following.cancel()
        await asyncio.wait([following])
    return Finding("ok", "active pack", f"{ref}, {count(len(pack.triggers), 'trigger')}")
