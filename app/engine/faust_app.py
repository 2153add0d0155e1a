"""The Faust app of a role: its settings, our transport and tables in it, nothing of its own network but the consumer."""

from __future__ import annotations

from typing import Any

import faust

from app.engine.tables import Tables, declare
from app.engine.transport import Transport
from app.flow import AGENTS, ROLES

HEARTBEAT_S = 1.0
REBALANCE_S = 10.0
REQUEST_S = 20.0
POLL_S = 900.0
"""aiokafka leaves the group after so long without a fetch: longer than the longest restore."""
BUFFERED = 16
"""Stretches in an agent's queue; the transport bounds bytes."""


class Shell(faust.Worker):
    """Faust's worker without its logging, signals and terminal: the host decides those."""

    def install_signal_handlers(self) -> None:
        """The command installs its own."""

    async def on_execute(self) -> None:
        """Nothing to announce."""


def faust_app(engine: Any) -> Any:
    """A Faust app that runs on `engine`'s parts; its agents are still to be attached."""
    settings = engine.settings
    app = faust.App(
        engine.group,
        broker=[f"kafka://{one.strip()}" for one in settings.broker.split(",")],
        datadir=engine.folder,
        TableManager=Tables,
        topic_partitions=settings.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
        worker_redirect_stdouts=False,
        key_serializer="raw",
        value_serializer="raw",
        stream_buffer_maxsize=BUFFERED,
        stream_recovery_delay=0.0,
        broker_commit_interval=1.0,
        broker_session_timeout=settings.session_ms / 1000,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_request_timeout=REQUEST_S,
        broker_max_poll_interval=POLL_S,
        consumer_group_instance_id=engine.member_id,
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    app.boot_strategy.enable_kafka_producer = False
    app.kairos = engine
    declare(app, settings, engine.role)
    members = ROLES[engine.role].agents
    topics = {AGENTS[name].reads for name in members}
    engine.lanes.members = {settings.topic(topic): frozenset(one for one in members if AGENTS[one].reads == topic) for topic in topics}
    return app
