"""Why kumo differs from other projects' test cases, as `_differences` reads it.

Each row is a suite, a case and what differs, as patterns, and the reason. `DUMPS` is of `dumps.py`,
`SUITES` of `suites.py`.
"""

HAND = "edited by hand, no kernel writes it: "
DUMPS = (
    ("lscpu", "arm-A510-*", "cores",
     "the kernel's core_cpus_list has one CPU each; lscpu groups by core_id, which is "
     "unique within a package only"),
    ("lscpu", "arm-A510-*", "packages",
     "this kernel calls each cluster a package (physical_package_id 0, 1, 2)"),
    ("lscpu", "ppc64-POWER7*", "packages",
     "physical_package_id is -1 and core_siblings_list names the CPUs of one core: "
     "packages are unknown, lscpu takes each core for a socket"),
    ("lscpu", "s390-*", "packages",
     "physical_package_id is -1 and core_siblings_list names one CPU: packages are "
     "unknown, lscpu takes each CPU for a socket"),
    ("lscpu", "sparc64", "packages",
     "physical_package_id is -1 and core_siblings_list names one CPU: packages are "
     "unknown, lscpu takes each CPU for a socket"),
    ("lscpu", "sparc64", "caches",
     "no cache directory; lscpu takes l2_cache_size for a cache of each CPU, and nothing "
     "says who shares it"),
    ("hwloc", "16amd64-8n2c-cpusets*", "nodes",
     "hwloc leaves out nodes whose memory the cpuset forbids; their CPUs are there"),
    ("hwloc", "16ia64-8n2s", "packages",
     "list and physical_package_id contradict each other; kumo takes the number"),
    ("hwloc", "256ppc-*", "packages",
     "physical_package_id is -1 and core_siblings_list names the CPUs of one core: "
     "packages are unknown, hwloc takes each core for a package"),
    ("hwloc", "20s390-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2arm-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2i386-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2ps3-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "40intel64-4n10c+pci-conflicts", "*",
     HAND + "masks that contradict each other; hwloc drops what conflicts, kumo takes the first, "
     "with a note"),
    ("hwloc", "4fake-*", "cores",
     "no files of cores; hwloc shows none, kumo takes each CPU for one, with a note"),
    ("hwloc", "4fake-*", "nodes", HAND + "a node for each CPU, joined to groups by distance"),
    ("hwloc", "64amd64-4s2n4ca2co", "cores",
     "the kernel's thread_siblings are the two halves of a Bulldozer module; hwloc takes "
     "each half for a core"),
    ("hwloc", "8em64t-2s4c-asymcaches", "caches", HAND + "index2 without index0"),
    ("hwloc", "8ia64-*", "caches",
     "shared_cpu_map is 0, a fault of that kernel; hwloc guesses that each core has its "
     "own"),
    ("hwloc", "fakeheterocpunuma", "nodes",
     HAND + "overlapping nodes; kumo takes each CPU for its first, with a note"),
    ("hwloc", "fakeheterocpunuma", "kinds",
     HAND + "hwloc also tells kinds apart by the base frequency, among cores of one capacity"),
    ("hwloc", "fakememinitiators-*", "nodes",
     "hwloc shows nodes of memory alone with the CPUs that are near; kumo's nodes are "
     "those that have CPUs"),
    ("hwloc", "nvidia-dgx-gb10-nomidr", "kinds",
     "told to ignore the cores' model, hwloc takes each capacity for a kind; kumo joins "
     "those within 10 %"),
)  # fmt: skip

HIDDEN = "written by hand: / is the parent of the cgroup mounts and a sysfs stands on /sys, so "
MOVED = "the mount shows another cgroup, and "
SUITES = (
    ("go", "ParseCPUMount/v1", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("go", "ParseCPUMount/mixed", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("go", "ParseCPUMount/mixed_non-root", "quota",
     HIDDEN + "kumo reads the one mount that can be reached, /ignored/second/match"),
    ("go", "ParseCPUMount/out_of_namespace*", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("envoy", "DiscoverCgroupMount_*V1*", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("envoy", "GetCurrentCgroupPath_V2EmptyPath", "quota",
     "the kernel writes / for the root, never an empty path (cgroups(7), /proc/pid/cgroup)"),
    ("openjdk", "*container_moving_cgroup", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*testCgPathToMovedPath", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*testMountPrefixCgroupsV1*", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*_subsystem_path_adjusted *", "quota",
     "a path that begins with /.. is outside the namespace's root (cgroup_namespaces(7)); "
     "the JDK falls back to the mount's top, whose limits may be a stranger's"),
    ("automaxprocs", "CPUQuotaV2/only-max", "quota",
     "cpu.max always reads as two numbers (cgroup-v2, cpu.max); one is a form for writing."
     " kumo says malformed"),
    ("automaxprocs", "GroupPathDiscovery_Errors/cgroup-no-match", "quota",
     "a version 2 line with the number 1, which no kernel writes (cgroups(7): it is 0); "
     "num_cpus and automemlimit take such lines too"),
    ("tikv", "parse_cpu_quota_v1 18446744073709551616*", "quota",
     "2^64 does not fit a quota, which is a signed number of microseconds; kumo says "
     "malformed"),
    ("tikv", "parse_proc_cgroup_v2 *test-2", "quota",
     "two version 2 lines, of which no kernel writes more than one; tikv takes the last, "
     "kumo the first"),
    ("parallelly", "availableCores LSB_DJOB_NUMPROC", "grant",
     "LSF sets LSB_JOBID beside it; without it kumo takes the variable for a stray one"),
    ("parallelly", "availableCores PJM_PROC_BY_NODE", "grant",
     "the number of processes on a node, not of cores (Fujitsu's Job Operation Software, "
     "end-user's guide)"),
)  # fmt: skip
