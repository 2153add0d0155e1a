"""What `kairos doctor` finds without a broker: the machine, the settings' risks, the packs that ship, the datadir."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from faust import streams
from msgspec import Struct

from app.domain.plural import count
from app.edges import local_kafka
from app.edges.disk import free, nearest, taken
from app.engine.membership import folder_of, on_loopback
from app.engine.store import CLUSTER, OPEN_FILES, OPENED
from app.policy.pack import BadPack, build, compile_artifact, shipped
from app.settings import DEMO_SECRET, Settings

GLIBC = (2, 34)
"""What the embedded broker's wheel needs; everything else runs with older ones."""
MEMORY_GB = (1.0, 2.0)
"""Below: bad, warn. A worker with 8 partitions and 50,000 people took 0.9 GB (tests/RESULTS.md)."""
DISK_GB = (1.0, 10.0)
SOCKETS = 200
"""Open files beside RocksDB's."""
SHORT_SECRET = 16
GB = 1e9


class Finding(Struct, frozen=True):
    """One line of the doctor: `what: found; advice`."""

    level: Literal["ok", "warn", "bad"]
    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.what}: {self.found}" + (f"; {self.advice}" if self.advice else "")


def _rated(value: float, limits: tuple[float, float], what: str, found: str, advice: str) -> Finding:
    level: Literal["ok", "warn", "bad"] = "bad" if value < limits[0] else "warn" if value < limits[1] else "ok"
    return Finding(level, what, found, "" if level == "ok" else advice)


# --- the machine ---------------------------------------------------------------------------------------------------------------------


def machine(settings: Settings) -> Iterator[Finding]:
    """What Kairos runs on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("ok", "python", python) if sys.version_info >= (3, 11) else Finding("bad", "python", python, "3.11 or later is needed")
    yield _libc()
    if streams._CStreamIterator is None:
        yield Finding("bad", "faust", "without its compiled extension", "reinstall faust-streaming with a wheel: a worker refuses to start")
    else:
        yield Finding("ok", "faust", "its compiled extension is there")
    cores = len(os.sched_getaffinity(0))
    yield _rated(cores, (1, 2), "cores", str(cores), "worker and broker on one core take turns: expect late timers under load")
    memory = _memory()
    if memory is not None:
        yield _rated(memory / GB, MEMORY_GB, "memory", f"{memory / GB:.1f} GB available", "a worker takes about 1 GB")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = settings.partitions * OPEN_FILES + SOCKETS
    advice = f"{settings.partitions} partitions may take {wanted}: raise `ulimit -n`"
    if soft == resource.RLIM_INFINITY:
        yield Finding("ok", "open files", "unlimited")
    else:
        yield _rated(soft, (SOCKETS + OPEN_FILES, wanted), "open files", str(soft), advice)
    yield from _extras()


def _libc() -> Finding:
    name, version = platform.libc_ver()
    found = f"{name} {version}".strip() or "not glibc"
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name == "glibc" and numbers >= GLIBC:
        return Finding("ok", "libc", found)
    return Finding("warn", "libc", found, f"the embedded broker needs glibc {GLIBC[0]}.{GLIBC[1]}: no `kairos demo` here; bring a Kafka")


def _memory() -> int | None:
    """Bytes a new process may have: what the machine has left, or its container's limit if that is less."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # no container, or no limit ("max")
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return min(found, default=None)


def _extras() -> Iterator[Finding]:
    """What only some commands need: never more than told."""
    lacking = local_kafka.missing()
    found = "a local Kafka can be run" if lacking is None else f"{lacking}, for `kairos kafka` and the tests only"
    yield Finding("ok", "java and maven", found)
    embedded = find_spec("noida_db") is not None
    found = "installed" if embedded else "not installed (extra `embedded`), for `kairos demo` and `dev` only"
    yield Finding("ok", "embedded broker", found)


# --- settings ------------------------------------------------------------------------------------------------------------------------


def risks(settings: Settings) -> list[Finding]:
    """What the settings risk; one ok line if nothing."""
    return list(_risks(settings)) or [Finding("ok", "settings", "no risk seen")]


def _risks(settings: Settings) -> Iterator[Finding]:
    far = not on_loopback(settings)
    if settings.secret == DEMO_SECRET:
        advice = "set one of your own before real people come: it keys person ids and links, changed later it makes strangers of all"
        yield Finding("bad" if far else "warn", "KAIROS_SECRET", "the demo's, which everybody knows", advice)
    elif len(settings.secret) < SHORT_SECRET:
        advice = "use 32 random ones (before the first event: changing it makes strangers of all)"
        yield Finding("warn", "KAIROS_SECRET", f"fewer than {SHORT_SECRET} characters", advice)
    if not settings.public_url.startswith("https://") and far:
        yield Finding("warn", "KAIROS_PUBLIC_URL", "not https", "one-click unsubscribe (RFC 8058) needs https; mail providers check it")
    if far and not settings.security_protocol.endswith("SSL"):
        password = settings.security_protocol.startswith("SASL") and settings.sasl_mechanism in ("", "PLAIN")
        found = f"{settings.security_protocol} to a broker on another machine"
        advice = "use SASL_SSL or SSL: people's addresses go over it" + (", and the password as it is" if password else "")
        yield Finding("bad" if password else "warn", "KAIROS_SECURITY_PROTOCOL", found, advice)
    if settings.security_protocol.startswith("SASL") and not (settings.sasl_username and settings.sasl_password):
        yield Finding("bad", "KAIROS_SASL_USERNAME", "no user or no password for SASL", "set KAIROS_SASL_USERNAME and KAIROS_SASL_PASSWORD")
    if settings.tls_ca and not os.access(settings.tls_ca, os.R_OK):
        yield Finding("bad", "KAIROS_TLS_CA", f"{settings.tls_ca} cannot be read", "name a readable PEM file")
    if far and settings.replication < 2:
        yield Finding("warn", "KAIROS_REPLICATION", str(settings.replication), "a lost disk is a lost journal: create topics with 3")
    if settings.failpoint:
        yield Finding("bad", "KAIROS_FAILPOINT", settings.failpoint, "unset it: the worker kills itself there, for tests")


# --- packs ---------------------------------------------------------------------------------------------------------------------------


def packs(settings: Settings) -> Iterator[Finding]:
    """Every pack that ships compiles, and so does the one a fresh cluster would start with."""
    for name in shipped():
        yield _pack(f"pack {name}", name, "the installation is damaged: reinstall")
    if settings.policy not in shipped():
        yield _pack("KAIROS_POLICY", settings.policy, "`kairos policy check` names every problem")


def _pack(what: str, name: str, advice: str) -> Finding:
    try:
        ref, data = build(name)
        built = compile_artifact(ref, data)
    except BadPack as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        return Finding("bad", what, f"{error.problems[0]}{more}", advice)
    return Finding("ok", what, f"{ref}, {count(len(built.triggers), 'trigger')}")


# --- the datadir ---------------------------------------------------------------------------------------------------------------------


def datadir(settings: Settings, cluster: str | None) -> Iterator[Finding]:
    """Where a worker of these settings keeps its state. `cluster`: the broker's cluster id, if it told."""
    folder = folder_of(settings, "core")
    place = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = "give the worker's user the right, or set KAIROS_DATADIR"
        yield Finding("bad", "datadir", f"{place} cannot be written: {error.strerror}", advice)
    else:
        yield Finding("ok", "datadir", f"{place} can be written")
    total = shutil.disk_usage(place).total
    advice = "state is a copy and can be restored, but a full disk ends the worker"
    yield _rated(free(folder) / GB, DISK_GB, "disk", f"{free(folder) / GB:.1f} of {total / GB:.0f} GB free at {place}", advice)
    if not folder.is_dir():
        yield Finding("ok", "state", f"{folder} is made by the first worker")
        return
    busy = _in_use(folder)
    stores = sorted((folder / "state").glob("partition-*"))
    used = "in use by a running worker" if busy else "not in use"
    found = f"{count(len(stores), 'partition')}, {taken(folder) / 1e6:,.0f} MB in {folder}, {used}"
    yield Finding("ok", "state", found)
    foreign = [one.name for one in stores if cluster and _cluster_of(one) != f"{cluster} {settings.partitions}"]
    if foreign:
        advice = "the next start throws it away and restores from the changelogs; check KAIROS_BROKER if that is a surprise"
        yield Finding("warn", "state", f"{len(foreign)} of another cluster or partition count", advice)
    unclean = [one.name for one in stores if (one / OPENED).exists()]
    if unclean and not busy:
        found = f"{count(len(unclean), 'partition was', 'partitions were')} left open by a worker that was killed"
        yield Finding("ok", "state", f"{found}: kept if the machine has not restarted since, else restored")


def _cluster_of(store: Path) -> str | None:
    try:
        return (store / CLUSTER).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _in_use(folder: Path) -> bool:
    try:
        with (folder / "LOCK").open() as lock:
            # Shared: two doctors do not disturb each other; a worker holds it exclusively.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
