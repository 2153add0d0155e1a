"""The embedded broker: noida-db, a 12 MB binary that speaks the Kafka protocol, as a child process on loopback.

For `kairos demo`, `kairos dev` and quick tests, so that they need nothing but pip. Measured limits, and why it is refused beyond loopback:
kill -9 of the broker loses about the last 0.4 s of acknowledged records (a clean stop loses nothing); a member killed with -9 is never
evicted from its group; everything stays in memory; no authentication, no TLS, one node. Production and every claim about durability: Kafka.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

START_S = 10.0
"""It answers within 0.1 s on an idle machine."""
STOP_S = 5.0
"""A clean stop writes its data; longer than this it is killed."""
_PR_SET_PDEATHSIG = 1

LIMITS = "embedded broker: one node on loopback, in memory; kill -9 of the broker loses the last 0.4 s. Use Apache Kafka for real work."
"""Shown wherever it is used."""


class Unavailable(RuntimeError):
    """The broker is not installed, or did not start; the message says which and what to do."""


class EmbeddedBroker:
    """A broker on 127.0.0.1. `port` 0: a free one. Use as a context manager, from the main thread.

    `keep`: what is in `datadir` survives a stop; else it is thrown away, which saves the seconds that a clean stop takes.
    """

    def __init__(self, datadir: Path, port: int = 0, keep: bool = True) -> None:
        self.datadir, self.port, self.keep = datadir, port, keep
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it accepts connections. Raises `Unavailable`."""
        binary = _binary()
        self.port = self.port or _free_port()
        if _answers(self.port):
            raise Unavailable(f"port {self.port} is in use")
        self.datadir.mkdir(parents=True, exist_ok=True)
        log = self.datadir / "broker.log"
        command = [str(binary), "start", "--only", "kafka", "--host", "127.0.0.1", "--kafka-port", str(self.port)]
        try:
            with log.open("wb") as out:
                self._process = subprocess.Popen(
                    [*command, "--data-dir", str(self.datadir)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C must stop Kairos first, then the broker
                    preexec_fn=_die_with_parent,
                )
        except OSError as error:
            raise Unavailable(f"the embedded broker does not run here ({error}); it needs Linux with glibc >= 2.34") from error
        deadline = time.monotonic() + START_S
        while not _answers(self.port):
            if self._process.poll() is not None:
                said = log.read_text("utf-8", "replace").strip().splitlines()
                raise Unavailable(f"the embedded broker ended at once: {said[-1] if said else 'it said nothing'}")
            if time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"the embedded broker did not answer within {START_S:.0f} s (its log: {log})")
            time.sleep(0.02)

    def stop(self) -> None:
        """With `keep` a clean stop: nothing acknowledged is lost. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if self.keep:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
        process.kill()
        process.wait()
        if not self.keep:
            shutil.rmtree(self.datadir, ignore_errors=True)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _binary() -> Path:
    # The binary itself, not the package's launcher: that spawns a child which a SIGTERM to the launcher would orphan.
    spec = importlib.util.find_spec("noida_db")
    path = Path(spec.submodule_search_locations[0]) / "noida-db" if spec and spec.submodule_search_locations else None
    if path is None or not path.is_file():
        raise Unavailable("the embedded broker is not installed: pip install 'kairos[embedded]', or use a Kafka and KAIROS_BROKER")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> None:
    # Linux only, like the binary: if Kairos is killed, the broker must not stay behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
