"""Why the survivors of `mutants.py` survive: by the function, and the lines after the change.

Some changes are here twice: as the kept results name them, and, below "since the kept run", as a
new run does, because their function has another name or place now.
"""

from __future__ import annotations

EXPLAINED = {
    (
        "_cgroups.cpulist._union",
        "if low >= end + 1:",
    ): "the same: two ranges that meet are merged either way",
    (
        "_cgroups.cpuset._cpus",
        "return 1",
    ): "a malformed list of CPUs: a test was written after the run",
    (
        "_cgroups.cpuset._other_sources",
        'yield "cpuset", path, _text(system, path) or "XXXX"',
    ): "the same: a file that is not there gives no CPU either way",
    (
        "_cgroups.levels.Mount.__init__",
        "self.root, self.point = None",
    ): "a path of more than 16,384 characters: a test was written after the run",
    (
        "_cgroups.levels._Search._children",
        "return iter(None)  # what cannot be listed cannot be recognised as the process's own",
    ): "a directory that cannot be listed: a test was written after the run",
    (
        "_cgroups.levels._Search._find",
        "if directory is None or self.left <= 0:",
    ): "the search ends one character earlier, of four million",
    (
        "_cgroups.levels._chain",
        "covered = None",
    ): "differs only for a cover at the mount's own point, and such a mount is left out before",
    (
        "_cgroups.levels.membership",
        'number, controllers, path = [*line.split(":", 2), "", "XXXX"][:3]',
    ): "the same: neither text is a path",
    (
        "_cgroups.quota._quota",
        'burst = "XX0XX"  # it is never added: a burst that cannot be read changes nothing',
    ): "the same: neither text is a positive number",
    (
        "_cgroups.quota.hierarchy_of",
        'return HIERARCHIES[where.rpartition("/")[3]]',
    ): "only the watch of quotas calls it: a test was written after the run",
    (
        "_detectors._grants.read_membership",
        'return system.read(system.proc("cgroup")) or "XXXX"',
    ): "the same: neither text names a cgroup",
    (
        "_detectors._slurm_format._items",
        'at = text.rindex("]", at)',
    ): "two ranges in one list: a test was written after the run",
    (
        "_detectors.affinity.detect",
        'code, error = "affinity-empty", "XXXX"',
    ): "the same: this note shows no error",
    (
        "_detectors.core_kinds._cpus",
        'return parse_cpulist(system.read(path) or "XXXX")',
    ): "the same: neither text lists a CPU",
    (
        "_detectors.core_kinds._levels",
        "above = 1",
    ): "the same: the value is read only after the first CPU has replaced it",
    (
        "_detectors.cpu_cap.detect",
        'yield Limit("cpu-cap", "rate", cpus, name, line.rpartition(" ")[2])',
    ): "the same: a cap has one blank",
    (
        "_detectors.grid_engine.parse_hostfile",
        'name, count, *_ = [*line.split(), "XXXX", ""]',
    ): "the same: neither text is a count",
    (
        "_detectors.hypervisor._partition",
        'online = parse_cpulist(system.read(ONLINE) or "XXXX").bit_count()',
    ): "the same: neither text lists a CPU",
    (
        "_detectors.hypervisor.parse_lparcfg",
        'values = dict(line.strip().rpartition("=")[::2] for line in text.split("\\n"))',
    ): "the same: a line of the file has one equals sign",
    (
        "_detectors.lsf.detect",
        'counted, listed = system.env(COUNTED), (system.env(LISTED) or "XXXX").split()',
    ): "differs only on a host that is named XXXX",
    (
        "_detectors.machine._behind_the_view",
        'present, offline = system.read(PRESENT) or "XXXX", system.read(OFFLINE) or ""',
    ): "the same: neither text lists a CPU",
    (
        "_detectors.machine.detect",
        "online = None",
    ): "the same: neither value is a count",
    (
        "_detectors.native_affinity.detect",
        'yield malformed(call, text or "XXXX", "a line such as process 0-7")',
    ): "an empty answer: a test was written after the run",
    (
        "_detectors.platforms._render",
        'if whole_number(text.strip().replace(".", "", )):',
    ): "a count with two points: a test was written after the run",
    (
        "_detectors.platforms._shows_quota",
        'paths, _ = parse_membership(system.read(system.proc("cgroup")) or "XXXX")',
    ): "the same: neither text names a cgroup",
    (
        "_detectors.platforms._shows_quota",
        "system, controller, levels(system, controller, paths[controller], mounts), at_home=False",
    ): "the same: it decides about levels without a quota alone",
    (
        "_detectors.processor_groups.detect",
        'sets = dict(line.rpartition(" ")[::2] for line in lines)',
    ): "the same: a line has one blank",
    (
        "_detectors.rctl.parse_rule",
        'name, _, amount = action.rpartition("=")',
    ): "a rule with two equals signs: a test was written after the run",
    (
        "_launch.plan.read_outer",
        'name, _, number = pair.rpartition("=")',
    ): "a marker with two equals signs: a test was written after the run",
    (
        "_launch.plan.variables",
        'changed = {d.name: d.value for d in decisions if d.action in ("set", "lower") or d.value}',
    ): "what is kept among what is added: a test was written after the run",
    (
        "_pools.budget.Budget.__init__",
        'raise ValueError("a budget needs a part at least, as in budget(web=2, batch=1)")',
    ): "the words of the error: a test was written after the run",
    (
        "_pools.budget.Share.of",
        "return round_cpus(min(round(self.fraction * parallelism, 10), sys.maxsize))",
    ): "a share that is a hair less than one: a test was written after the run",
    (
        "_records.OverrideError.__init__",
        "super().__init__(None, value)",
    ): "the error's `args`: a test was written after the run",
    (
        "_records.OverrideError.__init__",
        "super().__init__(variable, None)",
    ): "the error's `args`: a test was written after the run",
    (
        "_records.Record.__repr__",
        "pairs = zip(type(self).__slots__, self._fields(), strict=False)",
    ): "the same: both have the same length",
    (
        "_sizes._levels",
        "for directories in levels(None, home, paths[home], mounts).directories:",
    ): "memory in a namespace that hides the process's directory: a test was written after the run",
    (
        "_sizes._total",
        'name, _, value = line.rpartition(":")',
    ): "the same: a line of the file has one colon",
    (
        "_survey.open_system",
        'raise ProcessLookupError(3, "XXno such processXX", str(pid))',
    ): "the words of the error: a test was written after the run",
    (
        "_survey.open_system",
        "raise ProcessLookupError(3, str(pid))",
    ): "the words of the error: a test was written after the run",
    # Since the kept run:
    (
        "_cgroups.cpuset._other_sources",
        'yield "cpuset", path, text_of(system, path) or "XXXX"',
    ): "the same: a file that is not there gives no CPU either way",
    (
        "_cgroups.cpuset.cpus_in",
        'return parse_cpulist(text_of(system, path) or "XXXX")',
    ): "the same: neither text lists a CPU",
    (
        "_cgroups.levels.read_own",
        'paths, _ = parse_membership(system.read(system.proc("cgroup")) or "XXXX")',
    ): "the same: neither text names a cgroup",
    (
        "_records.Record.__repr__",
        "pairs = zip(type(self).__match_args__, self._fields(), strict=False)",
    ): "the same: both have the same length",
}
