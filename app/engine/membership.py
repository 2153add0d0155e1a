"""Taking a static member out of its group: aiokafka sends no LeaveGroup for static members, so its partitions wait a session for it."""

from __future__ import annotations

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
