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

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "tests" / "packs" / "quick.toml"
SCRIPT = ROOT / "deploy" / "kafka.sh"
SECRET = "kill-proof-secret"
PUBLIC_URL = "https://kairos.example"
TICK_MS = 200
SESSION_MS = 4_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing() -> str | None:
    """Why no Kafka can be started here, or None."""
    try:
        found = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30).stderr
    except (OSError, subprocess.TimeoutExpired):
        return "no Java on this machine (Kafka needs Java 17)"
    version = found.split('"')[1].split(".")[0] if '"' in found else "0"
    if not version.isdigit() or int(version) < 17:
        return f"Java 17 is needed, found {version}"
    try:
        subprocess.run(["mvn", "-v"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return "no Maven on this machine (it fetches Kafka)"
    return None


class Broker:
    """A real Apache Kafka of one node, ours to kill. `home` keeps its data; `jars` is shared between brokers."""

    def __init__(self, home: Path, jars: Path) -> None:
        self.home, self._jars = home, jars
        self.port, self._controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, wait: float = 180.0) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["bash", str(SCRIPT), "fetch"], env={**os.environ, "KAFKA_HOME_DIR": str(self._jars)}, check=True)
        for jars in self._jars.glob("libs-*"):
            if not (here := self.home / jars.name).exists():
                here.symlink_to(jars)
        env = {
            **os.environ,
            "KAFKA_HOME_DIR": str(self.home),
            "PORT": str(self.port),
            "CONTROLLER_PORT": str(self._controller),
            "KAFKA_HEAP_OPTS": "-Xmx768M -Xms256M",
        }
        with (self.home / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", str(SCRIPT)], env=env, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Kafka ended at its start, see {self.home / 'broker.log'}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"Kafka did not answer within {wait} s")

    def kill(self) -> None:
        """kill -9, as a machine that loses power."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)


class Worker:
    """One worker of the cluster; killed and started again it keeps its name and datadir."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name, self._cluster = name, cluster
        self.datadir = cluster.home / name
        self.log = cluster.home / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

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
            log.write(f"--- start {self.starts} {failpoint}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker"], env=env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
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
