"""Machine files of machines that have a regular shape.

    python tests/topology/shapes.py epyc > tests/topology/machines/epyc-7601.txt

The numbers of CPUs, and which are siblings, are those of the report that each shape names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"


def cpulist(cpus: list[int]) -> str:
    return ",".join(str(cpu) for cpu in sorted(cpus))


def section(name: str, text: object) -> str:
    return f"-- {name} --\n{text}\n"


def group(places: list[int], files: dict[str, object]) -> Iterator[str]:
    """The files of a group's CPUs. kumo reads them of the first of its CPUs that it meets."""
    for cpu in places:
        for name, text in files.items():
            yield section(f"{CPU}/cpu{cpu}/{name}", text)


def regular(
    packages: int, nodes: int, caches: int, cores: int, threads: int, every: bool = False
) -> str:
    """*nodes* a package, *caches* a node, *cores* a cache, *threads* a core.

    The first threads of all cores come first, as on x86; *every* gives each CPU's files.
    """
    count = packages * nodes * caches * cores
    everything = [*range(count * threads)]

    def cpus(first: int, width: int) -> list[int]:
        return [core + count * t for t in range(threads) for core in range(first, first + width)]

    parts = [
        section("!affinity", f"0-{everything[-1]}"),
        section(f"{CPU}/online", f"0-{everything[-1]}"),
    ]
    parts.append(section(f"{NODE}/online", f"0-{packages * nodes - 1}"))
    for node in range(packages * nodes):
        width = caches * cores
        parts.append(section(f"{NODE}/node{node}/cpulist", cpulist(cpus(node * width, width))))
    for package in range(packages):
        own = cpus(package * (count // packages), count // packages)
        files: dict[str, object] = {
            "topology/package_cpus_list": cpulist(own),
            "topology/physical_package_id": package,
            "topology/die_cpus_list": cpulist(own),
            "topology/die_id": 0,
        }
        parts += group(own if every else own[:1], files)
    for cache in range(packages * nodes * caches):
        own = cpus(cache * cores, cores)
        files = {
            "cache/index0/level": 1,
            "cache/index1/level": 3,
            "cache/index1/shared_cpu_list": cpulist(own),
        }
        parts += group(own if every else own[:1], files)
    for core in range(count):
        own = cpus(core, 1)
        parts += group(own if every else own[:1], {"topology/core_cpus_list": cpulist(own)})
    return "".join(parts)


def epyc() -> str:
    return (
        "Two AMD EPYC 7601: 128 CPUs, two threads a core, 32 cores a socket, 8 NUMA nodes, as\n"
        "lscpu has them in https://github.com/nviennot/core-to-core-latency/issues/106\n"
        "An L3 cache for every four cores; the numbers are Linux's usual, second threads last.\n"
        + regular(packages=2, nodes=4, caches=2, cores=4, threads=2)
        + "-- expect --\nparallelism 128\nphysical_cores 64\nnodes 8\npackages 2\n"
        "caches 16\ncapacity 128\nsplit 2 0-31,64-95 32-63,96-127\n"
    )


def milan() -> str:
    return (
        "Two AMD EPYC 7763 with four NUMA nodes a socket (NPS4): 256 CPUs, 64 cores a socket, an\n"
        "L3 cache for every eight cores. The numbers are Linux's usual, second threads last. The\n"
        "process is in a job of 24 cores, and the CPUs 56-63 are isolated; both are made up.\n"
        + regular(packages=2, nodes=4, caches=2, cores=8, threads=2).replace(
            "-- !affinity --\n0-255", "-- !affinity --\n40-63,168-179"
        )
        + "".join(  # of its first CPU
            group(
                [40],
                {
                    "topology/package_cpus_list": "0-63,128-191",
                    "topology/physical_package_id": 0,
                },
            )
        )
        + section(f"{CPU}/present", "0-255")
        + section(f"{CPU}/isolated", "56-63")
        + "-- expect --\nphysical_cores 24\nnodes 2\npackages 1\n"
        "caches 3\nsplit 2 40-47,168-175 48-55,176-179\n"
    )


def hybrid() -> str:
    """Intel numbers the threads of the P cores first, in pairs, then the E cores."""
    pairs = [[2 * core, 2 * core + 1] for core in range(8)]
    singles = [[cpu] for cpu in range(16, 24)]
    return (
        "Intel Core i9-12900K: 8 P cores with two threads, 8 E cores with one.\n"
        "The directories of the two kinds: https://github.com/open-mpi/hwloc/pull/591\n"
        + section("!affinity", "0-23")
        + section(f"{CPU}/online", "0-23")
        + section(f"{NODE}/online", "0")
        + section(f"{NODE}/node0/cpulist", "0-23")
        + section("/sys/devices/cpu_core/cpus", "0-15")
        + section("/sys/devices/cpu_atom/cpus", "16-23")
        + "".join(
            group(
                [0],
                {
                    "topology/package_cpus_list": "0-23",
                    "topology/physical_package_id": 0,
                    "topology/die_cpus_list": "0-23",
                    "topology/die_id": 0,
                    "cache/index0/level": 1,
                    "cache/index1/level": 1,
                    "cache/index2/level": 2,
                    "cache/index3/level": 3,
                    "cache/index3/shared_cpu_list": "0-23",
                },
            )
        )
        + "".join(
            text
            for core in pairs + singles
            for text in group(core[:1], {"topology/core_cpus_list": cpulist(core)})
        )
        + "-- expect --\nparallelism 24\nphysical_cores 16\nnodes 1\npackages 1\ncaches 1\n"
        "kind performance 0-15\nkind efficiency 16-23\nsplit 2 0-15 16-23\n"
    )


def big_little() -> str:
    return (
        "Rockchip RK3588: CPUs 0-3 are Cortex-A55, 4-7 Cortex-A76, as in\n"
        "https://github.com/ThomasKaiser/sbc-bench/blob/master/results/reviews/Rock-5b.md; the\n"
        "capacities are those of the kernel's device tree, capacity-dmips-mhz.\n"
        + section("!affinity", "0-7")
        + section(f"{CPU}/online", "0-7")
        + "".join(
            text
            for cpu in range(8)
            for text in group(
                [cpu],
                {
                    "topology/core_cpus_list": cpu,
                    "topology/package_cpus_list": "0-7",
                    "topology/physical_package_id": 0,
                    "cpu_capacity": 530 if cpu < 4 else 1024,
                },
            )
        )
        + "-- expect --\nparallelism 8\nphysical_cores 8\nnodes 0\npackages 1\n"
        f"capacity {4 + 4 * 530 / 1024:g}\nsplit 2 4-7 0-3\n"
    )


def power() -> str:
    """POWER numbers a core's threads one after the other, and its nodes 0 and 8."""
    cores = [[*range(4 * core, 4 * core + 4)] for core in range(32)]
    return (
        "Two POWER9 with SMT4: NUMA nodes 0 and 8 of 64 CPUs each, and nodes 252 to 255 that are\n"
        "memory alone, as numactl shows them in https://github.com/autotest/tp-qemu/pull/1794\n"
        + section("!affinity", "0-127")
        + section(f"{CPU}/online", "0-127")
        + section(f"{NODE}/online", "0,8,252-255")
        + section(f"{NODE}/node0/cpulist", "0-63")
        + section(f"{NODE}/node8/cpulist", "64-127")
        + "".join(section(f"{NODE}/node{node}/cpulist", "") for node in range(252, 256))
        + "".join(
            text
            for cpu, cpus, number in ((0, "0-63", 0), (64, "64-127", 8))
            for text in group(
                [cpu],
                {"topology/core_siblings_list": cpus, "topology/physical_package_id": number},
            )
        )
        + "".join(
            text
            for core in cores
            for text in group(core[:1], {"topology/thread_siblings_list": cpulist(core)})
        )
        + "-- expect --\nparallelism 128\nphysical_cores 32\nnodes 2\npackages 2\n"
        "split 2 0-63 64-127\nsplit 4 0-31 32-63 64-95 96-127\n"
    )


def apple() -> str:
    return (
        "Apple M1 Pro: 8 fast and 2 efficient cores, the sysctls of\n"
        "https://github.com/Dr-Noob/cpufetch/issues/139\n"
        + section("!platform", "darwin")
        + section("!hw.activecpu", "10")
        + section("!hw.perflevel", "Performance 8\nEfficiency 2")
        + "-- expect --\nparallelism 10\nphysical_cores 10\n"
        "kind performance 0-7\nkind efficiency 8-9\nsplit 2 0-7 8-9\n"
    )


SHAPES: dict[str, Callable[[], str]] = {
    "epyc": epyc,
    "milan": milan,
    "hybrid": hybrid,
    "big-little": big_little,
    "power": power,
    "apple": apple,
}

if __name__ == "__main__":
    sys.stdout.write(SHAPES[sys.argv[1]]())
