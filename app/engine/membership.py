"""Who a worker is: its static member id, its folder, and how it is taken out of its group when it is stopped for good.

aiokafka sends no LeaveGroup for static members, so that a restart gets its partitions back at once; without a restart they wait a session.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from pathlib import Path

from aiokafka.errors import UnknownMemberIdError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

from app.engine.topics import admin
from app.settings import Settings

_TEXT = String("utf-8")


class _LeftV3(Response):
    API_KEY = 13
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT), ("error_code", Int16))),
    )


class _LeaveV3(RequestStruct):
    API_KEY = 13
    API_VERSION = 3
    RESPONSE_TYPE = _LeftV3
    SCHEMA = Schema(("group", _TEXT), ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT))))


class _Leave(Request[_LeaveV3]):
    API_KEY = 13

    def __init__(self, group: str, member: str) -> None:
        self._group, self._member = group, member

    def build(self, request_struct_class: type[_LeaveV3]) -> _LeaveV3:
        return request_struct_class(self._group, [("", self._member)])


async def leave(settings: Settings, group: str, member: str) -> bool:
    """Removes the static member; False if the group does not know it. Raises `KafkaError`."""
    async with admin(settings) as client:
        coordinator = await client.find_coordinator(group)
        response = await client._send_request_to_node(coordinator, _Leave(group, member))
    codes = [response.error_code, *(one[2] for one in response.members)]
    for code in codes:
        if code:
            error = for_code(code)
            if error is UnknownMemberIdError:
                return False
            raise error(f"leaving group {group}")
    return True


def on_loopback(settings: Settings) -> bool:
    """Whether every broker of the settings is on this machine."""
    hosts = {one.strip().rpartition(":")[0] for one in settings.broker.split(",")}
    return hosts <= {"127.0.0.1", "localhost", "[::1]"}


def folder_of(settings: Settings, role: str) -> Path:
    """Where a role keeps its state in the datadir."""
    return Path(settings.datadir) / f"{settings.topic_prefix}{role}"


def member_id(settings: Settings, folder: Path) -> str:
    """Static member id: a restart on the same host and datadir takes its old place without a rebalance."""
    if settings.worker_id:
        return re.sub(r"[^A-Za-z0-9._-]", "-", settings.worker_id)[:200]
    place = hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=6).hexdigest()
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{socket.gethostname()}-{place}")[:200]
