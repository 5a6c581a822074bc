"""Cores, memory and name of the machine, as far as this process may use them."""

import os
import platform
import resource
from importlib import metadata
from pathlib import Path

# Folder of the control group's files, its limit and its use: version 2, then version 1.
_CONTROL_GROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
_PACKAGES = ("lrl-keras", "tensorflow", "keras", "numpy")


def cores():
    """Number of processor cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor():
    """Name of the processor."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def this_machine():
    """Dict of plain values: where a measurement was made, with the versions of packages."""
    return {
        "processor": processor(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def peak_memory():
    """Bytes of memory that this process has held at most."""
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    # Elsewhere this counts what the parent process held when it started this one.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_memory():
    """Bytes of memory that can still be used.

    On Linux what the kernel calls available, or less where the container or the batch system
    sets a limit; elsewhere all memory of the machine.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for folder, limit, used in _CONTROL_GROUPS:
        limit, used = (_lines(Path(folder) / name)[:1] for name in (limit, used))
        if limit and used and limit != ["max"]:
            found.append(int(limit[0]) - int(used[0]))
    return max(0, min(found))


def _lines(path):
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
