"""Learning recommendations anew while the shop is open: from everybody's tastes and the catalogue, as this worker follows them.

The worker that owns `facts` does it, each `refresh` of the active pack. A thread learns; lanes go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from app import events
from app.agents import similarity, table
from app.agents.kinds import encode_model
from app.agents.recommender_program import Tastes, likings
from app.agents.table import Log, NothingToLearn, NotInstalled
from app.domain import consent
from app.domain.catalogue import Item, decode
from app.domain.neighbours import Model
from app.domain.recommended import RECOMMENDATIONS
from app.domain.trigger import Pack
from app.engine import artifacts
from app.engine.artifacts import POLICY, Artifacts
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.engine.rows import HEADER_SIZE, MARKS
from app.events import Activate
from app.flow import TABLES

log = logging.getLogger("kairos.recommender")

KEPT = 4
"""Models that stay on the topic, the active one among them; a plan is rendered within seconds, and one whose model is gone goes on without.
Hourly models of a large shop would fill every worker's memory."""
LOOK_S = 5.0
"""How often is looked whether it is time."""
ROW = b"p"
_tastes = msgspec.msgpack.Decoder(Tastes).decode


def superseded(there: Artifacts, ref: str) -> list[list[Output]]:
    """What takes the models off the topic that `ref`, newly published, leaves behind; oldest first."""
    active = there.active.get(RECOMMENDATIONS)
    old = [one for one in there.of(RECOMMENDATIONS) if one not in (ref, active)]
    return [artifacts.taken_off(one, there.chunks(one)) for one in old[: max(0, len(old) - (KEPT - 2))]]


class Refresh:
    """`run()` until it is cancelled. `worker`: of role insight, with its artifacts, followers and producer."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.learned_at = 0
        """The journal's time at the newest model of this process (ms)."""
        self._said = ""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self.is_leader():
                continue
            pack, now = self.pack(), self.now()
            if pack is None or not pack.recommendations.refresh or now - self._last() < pack.recommendations.refresh:
                continue
            if await self.learn(pack, now):
                self.learned_at = now

    def is_leader(self) -> bool:
        """Of all workers of the role the one that has the only partition of `facts`, and has read what everybody likes."""
        worker = self._worker
        place = worker.settings.topic("facts")
        follower = worker.followers.get(TABLES["tastes"].changelog)
        mine = worker.is_ready() and any(tp.topic == place for tp in worker.app.consumer.positions)
        return bool(mine and follower is not None and follower.caught_up and worker.artifacts.caught_up)

    def pack(self) -> Pack | None:
        """The active one; None before there is one."""
        known: Artifacts = self._worker.artifacts
        ref = known.active.get(POLICY)
        if ref is None:
            return None
        pack: Pack = known.packs(ref)
        return pack

    def now(self) -> int:
        return int(self._worker.time_map(wall_ms()))

    def _last(self) -> int:
        """As of when the active model was learned (ms): after a start nobody begins anew."""
        known: Artifacts = self._worker.artifacts
        ref = known.active.get(RECOMMENDATIONS)
        model = None if ref is None or known.data(ref) is None else known.packs(ref)
        return max(self.learned_at, model.as_of if isinstance(model, Model) else 0)

    async def learn(self, pack: Pack, now: int) -> bool:
        """Whether it is done for this time; an outage of the broker is tried again at once."""
        try:
            data = await _in_thread(self._learned, pack)
            ref, data = encode_model(data, self._worker.settings.model_mb)
        except (NothingToLearn, NotInstalled, ValueError, RuntimeError) as error:
            if str(error) != self._said:  # said once, not hourly
                self._said = str(error)
                log.warning("no recommendations are learned: %s", error)
            return True
        self._said = ""
        known: Artifacts = self._worker.artifacts
        if known.active.get(RECOMMENDATIONS) == ref:
            return True
        producer = self._worker.producer
        try:
            await artifacts.publish(producer, RECOMMENDATIONS, ref, data)
            ask = events.encode(Activate(now, RECOMMENDATIONS, ref))
            await producer.publish([Output("control", None, ask, partition=0)])
            for old in superseded(known, ref):
                await producer.publish(old)
        except KafkaError as error:
            log.warning("recommendations: %s", error)
            return False
        log.info("recommendations learned: %s, %d bytes", ref, len(data))
        return True

    def _learned(self, pack: Pack) -> bytes:
        said, silence_tracks = pack.recommendations, consent.silence_tracks(pack)
        catalogue = self._catalogue()
        if not catalogue:
            raise NothingToLearn("there is no catalogue, so that nothing could be shown")
        learned = Log()
        into: dict[str, str] = {}
        for person_id, tastes in self._tastes():
            if tastes.into:
                into[person_id] = tastes.into
            for one in likings(person_id, tastes, silence_tracks):
                if one.product_id in catalogue:
                    learned.add(one)
        learned.join(into)
        return similarity.model(table.table(learned, catalogue, said.weights), said)

    def _tastes(self) -> Iterator[tuple[str, Tastes]]:
        for key, value in self._worker.followers[TABLES["tastes"].changelog].items():
            if key != MARKS and key[:1] == ROW and len(value) > HEADER_SIZE:
                yield key[1:].decode(), _tastes(value[HEADER_SIZE:])

    def _catalogue(self) -> dict[str, Item]:
        follower = self._worker.followers.get("products")
        return {} if follower is None else {item.product_id: item for _, value in follower.items() for item in (decode(value),)}


async def _in_thread(work: Callable[[Pack], bytes], pack: Pack) -> bytes:
    """In a thread that no stop waits for: what it has not finished is learned after the next start."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def run() -> None:
        try:
            found = work(pack)
        except BaseException as error:
            _tell(loop, done, done.set_exception, error)
        else:
            _tell(loop, done, done.set_result, found)

    threading.Thread(target=run, name="kairos-recommender", daemon=True).start()
    return await done


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[bytes], say: Callable[[Any], None], what: Any) -> None:
    def tell() -> None:
        if not done.done():
            say(what)

    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(tell)
