"""Machines that no machine file shows: odd values, files that are closed, what stands at an edge.

`ODD` has what is added to a plain machine, by its name; odd.txt what the estimate then says.
"""

from __future__ import annotations

Sections = dict[str, str | None]

PLAIN: Sections = {"!platform": "linux", "!affinity": "0-3", "!hostname": "h1"}
V2_MOUNT = "26 24 0:26 / /c rw - cgroup2 cgroup rw"
V1_MOUNT = "26 24 0:26 / /c rw - cgroup cgroup rw,cpu"
V2: Sections = {"/proc/self/cgroup": "0::/a/b", "/proc/self/mountinfo": V2_MOUNT}
V1: Sections = {"/proc/self/cgroup": "4:cpu:/a", "/proc/self/mountinfo": V1_MOUNT}
SLURM: Sections = {"$SLURM_JOB_ID": "7", "$SLURMD_NODENAME": "h1"}
TASK: Sections = {
    **SLURM,
    "$SLURM_CPUS_ON_NODE": "4",
    "$SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "$SLURM_TASKS_PER_NODE": "2(x2),1",
}
STEP: Sections = {
    "$SLURM_JOB_ID": "7",
    "$SLURM_CPUS_PER_TASK": "8",
    "$SLURM_CPUS_ON_NODE": "8",
    "/proc/self/cgroup": "0::/slurm/job_7/step_0",
}
PBS: Sections = {"$PBS_JOBID": "7.s", "$NCPUS": "4", "$PBS_NODEFILE": "/list"}
TORQUE: Sections = {"$PBS_JOBID": "7.s", "$PBS_VERSION": "TORQUE-6.1", "$PBS_NODEFILE": "/list"}
GRID: Sections = {"$NSLOTS": "4", "$JOB_ID": "7"}
LSF: Sections = {"$LSB_JOBID": "7"}
FLUX: Sections = {"$FLUX_JOB_ID": "f2e"}
LONG = "x" * 61
CPU = "/sys/devices/system/cpu"
UNKNOWN_HOST: Sections = {"!hostname": None}

ODD: dict[str, Sections] = {
    # Slurm
    "slurm: the first node of three": {**TASK, "$SLURM_NODEID": "0"},
    "slurm: the last node of three": {**TASK, "$SLURM_NODEID": " 2 "},
    "slurm: a node beyond the last": {**TASK, "$SLURM_NODEID": "3"},
    "slurm: no number of the node": TASK,
    "slurm: a step that is a batch script's": {
        **TASK,
        "$SLURM_TASKS_PER_NODE": "2",
        "$SLURM_NODEID": "0",
        "$SLURM_CPUS_PER_TASK": "2",
    },
    "slurm: malformed tasks": {
        **TASK,
        "$SLURM_TASKS_PER_NODE": "x",
        "$SLURM_STEP_TASKS_PER_NODE": "x",
    },
    "slurm: one task for more than half of the node": {
        **SLURM,
        "$SLURM_CPUS_PER_TASK": "3",
        "$SLURM_CPUS_ON_NODE": "5",
    },
    "slurm: more tasks than CPUs": {
        **TASK,
        "$SLURM_STEP_TASKS_PER_NODE": "5",
        "$SLURM_TASKS_PER_NODE": "5",
        "$SLURM_NODEID": "0",
    },
    "slurm: a step that is smaller than its job": STEP,
    "slurm: a step as large as its job": {**STEP, "!affinity": "0-7"},
    "slurm: a step of several tasks that is smaller": {
        **TASK,
        "$SLURM_NODEID": "0",
        "$SLURM_CPUS_PER_TASK": "3",
        "!affinity": "0-7",
    },
    "slurm: a step with overcommit": {**STEP, "$SLURM_OVERCOMMIT": "1"},
    "slurm: a batch script": {**STEP, "/proc/self/cgroup": "0::/slurm/job_7/step_batch"},
    "slurm: a task without the count of its node": {
        **SLURM,
        "$SLURM_CPUS_PER_TASK": "8",
        "/proc/self/cgroup": "0::/slurm/job_7/step_0",
    },
    "slurm: nothing says that it is a task": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_CPUS_PER_TASK": "8",
        "$SLURM_CPUS_ON_NODE": "9",
        "$SLURM_JOB_NODELIST": "h1",
    },
    "slurm: a long list of nodes": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_CPUS_PER_NODE": "4",
        "$SLURM_JOB_NODELIST": ",".join(f"node{number:03}" for number in range(30)),
    },
    "slurm: a heterogeneous job": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_HET_SIZE": "2",
        "$SLURM_JOB_CPUS_PER_NODE": "4",
        "/proc/self/cgroup": "0::/slurm/job_8/step_0",
    },
    "slurm: another job's variables": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_CPUS_PER_NODE": "4",
        "$SLURM_CPUS_PER_TASK": "2",
        "$SLURM_CPUS_ON_NODE": "3",
        "$SLURM_JOB_NODELIST": "n[1-2]",
        "/proc/self/cgroup": "0::/slurm/job_8/step_0",
    },
    "slurm: another node's variables": {**SLURM, "$SLURMD_NODENAME": "h2"},
    "slurm: no host has a name": {**SLURM, **UNKNOWN_HOST},
    "slurm: the second node of the list": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_CPUS_PER_NODE": "4,3(x2)",
        "$SLURM_JOB_NODELIST": "a,h1,b",
    },
    "slurm: fewer counts than nodes": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_CPUS_PER_NODE": "4,3",
        "$SLURM_JOB_NODELIST": "a,b,h1",
    },
    "slurm: a malformed list of nodes": {**SLURM, "$SLURM_JOB_NODELIST": "n["},
    "slurm: malformed counts": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_CPUS_PER_NODE": "4(x",
        "$SLURM_JOB_NODELIST": "h1",
    },
    "slurm: one count for all nodes, and the host is not known": {
        "$SLURM_JOB_CPUS_PER_NODE": "4(x2)",
        "/proc/self/cgroup": "0::/slurm/job_8/step_0",
    },
    "slurm: a shell of salloc in a login": {
        "$SLURM_JOB_ID": "7",
        "$SLURM_JOB_NODELIST": "h1",
        "$SLURM_JOB_CPUS_PER_NODE": "2",
        "/proc/self/cgroup": "0::/user.slice/user-1.slice/session-1.scope",
    },
    "slurm: a login's cgroup": {
        **SLURM,
        "$SLURM_JOB_ID": "7" * 61,
        "$SLURM_CPUS_ON_NODE": "4",
        "/proc/self/cgroup": "0::/user.slice/" + "u" * 200,
    },
    # PBS and TORQUE
    "pbs: no list of hosts": {"$PBS_JOBID": "7.s", "$NCPUS": "4"},
    "pbs: the list is another host's": {**PBS, "$PBS_NODEFILE": "/" + "x" * 250},
    "pbs: the list names others": {**PBS, "/list": "h2\nh3"},
    "pbs: the list names this host": {**PBS, "/list": "h1.example.org\nh3"},
    "pbs: the list names this host twice": {**PBS, "/list": "h1\nh1"},
    "pbs: twice, in the job's own cpuset": {
        **PBS,
        "/list": "h1\nh1",
        "!affinity": "0-7",
        "/proc/self/cgroup": "4:cpuset:/pbspro.service/jobid/7.s",
    },
    "pbs: twice, in a cpuset as large": {
        **PBS,
        "/list": "h1\nh1",
        "/proc/self/cgroup": "4:cpuset:/pbspro.service/jobid/7.s",
    },
    "pbs: a sister": {**PBS, "$PBS_NODENUM": "1"},
    "pbs: the mother superior without its list": {**PBS, "$PBS_NODENUM": "00"},
    "pbs: a list that is closed": {**PBS, "$PBS_NODENUM": "1", "/list (EACCES)": ""},
    "pbs: no count": {"$PBS_JOBID": "7.s", "$PBS_NODEFILE": "/list", "/list": "h1"},
    "pbs: a malformed count": {**PBS, "$NCPUS": "x", "/list": "h1"},
    "pbs: no host has a name": {**PBS, **UNKNOWN_HOST, "/list": "h2"},
    "torque: slots": {**TORQUE, "/list": "h1\nh2\nh1"},
    "torque: slots, by the variable alone": {
        "$PBS_JOBID": "7.s", "$PBS_NUM_PPN": "2", "$PBS_NODEFILE": "/list", "/list": "h1",
    },
    "torque: the list names others": {
        **TORQUE, "$PBS_NP": "8", "$PBS_NUM_PPN": LONG, "/list": "h2",
    },
    "torque: a list that is closed": {**TORQUE, "/list (EACCES)": ""},
    "torque: a list that is not here": TORQUE,
    "torque: no list of hosts": {"$PBS_JOBID": "7.s", "$PBS_VERSION": f"TORQUE-{LONG}"},
    # Grid Engine
    "grid engine: on one host": {**GRID, "$NHOSTS": "1"},
    "grid engine: on several": {**GRID, "$NHOSTS": "2"},
    "grid engine: on hosts whose number is not known": GRID,
    "grid engine: a malformed number of hosts": {**GRID, "$NHOSTS": "x"},
    "grid engine: malformed slots": {**GRID, "$NSLOTS": "x", "$NHOSTS": "1"},
    "grid engine: another host's": {**GRID, "$NHOSTS": "1", "$HOSTNAME": "h2"},
    "grid engine: this host's": {**GRID, "$NHOSTS": "1", "$HOSTNAME": "h1.example.org"},
    "grid engine: no job": {"$NSLOTS": "4" * 61},
    "grid engine: a list with blank lines": {
        **GRID, "$PE_HOSTFILE": "/list", "/list": "\n \nh1 3 q x\nh2 5 q x",
    },
    "grid engine: a malformed list": {**GRID, "$PE_HOSTFILE": "/list", "/list": "h1 3\nh1 x"},
    "grid engine: a list of others": {**GRID, "$PE_HOSTFILE": "/list", "/list": "h2 3"},
    "grid engine: a list that is not here": {**GRID, "$PE_HOSTFILE": "/list"},
    "grid engine: a list that is closed": {
        **GRID, "$PE_HOSTFILE": "/list", "/list (EACCES)": "", "$NHOSTS": "1",
    },
    "grid engine: no host has a name": {
        **GRID, **UNKNOWN_HOST, "$PE_HOSTFILE": "/list", "/list": "h2 3",
    },
    # LSF
    "lsf: slots of all hosts": {**LSF, "$LSB_MCPU_HOSTS": "h2 4 h1 3", "$LSB_HOSTS": "h1"},
    "lsf: a list of hosts": {**LSF, "$LSB_HOSTS": "h1 h2 h1"},
    "lsf: malformed slots": {**LSF, "$LSB_MCPU_HOSTS": "h1 x", "$LSB_HOSTS": "h1 h2 h1"},
    "lsf: malformed slots alone": {**LSF, "$LSB_MCPU_HOSTS": "h1"},
    "lsf: others": {**LSF, "$LSB_MCPU_HOSTS": "h2 4"},
    "lsf: others in the list": {**LSF, "$LSB_HOSTS": "h2"},
    "lsf: nothing but the job": LSF,
    "lsf: the number of all": {**LSF, "$LSB_DJOB_NUMPROC": "16"},
    "lsf: bound tasks": {
        **LSF, "$LSB_HOSTS": "h1", "$LSB_AFFINITY_HOSTFILE": "/aff",
        "/aff": "h1 0,1\n\nh2 5\nh1 1,2 0 1",
    },
    "lsf: malformed tasks": {
        **LSF, "$LSB_HOSTS": "h1", "$LSB_AFFINITY_HOSTFILE": "/aff", "/aff": "h1 0\nh1 x",
    },
    "lsf: a file that is not here": {
        **LSF, "$LSB_HOSTS": "h1", "$LSB_AFFINITY_HOSTFILE": "/aff",
    },
    # other schedulers
    "condor: no path": {"$_CONDOR_MACHINE_AD": "relative"},
    "condor: not here": {"$_CONDOR_MACHINE_AD": "/ad"},
    "condor: closed": {"$_CONDOR_MACHINE_AD": "/ad", "/ad (EACCES)": ""},
    "condor: no regular file": {"$_CONDOR_MACHINE_AD": "/ad", "/ad (EINVAL)": ""},
    "condor: without Cpus": {"$_CONDOR_MACHINE_AD": "/ad", "/ad": "Memory = 5"},
    "condor: malformed Cpus": {"$_CONDOR_MACHINE_AD": "/ad", "/ad": "Cpus = 1.5"},
    "condor: a slot without a name": {"$_CONDOR_MACHINE_AD": "/ad", "/ad": "Name = 1\nCpus = 3"},
    "condor: a slot": {"$_CONDOR_MACHINE_AD": "/ad", "/ad": "CPUS=3", "$_CONDOR_SLOT": "s1"},
    "condor: on Windows": {"$_CONDOR_MACHINE_AD": "C:\\ad", "C:\\ad": "CPUS=3"},
    "condor: on a share of Windows": {"$_CONDOR_MACHINE_AD": "\\\\h\\ad", "\\\\h\\ad": "CPUS=3"},
    "flux: more tasks than nodes": {**FLUX, "$FLUX_JOB_SIZE": "3", "$FLUX_JOB_NNODES": "2"},
    "flux: a task a node": {**FLUX, "$FLUX_JOB_SIZE": "2", "$FLUX_JOB_NNODES": "2"},
    "flux: malformed sizes": {**FLUX, "$FLUX_JOB_SIZE": "x", "$FLUX_JOB_NNODES": "y"},
    "flux: tasks alone": {**FLUX, "$FLUX_JOB_SIZE": "3"},
    "flux: a job in a job": {**FLUX, "$FLUX_ENCLOSING_ID": "f1"},
    "flux: a batch script": {"$FLUX_ENCLOSING_ID": "f1"},
    "fujitsu: cores": {"$PJM_VNODE_CORE": "3", "$PJM_PROC_BY_NODE": "9"},
    "fujitsu: cores, with the list of hosts": {
        "$PJM_VNODE_CORE": "3", "$PJM_O_NODEINF": "/list", "/list": "10.0.0.1",
    },
    "fujitsu: cores elsewhere": {"$PJM_VNODE_CORE": "3", "$PJM_O_NODEINF": "/list"},
    "fujitsu: a list that is closed": {
        "$PJM_VNODE_CORE": "3", "$PJM_O_NODEINF": "/list", "/list (EACCES)": "",
        "$PJM_JOBID": "7",
    },
    "fujitsu: malformed cores": {"$PJM_VNODE_CORE": "x"},
    "fujitsu: processes": {"$PJM_JOBID": "7", "$PJM_PROC_BY_NODE": "9"},
    "fujitsu: a job": {"$PJM_JOBID": "7"},
    "cobalt: a job": {"$COBALT_JOBID": "7"},
    "nomad: cores": {"$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_CORES": " 0,2-3 "},
    "nomad: cores elsewhere": {"$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_CORES": "4-5"},
    "nomad: malformed cores": {"$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_CORES": "x"},
    "nomad: the mask is not known": {
        "$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_CORES": "4-5", "!affinity (EPERM)": "",
    },
    "nomad: megahertz": {"$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_LIMIT": "500"},
    "nomad: a blank": {"$NOMAD_ALLOC_ID": "a", "$NOMAD_CPU_CORES": " "},
    "oar: resources": {"$OAR_NODEFILE": "/list", "/list": "h1\nh2\nh1.example.org"},
    "oar: others": {"$OAR_NODEFILE": "/list", "/list": "h2"},
    "oar: not here": {"$OAR_NODEFILE": "/list"},
    "oar: closed": {"$OAR_NODEFILE": "/list", "/list (EACCES)": ""},
    "oar: a cpuset": {"$OAR_NODEFILE": "/list", "/proc/self/cgroup": "4:cpuset:/oar/a_7"},
    "oar: no host has a name": {"$OAR_NODEFILE": "/list", "/list": "h2", **UNKNOWN_HOST},
    # Python, platforms, build farms
    "python: a count": {"$PYTHON_CPU_COUNT": "3"},
    "python: a malformed count": {"$PYTHON_CPU_COUNT": "x"},
    "python: the option comes first": {"$PYTHON_CPU_COUNT": "3", "!x_cpu_count": "2"},
    "python: a malformed option": {"!x_cpu_count": "x"},
    "python: the default": {"$PYTHON_CPU_COUNT": "3", "!x_cpu_count": "default"},
    "lambda: half a CPU": {
        "$AWS_LAMBDA_FUNCTION_NAME": "f", "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "884",
    },
    "lambda: malformed": {
        "$AWS_LAMBDA_FUNCTION_NAME": "f", "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "x",
    },
    "lambda: the emulator": {
        "$AWS_LAMBDA_FUNCTION_NAME": "f", "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "884",
        "$AWS_SAM_LOCAL": "true",
    },
    "lambda: managed": {
        "$AWS_LAMBDA_FUNCTION_NAME": "f", "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "884",
        "$AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
    },
    "lambda: no memory": {"$AWS_LAMBDA_FUNCTION_NAME": "f"},
    "platforms: two at once": {"$DYNO": "web.1", "$FLY_MACHINE_ID": "1"},
    "platforms: two variables of one": {"$K_SERVICE": "s", "$CLOUD_RUN_JOB": "j"},
    "platforms: Knative": {"$K_SERVICE": "s", "$KUBERNETES_SERVICE_HOST": "10.0.0.1"},
    "platforms: Cloud Run's jobs beside Kubernetes": {
        "$CLOUD_RUN_JOB": "j", "$KUBERNETES_SERVICE_HOST": "10.0.0.1",
    },
    "platforms: Render": {"$RENDER": "true", "$RENDER_CPU_COUNT": " 0.5"},
    "platforms: Render, malformed": {"$RENDER": "true", "$RENDER_CPU_COUNT": "0.x"},
    "platforms: Render, two points": {"$RENDER": "true", "$RENDER_CPU_COUNT": "1.2.3"},
    "platforms: Render, nothing": {"$RENDER": "true", "$RENDER_CPU_COUNT": "0.0"},
    "platforms: Render without a count": {"$RENDER": "true"},
    "platforms: a count, and not on Render": {"$RENDER_CPU_COUNT": "2", "$DYNO": "web.1"},
    "platforms: a quota that can be seen": {
        **V2, "$CIRCLECI": "true", "/c/a/b/cpu.max": "max 100000", "/c/a/cpu.max": "200000 100000",
    },
    "platforms: a quota of v1 that can be seen": {
        **V1, "$RAILWAY_SERVICE_ID": "s", "/c/a/cpu.cfs_quota_us": "200000",
        "/c/a/cpu.cfs_period_us": "100000",
    },
    "platforms: a quota in a namespace": {
        **V2, "$CIRCLECI": "true", "!pid": "17", "/proc/self/cgroup": "0::/",
        "/proc/self/mountinfo": V2_MOUNT.replace("/ /c", "/.. /c"),
        "/c/a/cgroup.procs": "16", "/c/b/cgroup.procs": "17", "/c/b/cpu.max": "200000 100000",
    },
    "platforms: no quota": {**V2, "$RAILWAY_ENVIRONMENT_NAME": "e"},
    "platforms: cgroups that are closed": {
        "/proc/self/cgroup": "0::/a", "/proc/self/mountinfo (EACCES)": "", "$CIRCLECI": "true",
    },
    "platforms: gVisor": {"!sandbox": "gVisor"},
    "platforms: WSL1": {"!sandbox": "WSL1"},
    "nix: all": {"$NIX_BUILD_TOP": "/b", "$NIX_BUILD_CORES": " 0"},
    "nix: a shell": {"$NIX_BUILD_TOP": "/b", "$NIX_BUILD_CORES": "2", "$IN_NIX_SHELL": "pure"},
    "nix: a build": {"$NIX_BUILD_TOP": "/b", "$NIX_BUILD_CORES": "2"},
    "conda: none": {"$CONDA_BUILD": "1", "$CPU_COUNT": "0"},
    "conda: a count in a shell of nix": {
        "$CONDA_BUILD": "1", "$CPU_COUNT": "2", "$IN_NIX_SHELL": "pure",
    },
    "debian: parallel": {"$DEB_RULES_REQUIRES_ROOT": "no", "$DEB_BUILD_OPTIONS": "a parallel=3"},
    "debian: not parallel": {"$DEB_RULES_REQUIRES_ROOT": "no", "$DEB_BUILD_OPTIONS": "nocheck"},
    "gentoo: jobs": {"$EBUILD_PHASE": "compile", "$MAKEOPTS": "-j3 -l2"},
    "gentoo: no end of jobs": {"$EBUILD_PHASE": "compile", "$MAKEOPTS": "-j"},
    "gentoo: malformed jobs": {"$EBUILD_PHASE": "compile", "$MAKEOPTS": "-jx"},
    "gentoo: blanks": {"$EBUILD_PHASE": "compile", "$MAKEOPTS": "  "},
    "two farms": {
        "$NIX_BUILD_TOP": "/b", "$NIX_BUILD_CORES": "0", "$CONDA_BUILD": "1", "$CPU_COUNT": "3",
        "$CRAFT_PART_NAME": "p", "$CRAFT_PARALLEL_BUILD_COUNT": "2",
    },
    "two farms, the first without a count": {
        "$NIX_BUILD_TOP": "/b", "$CONDA_BUILD": "1", "$CPU_COUNT": "3",
    },
    "two farms, the first malformed": {
        "$NIX_BUILD_TOP": "/b", "$NIX_BUILD_CORES": "x", "$CONDA_BUILD": "1", "$CPU_COUNT": "3",
    },
    "a view of nothing": {"$KUMO_VIEW_CPUS": "x"},
    "an override above the machine": {
        "$KUMO_AVAILABLE_PARALLELISM": "9", f"{CPU}/online": "0-7",
    },
    "an override as large as the machine": {
        "$KUMO_AVAILABLE_PARALLELISM": "8", f"{CPU}/online": "0-7",
    },
    # quotas
    "v2: burst": {**V2, "/c/a/b/cpu.max": "150000 100000", "/c/a/b/cpu.max.burst": "50000\n"},
    "v2: a burst that is closed": {
        **V2, "/c/a/b/cpu.max": "150000 100000", "/c/a/b/cpu.max.burst (EACCES)": "",
    },
    "v2: a malformed burst": {
        **V2, "/c/a/b/cpu.max": "150000 100000", "/c/a/b/cpu.max.burst": "x",
    },
    "v2: a malformed quota": {**V2, "/c/a/b/cpu.max": "x", "/c/a/cpu.max": "50000 100000"},
    "v2: closed": {**V2, "/c/a/b/cpu.max (EACCES)": "", "/c/a/cpu.max": "50000 100000"},
    "v2: threaded": {**V2, "/c/a/b/cgroup.type": "threaded\n", "/c/cgroup.procs": "1"},
    "v2: the root is the hierarchy's": {**V2, "/c/cgroup.procs": "1"},
    "v2: the root has a cgroup.events": {**V2, "/c/cgroup.events": "", "/c/cgroup.procs": "1"},
    "v2: a namespace": {**V2, "!cgroup_namespace": "cgroup:[4026532000]"},
    "v2: the first namespace": {**V2, "!cgroup_namespace": "cgroup:[4026531835]"},
    "v2: a part of the hierarchy": {
        **V2, "/proc/self/mountinfo": "26 24 0:26 /a /c rw - cgroup2 cgroup rw",
        "!cgroup_namespace": "cgroup:[4026531835]",
    },
    "v2: outside": {**V2, "/proc/self/mountinfo": "26 24 0:26 /x /c rw - cgroup2 cgroup rw"},
    "v2: a covered level": {
        **V2,
        "/proc/self/mountinfo": "26 24 0:26 / /c rw - cgroup2 cgroup rw\n"
        "27 26 0:27 / /c/a rw - tmpfs x rw",
        "/c/a/b/cpu.max": "50000 100000",
    },
    "v2: a covered level in the middle": {
        **V2,
        "/proc/self/mountinfo": f"{V2_MOUNT}\n27 26 0:27 / /c/a rw - tmpfs x rw\n"
        "28 27 0:26 /a/b /c/a/b rw - cgroup2 cgroup rw",
        "/c/a/b/cpu.max": "50000 100000", "/c/cpu.max": "30000 100000",
    },
    "v2: two mounts, and one is closed": {
        **V2,
        "/proc/self/mountinfo": f"{V2_MOUNT}\n27 1 0:26 / /d rw - cgroup2 cgroup rw",
        "/c/a/b/cpu.max (EACCES)": "", "/d/a/b/cpu.max": "50000 100000",
        "/c/a/b/cpuset.cpus.partition (EACCES)": "", "/d/a/b/cpuset.cpus.partition": "isolated",
    },
    "v2: a directory that cannot be listed": {
        "!pid": "17", "/proc/self/cgroup": "0::/",
        "/proc/self/mountinfo": V2_MOUNT.replace("/ /c", "/../.. /c"),
        "/c/a (EACCES)": "", "/c/a/d/cgroup.procs": "16", "/c/b/d/cgroup.procs": "17",
        "/c/b/d/cpu.max": "50000 100000",
    },
    "v2: malformed mounts": {**V2, "/proc/self/mountinfo": "x\ny\n" + V2_MOUNT},
    "v2: malformed cgroups": {**V2, "/proc/self/cgroup": "x\ny\n0::/a/b"},
    "v2: no cgroups": {**V2, "/proc/self/cgroup": "\n"},
    "v2: cgroups that are closed": {**V2, "/proc/self/cgroup (EACCES)": ""},
    "v1: a quota": {
        **V1, "/c/a/cpu.cfs_quota_us": "250000", "/c/a/cpu.cfs_period_us": "100000",
        "/c/a/cpu.cfs_burst_us": "25000", "/c/cgroup.sane_behavior": "0",
    },
    "v1: no period": {**V1, "/c/a/cpu.cfs_quota_us": "250000"},
    "v1: a period that is closed": {
        **V1, "/c/a/cpu.cfs_quota_us": "250000", "/c/a/cpu.cfs_period_us (EACCES)": "",
    },
    "v1: no mount": {**V1, "/proc/self/mountinfo": V2_MOUNT},
    "hybrid": {
        "/proc/self/cgroup": "4:cpu:/a\n0::/b",
        "/proc/self/mountinfo": V1_MOUNT + "\n31 1 0:31 / /v2 rw - cgroup2 c rw",
        "/c/a/cpu.cfs_quota_us": "-1", "/c/cgroup.sane_behavior": "0",
        "/v2/b/cpu.max": "150000 100000",
    },
    "hybrid: a covered level of v2": {
        "/proc/self/cgroup": "4:cpu:/a\n0::/b",
        "/proc/self/mountinfo": f"{V1_MOUNT}\n31 1 0:31 / /v2 rw - cgroup2 c rw\n"
        "32 31 0:32 / /v2/b rw - tmpfs x rw",
        "/c/a/cpu.cfs_quota_us": "-1", "/c/cgroup.sane_behavior": "0",
        "/v2/cpu.max": "150000 100000",
    },
    "real time": {**V2, "!policy": "SCHED_RR", "/c/a/b/cpu.max": "150000 100000"},
    "real time, and no quota": {
        **V2, "!policy": "SCHED_DEADLINE", "/c/cgroup.procs": "1", "/c/a/b/cpu.max": "x",
    },
    "real time, reset": {
        **V2, "!policy": "SCHED_FIFO|reset", "/c/cgroup.procs": "1",
        "/c/a/b/cpu.max": "150000 100000",
    },
    "another policy": {**V2, "!policy": "SCHED_BATCH", "/c/cgroup.procs": "1"},
    # the affinity
    "affinity: malformed": {"!affinity": "x", "/proc/self/status": "Cpus_allowed_list:\t0-2"},
    "affinity: empty": {"!affinity": "", "/proc/self/status": "Cpus_allowed_list:\t0-2"},
    "affinity: fails": {"!affinity (EPERM)": "", f"{CPU}/online": "0-7"},
    "affinity: fails, and isolated CPUs": {
        "!affinity (EPERM)": "", f"{CPU}/online": "0-7", f"{CPU}/isolated": "2-3",
    },
    "affinity: a long path to the set": {
        "!affinity (EPERM)": "",
        "/proc/self/cgroup": "0::/" + "x" * 250,
        "/proc/self/mountinfo": V2_MOUNT,
        "/c/" + "x" * 250 + "/cpuset.cpus.effective": "0-5",
        f"{CPU}/online": "0-3",
    },
    "affinity: threads": {"!affinity": "0", "!threads": "1 0\n2 1-2"},
    "affinity: malformed threads": {"!affinity": "0", "!threads": "1 0\n2 x\n3 y\n4 2"},
    "affinity: threads that are closed": {"!affinity": "0", "!threads (EACCES)": ""},
    "affinity: isolated CPUs": {"!affinity": "0-5", f"{CPU}/isolated": "2-3\n"},
    "affinity: all isolated": {"!affinity": "2-3", f"{CPU}/isolated": "0-3"},
    "affinity: one isolated": {"!affinity": "2", f"{CPU}/isolated": "0-3"},
    "affinity: isolated CPUs that are closed": {f"{CPU}/isolated (EACCES)": ""},
    "affinity: malformed isolated CPUs": {f"{CPU}/isolated": "x"},
    "affinity: an isolated partition": {
        **V2, "/c/a/cpuset.cpus.partition": "isolated\n", "/c/cgroup.procs": "1",
    },
    "affinity: a partition that is a root": {
        **V2, "/c/a/b/cpuset.cpus.partition": "member", "/c/a/cpuset.cpus.partition": "root",
        "/c/cpuset.cpus.partition": "isolated", "/c/cgroup.procs": "1", f"{CPU}/isolated": "3",
    },
    "affinity: a partition that is closed": {
        **V2, "/c/a/b/cpuset.cpus.partition (EACCES)": "",
        "/c/a/cpuset.cpus.partition": "isolated", "/c/cgroup.procs": "1",
    },
    "affinity: not imposed": {
        **V2, f"{CPU}/online": "0-199", "/c/cgroup.procs": "1",
        "/c/a/cpuset.cpus.effective": ",".join(map(str, range(0, 100, 2))),
        "!affinity": "0,2",
    },
    "affinity: not imposed, and the cpuset is malformed": {
        **V2, f"{CPU}/online": "0-7", "/c/cgroup.procs": "1",
        "/c/a/b/cpuset.cpus.effective": "x",
    },
    "affinity: fails, and the online CPUs are malformed": {
        "!affinity (EPERM)": "", "/proc/self/status": "Cpus_allowed_list:\t0-2",
        f"{CPU}/online": "x",
    },
    "affinity: not imposed, but for isolated CPUs": {
        **V2, f"{CPU}/online": "0-5", f"{CPU}/isolated": "4-5", "/c/cgroup.procs": "1",
    },
    "affinity: not imposed, by v1": {
        "/proc/self/cgroup": "5:cpuset:/a\n4:cpu:/a",
        "/proc/self/mountinfo": "26 24 0:26 / /c rw - cgroup cgroup rw,cpuset",
        "/c/a/cpuset.cpus": "0-6", f"{CPU}/online": "0-7", "/c/cgroup.sane_behavior": "0",
    },
    # the machine
    "online: closed": {f"{CPU}/online (EACCES)": "", "!SC_NPROCESSORS_ONLN": "8", "!cpus": "9"},
    "online: malformed": {f"{CPU}/online": "x", "!SC_NPROCESSORS_ONLN": "x", "!cpus": "9"},
    "online: empty": {f"{CPU}/online": "\n"},
    "online: behind a view, and all are online": {
        "$KUMO_VIEW_CPUS": "2", "$KUMO_VIEW_FILES": "1", f"{CPU}/online": "0-1",
        f"{CPU}/present": "0-7",
    },
    "online: behind a view that hides nothing": {
        "$KUMO_VIEW_CPUS": "2", "$KUMO_VIEW_FILES": "1", f"{CPU}/online": "0-1",
        f"{CPU}/present": "x",
    },
    "online: as many as a machine can have": {"!cpus": "1048576", "!affinity (EPERM)": ""},
    "online: one more": {"!cpus": "1048577", "!affinity (EPERM)": ""},
    "online: a count that is no machine's": {"!cpus": "9" * 19, "!affinity (EPERM)": ""},
    "online: behind a view": {
        "$KUMO_VIEW_CPUS": "2", "$KUMO_VIEW_FILES": "1", f"{CPU}/online": "0-1",
        f"{CPU}/present": "0-7\n", f"{CPU}/offline": "3\n",
    },
    "hypervisor: a capped partition": {
        "/proc/powerpc/lparcfg": "shared_processor_mode=1\ncapped=1\n"
        "partition_entitled_capacity=150\npartition_active_processors=3",
        f"{CPU}/online": "0-7",
    },
    "hypervisor: a capped partition, and no CPUs are known": {
        "/proc/powerpc/lparcfg": "shared_processor_mode=1\ncapped=1\n"
        "partition_entitled_capacity=150\npartition_active_processors=3",
        f"{CPU}/online (EACCES)": "",
    },
    "hypervisor: malformed": {"/proc/powerpc/lparcfg": "shared_processor_mode=1\ncapped=1"},
    "hypervisor: none": {"/proc/powerpc/lparcfg": "serial_number=1"},
    "hypervisor: closed": {"/proc/powerpc/lparcfg (EACCES)": "", "/proc/sysinfo (EACCES)": ""},
    "hypervisor: a limited LPAR": {"/proc/sysinfo": "LPAR Characteristics: Shared Limited"},
    "kinds: Intel's": {
        "/sys/devices/cpu_core/cpus": "0-1", "/sys/devices/cpu_atom/cpus": "2-5",
        "/sys/devices/cpu_lowpower/cpus": "6-7",
    },
    "kinds: one that is closed": {
        "/sys/devices/cpu_core/cpus (EACCES)": "", "/sys/devices/cpu_atom/cpus": "2-5",
    },
}  # fmt: skip


def text_of(sections: Sections) -> str:
    """The text of a machine file: the plain machine's sections, but for those that are replaced."""
    given = {name.partition(" (")[0] for name in sections}
    plain = {name: text for name, text in PLAIN.items() if name not in given}
    return "".join(
        f"-- {name} --\n{text}\n"
        for name, text in (*plain.items(), *sections.items())
        if text is not None
    )
