"""A real Apache Kafka on this machine, from Maven artifacts, as a process of its own (deploy/kafka.sh); data under .kairos/kafka."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "kafka.sh"
HOME = Path(".kairos/kafka")
START_S = 180.0
STOP_S = 30.0
JAVA = 17


class Unavailable(RuntimeError):
    """This machine cannot run it; the message says what is missing."""


def missing() -> str | None:
    """What this machine lacks for it, or None."""
    if not SCRIPT.is_file():
        return "deploy/kafka.sh is only in a source checkout"
    java = shutil.which(os.environ["JAVA_HOME"] + "/bin/java" if os.environ.get("JAVA_HOME") else "java")
    if java is None:
        return f"Java {JAVA} or later is needed"
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = text.split('"')[1].split(".")[0] if '"' in text else ""
    if not version.isdigit() or int(version) < JAVA:
        return f"Java {JAVA} or later is needed, found {version or 'none'}"
    if shutil.which("mvn") is None:
        return "Maven (mvn) is needed to fetch Kafka"
    return None


class LocalKafka:
    """One broker of its own: `home` holds data, log and process id, `jars` what Maven fetched (may be shared between brokers)."""

    def __init__(self, home: Path = HOME, port: int = 9092, jars: Path | None = None) -> None:
        self.home, self.port, self._jars = home, port, jars or home
        self.address = f"127.0.0.1:{port}"
        self._pid = home / "pid"

    def pid(self) -> int | None:
        """The broker's process, if it runs."""
        try:
            pid = int(self._pid.read_text("ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        # The script becomes the broker; another process may have got the number since.
        return pid if b"kafka.Kafka" in command or SCRIPT.name.encode() in command else None

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def up(self) -> bool:
        """Starts it and waits until it answers; False if it ran already. Raises `Unavailable`."""
        if self.pid() is not None and self.answers():
            return False
        if lacking := missing():
            raise Unavailable(lacking)
        if self.answers():
            raise Unavailable(f"something else listens on {self.address}")
        self.home.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "KAFKA_HOME_DIR": str(self.home), "PORT": str(self.port), "CONTROLLER_PORT": str(self.port + 1)}
        env["KAFKA_JARS_DIR"] = str(self._jars)
        with (self.home / "kafka.log").open("ab") as log:
            command = ["bash", str(SCRIPT)]
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self._pid.write_text(str(process.pid), "ascii")
        until = time.monotonic() + START_S
        while not self.answers():
            if process.poll() is not None:
                raise Unavailable(f"Kafka ended at once: {self._last_line()}")
            if time.monotonic() > until:
                self.down()
                raise Unavailable(f"Kafka did not answer within {START_S:.0f} s, see {self.home / 'kafka.log'}")
            time.sleep(0.2)
        return True

    def down(self) -> bool:
        """Stops it cleanly; False if it did not run."""
        pid = self.pid()
        if pid is None:
            self._pid.unlink(missing_ok=True)
            return False
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_S
        while self.pid() is not None and time.monotonic() < until:
            time.sleep(0.1)
        if self.pid() is not None:
            os.kill(pid, signal.SIGKILL)
        self._pid.unlink(missing_ok=True)
        return True

    def _last_line(self) -> str:
        lines = (self.home / "kafka.log").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "no message"
