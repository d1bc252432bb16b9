"""How much memory is left, by what Linux says in files."""

import pytest

from components.trainer import memory

GIB = 2**30


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def machine(tmp_path):
    write(tmp_path, {"proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {8 * 2**20} kB\n"})
    return tmp_path


def test_it_is_what_the_machine_has_left(machine):
    assert memory.available(machine) == 8 * GIB
    assert memory.total(machine) == 16 * GIB
    assert 2**20 < memory.available() < memory.total() < 2**50


def test_a_group_bounds_it_by_what_it_has_not_used(machine):
    write(machine, {"proc/self/cgroup": "0::/a/b\n"})
    group = {"memory.max": f"{3 * GIB}", "memory.current": f"{2 * GIB}", "memory.stat": f"anon 7\ninactive_file {GIB}"}
    write(machine / "sys/fs/cgroup/a/b", group)
    assert memory.available(machine) == 2 * GIB
    assert memory.total(machine) == 3 * GIB


@pytest.mark.parametrize("group", ["a/b", "a", ""])
def test_the_tightest_group_above_counts(machine, group):
    write(machine, {"proc/self/cgroup": "0::/a/b\n"})
    write(machine / "sys/fs/cgroup/a/b", {"memory.max": "max", "memory.current": "1"})
    write(machine / "sys/fs/cgroup" / group, {"memory.max": f"{GIB}", "memory.current": "1000"})
    assert memory.available(machine) == GIB - 1000


def test_groups_of_the_first_version_bound_it_too(machine):
    """In a container the group's own path, as the host names it, is not there."""
    write(machine, {"proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/7f\n1:cpu:/\n0::/\n"})
    group = {"memory.limit_in_bytes": f"{2 * GIB}", "memory.usage_in_bytes": f"{GIB}"}
    write(machine / "sys/fs/cgroup/memory", group | {"memory.stat": "inactive_file 5\ntotal_inactive_file 24\n"})
    assert memory.available(machine) == GIB + 24
    assert memory.total(machine) == 2 * GIB


def test_a_group_that_has_more_than_it_may_leaves_nothing(machine):
    write(machine, {"proc/self/cgroup": "0::/\n"})
    write(machine / "sys/fs/cgroup", {"memory.max": "1000", "memory.current": "2000"})
    assert memory.available(machine) == 0
