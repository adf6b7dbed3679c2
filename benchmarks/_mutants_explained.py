"""Why the survivors of `mutants.py` survive: by the function, and the lines after the change."""

from __future__ import annotations

EXPLAINED = {
    (
        "_cgroups.cpuset.isolated_cpus",
        'return 0, ISOLATED, "XXXX"',
    ): "the same: the text is used only if there are isolated CPUs",
    (
        "_cgroups.levels.levels",
        'own = names if not hidden else search.own(mount.point.rstrip("XX/XX"), hidden, names)',
    ): "differs only for a mount point whose name ends in X",
    (
        "_detectors._slurm_format.in_login",
        'text = system.read(system.proc("cgroup")) or "XXXX"',
    ): "the same: neither text has a line of a login's cgroup",
    (
        "_detectors.affinity._balanced",
        "apart, place = (mask & isolated).bit_count(), quoted(where, 201)",
    ): "a place of more than 200 characters is shown with one character more",
    (
        "_detectors.build_farm.detect",
        "break",
    ): "two farms at once, the first with a malformed count: a test was written after the run",
    (
        "_detectors.core_kinds._measured",
        "ends = (mask & -mask).bit_length() - 1, mask.bit_length() - 2",
    ): "this line was replaced after the run",
    (
        "_detectors.rctl.detect",
        "break",
    ): "a rule after a malformed one: a test was written after the run",
    (
        "_detectors.slurm.detect",
        "told = f\"job {job or own or 'XX?XX'}\"",
    ): "a job without a number: a test was written after the run",
    (
        "_detectors.cpu_cap.parse_cap",
        'name, _, value = line.rpartition(" ")',
    ): "the same: a line with a second blank has no such form either way",
    (
        "_detectors.cpu_sets.detect",
        'yield malformed(None, text or "", "a list of CPUs such as 0-3")',
    ): "no machine has a malformed list there yet",
    (
        "_detectors.cpu_sets.detect",
        'yield malformed(CALL, text or "XXXX", "a list of CPUs such as 0-3")',
    ): "the same: an empty text is a list of no CPUs, and is never malformed",
    (
        "_detectors.lpar.parse_partition",
        'entitled, virtual, logical = (_number(words.get(name, "XXXX")) '
        'for name in ("ent", "vcpu", "lcpu"))',
    ): "the same: neither text is a number",
    (
        "_detectors.processor_groups.detect",
        'all_cpus = int((system.fact("GetActiveProcessorCount") or "XX0XX")[:8])',
    ): "the same: without the count there is no note, and a text that is no number ends in none",
    (
        "_survey._load",
        'yield __import__(f"kumo._detectors.{name}", fromlist=("DETECT",)).detect',
    ): "the same: the import returns the module itself if the list has any name",
}
