"""What Linux tells of a process: CPU seconds, memory, who listens on a port. Zero or None where it tells nothing."""

from __future__ import annotations

import os
from pathlib import Path

LISTENING = "0A"
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int | None) -> float:
    """User and system seconds so far, all threads; 0 if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss(pid: int) -> int:
    """Resident memory now, in bytes."""
    return _memory(pid, "VmRSS:")


def peak_rss(pid: int) -> int:
    """Highest resident memory so far, in bytes."""
    return _memory(pid, "VmHWM:")


def _memory(pid: int, name: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def listening(port: int) -> int | None:
    """The process that listens on a local TCP port, if we may know."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        inodes |= {row.split()[9] for row in rows if row.split()[3] == LISTENING and int(row.split()[1].rpartition(":")[2], 16) == port}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if any(os.readlink(link) in wanted for link in (entry / "fd").iterdir()):
                    return int(entry.name)
            except OSError:
                continue  # not ours to look into, or gone
    return None


def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"
