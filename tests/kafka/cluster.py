"""A broker of our own and worker processes as an operator runs them: `python -m app worker`, one datadir each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from app.edges.local_kafka import LocalKafka

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "tests" / "packs" / "quick.toml"
JARS = ROOT / ".kairos" / "kafka"
SECRET = "kill-proof-secret"
PUBLIC_URL = "https://kairos.example"
TICK_MS = 200
SESSION_MS = 4_000


def free_port() -> int:
    """A port whose successor is free too: the controller listens there."""
    while True:
        with socket.socket() as probe, socket.socket() as successor:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                successor.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Broker(LocalKafka):
    """A real Apache Kafka of one node, ours to kill and to start again on the same data."""

    def __init__(self, home: Path) -> None:
        JARS.mkdir(parents=True, exist_ok=True)
        super().__init__(home, free_port(), JARS)

    def kill(self) -> None:
        """kill -9, as a machine that loses power."""
        pid = self.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Worker:
    """One worker of the cluster; killed and started again it keeps its name and datadir."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name, self._cluster = name, cluster
        self.datadir = cluster.home / name
        self.log = cluster.home / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.http: int | None = None
        """Port of its health and metrics, if it is to have any."""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Exit code of the last process; negative: the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def start(self, failpoint: str = "") -> None:
        """`failpoint`: `name:n`, the process kills itself with SIGKILL when it passes `name` for the n-th time."""
        assert not self.alive
        env = self._cluster.env(self.name, self.datadir)
        if failpoint:
            env["KAIROS_FAILPOINT"] = failpoint
        with self.log.open("ab") as log:
            log.write(f"--- {time.strftime('%H:%M:%S')} start {self.starts} {failpoint}\n".encode())
            log.flush()
            command = [sys.executable, "-m", "app", "worker"]
            if self.http is not None:
                command += ["--http", f"127.0.0.1:{self.http}"]
            self._process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self.starts += 1

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)

    def stop(self, wait: float = 30.0) -> float:
        """SIGTERM; returns the seconds the stop took."""
        begun = time.monotonic()
        self.signal(signal.SIGTERM)
        self.wait(wait)
        return time.monotonic() - begun

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)


class Cluster:
    """Topics under a prefix of their own and the workers on them; several clusters can share one broker."""

    def __init__(self, broker: str, prefix: str, home: Path, partitions: int = 4, pack: str = str(PACK)) -> None:
        self.broker, self.prefix, self.home, self.partitions, self.pack = broker, prefix, home, partitions, pack
        home.mkdir(parents=True, exist_ok=True)
        self.workers: dict[str, Worker] = {}

    def env(self, worker: str = "", datadir: Path | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
        return {
            **kept,
            "KAIROS_BROKER": self.broker,
            "KAIROS_TOPIC_PREFIX": self.prefix,
            "KAIROS_PARTITIONS": str(self.partitions),
            "KAIROS_POLICY": self.pack,
            "KAIROS_SECRET": SECRET,
            "KAIROS_PUBLIC_URL": PUBLIC_URL,
            "KAIROS_TICK_MS": str(TICK_MS),
            "KAIROS_SESSION_MS": str(SESSION_MS),
            "KAIROS_WORKER_ID": worker,
            "KAIROS_DATADIR": str(datadir or self.home / "none"),
            "KAIROS_CONFIG": str(self.home / "no-kairos.toml"),
        }

    def command(self, *arguments: str, wait: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs `kairos …` against this cluster."""
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments], env=self.env(), cwd=ROOT, capture_output=True, text=True, timeout=wait
        )

    def create_topics(self) -> None:
        done = self.command("topics", "create")
        if done.returncode:
            raise RuntimeError(f"kairos topics create: exit {done.returncode}: {done.stdout}{done.stderr}")

    def worker(self, name: str) -> Worker:
        return self.workers.setdefault(name, Worker(self, name))

    def stop(self) -> None:
        """Ends whatever still runs, without asking."""
        for worker in self.workers.values():
            if worker.alive:
                worker.signal(signal.SIGCONT)
                worker.kill()

    async def delete_topics(self) -> None:
        """Frees the broker's disk after a run."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        try:
            names = [name for name in await admin.list_topics() if name.startswith(self.prefix)]
            await admin.delete_topics(names)
        finally:
            await admin.close()
