"""How much memory this process may take."""

from pathlib import Path

# What bounds a group of processes, what it has, and what of that is files that the kernel would drop for it.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def total(root: Path = Path("/")) -> int:
    """Returns the bytes that this process may have at most: those of the machine, or of a control group's bound.

    Args:
      root: Where `/proc` and `/sys` are.
    """
    return min([_entry(root / "proc/meminfo", "MemTotal:") * 1024, *(bound for bound, _ in _groups(root))])


def available(root: Path = Path("/")) -> int:
    """Returns the bytes that the machine has left, and every control group that this process is in: the least.

    Args:
      root: Where `/proc` and `/sys` are.
    """
    return max(0, min([_entry(root / "proc/meminfo", "MemAvailable:") * 1024, *(left for _, left in _groups(root))]))


def _groups(root: Path) -> list[tuple[int, int]]:
    """Returns the bound, and what is left, of the groups of this process, of either version of control groups."""
    found = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            names = _V1 if controllers else _V2
            found += [_group(folder, names) for folder in _above(root / "sys/fs/cgroup" / controllers, path)]
    return [one for one in found if one is not None]


def _above(mount: Path, path: str) -> list[Path]:
    """Lists a group and those that it is in; inside a container, its path may be one that is not to be seen there."""
    own = mount / path.strip("/")
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(mount)]


def _group(folder: Path, names: tuple[str, str, str]) -> tuple[int, int] | None:
    """Returns a group's bound and what it has left; None where nothing bounds it, or it is no such group."""
    limit, usage, droppable = names
    try:
        bound, used = (int((folder / name).read_text(encoding="ascii")) for name in (limit, usage))
    except (OSError, ValueError):  # Version 2 says `max` where there is no bound.
        return None
    return bound, bound - used + _entry(folder / "memory.stat", droppable)


def _entry(path: Path, name: str) -> int:
    """Returns the number behind a name in a file of such lines; 0 where it has none."""
    return next((int(words[1]) for line in _lines(path) if (words := line.split())[0] == name), 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
