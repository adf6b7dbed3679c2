#!/bin/sh
# Prints a machine file of this Linux machine, as kumo snapshot does, without kumo or Python.
# It needs a POSIX shell and cat, and it changes nothing:
#
#     sh snapshot.sh > machine.txt
#     kumo explain --machine machine.txt       on any machine that has kumo
#
# It holds the names below and nothing else: of the tables in /proc the lines about cgroups and
# CPUs, of a list of processes at most this one, of the environment what batch schedulers, build
# farms and hosting platforms say about CPUs.
set -f
IFS=' '
root=
nl='
'
seen=$nl

# file NAME: the section of a file that exists. An unreadable one is a section with an errno.
file() {
    case $seen in *"$nl$1$nl"*) return ;; esac
    [ -e "$root$1" ] && [ ! -d "$root$1" ] && [ ! -p "$root$1" ] || return
    seen=$seen$1$nl
    escape "$1"
    if text=$(cat "$root$1" 2>/dev/null); then
        body "$escaped" "$text"
    elif [ -r "$root$1" ]; then
        printf -- '-- %s (EIO) --\n' "$escaped"
    else
        printf -- '-- %s (EACCES) --\n' "$escaped"
    fi
}

# body NAME TEXT: a section.
body() {
    printf -- '-- %s --\n' "$1"
    [ -z "$2" ] || printf '%s\n' "$2"
}

# escape NAME: a heading has no newline, and no backslash that would read as one escaped.
escape() {
    escaped=$1
    case $1 in *"$nl"* | *'\012'* | *'\134'*) ;; *) return ;; esac
    left=$1 escaped=
    while [ -n "$left" ]; do
        case $left in
        "$nl"*) escaped="$escaped\\012" ;;
        \\*) escaped="$escaped\\134" ;;
        *) escaped=$escaped${left%"${left#?}"} ;;
        esac
        left=${left#?}
    done
}

# decode TEXT: the octal escapes of a mount table as characters.
decode() {
    decoded= left=$1
    while :; do
        case $left in
        *\\*) decoded=$decoded${left%%\\*} left=${left#*\\} ;;
        *) break ;;
        esac
        case $left in
        [0-3][0-7][0-7]*) decoded="$decoded\\0" ;;
        *) decoded="$decoded\\\\" ;;
        esac
    done
    decoded=$(printf '%b.' "$decoded$left")
    decoded=${decoded%.}
}

# variables ANNOUNCING... -- OTHER...: those that are set, if one of the first is.
variables() {
    announced=
    for name; do
        [ "$name" = -- ] && break
        eval "[ -z \"\${$name+x}\" ]" || announced=yes
    done
    [ -n "$announced" ] || return
    for name; do
        [ "$name" = -- ] || variable "$name"
    done
}

variable() {
    eval "[ -n \"\${$1+x}\" ] && body '\$$1' \"\$$1\""
}

# file_in VARIABLE: the file that a variable names.
file_in() {
    eval "path=\${$1-}"
    case $path in /*) file "$path" ;; esac
}

# own_list DIRECTORY: whether this process is in the cgroup of DIRECTORY; $list is where it says so.
own_list() {
    for list in "$1/cgroup.threads" "$1/tasks" "$1/cgroup.procs"; do
        [ -r "$root$list" ] || continue
        while IFS= read -r line; do
            [ "$line" != "$pid" ] || return 0
        done 2>/dev/null <"$root$list"
        return 1
    done
    return 1
}

# level DIRECTORY: what limits the CPUs of one cgroup.
level() {
    for name in cpu.max cpu.max.burst cgroup.type cgroup.events cpu.cfs_quota_us \
        cpu.cfs_period_us cpu.cfs_burst_us cgroup.sane_behavior cpuset.cpus.effective \
        cpuset.cpus.partition cpuset.effective_cpus cpuset.cpus effective_cpus cpus; do
        file "${1%/}/$name"
    done
}

# chain POINT NAMES: every level from the mount point down to the cgroup.
chain() {
    directory=${1%/} names=$2
    top "$directory"
    level "$directory"
    while [ -n "$names" ]; do
        names=${names#/}
        directory=$directory/${names%%/*}
        case $names in */*) names=/${names#*/} ;; *) names= ;; esac
        level "$directory"
    done
}

# top DIRECTORY: that it has a list of processes says that it is the root of the hierarchy.
top() {
    [ -e "$root$1/cgroup.procs" ] || return
    case $seen in *"$nl$1/cgroup.procs$nl"*) return ;; esac
    seen="$seen$1/cgroup.procs$nl"
    escape "$1/cgroup.procs"
    body "$escaped" ""
}

# hidden POINT LEVELS NAMES: some levels above the cgroup have no name here, so it is searched.
hidden() {
    pattern=$1 levels=$2
    while [ "$levels" -gt 0 ]; do
        pattern=$pattern/* levels=$((levels - 1))
    done
    point=${1%/} names=$3
    set +f
    IFS=
    set -- "$root"$pattern
    IFS=' '
    set -f
    for directory; do
        directory=${directory#"$root"}
        if own_list "$directory$names"; then
            body '!pid' "$pid"
            escape "$list"
            body "$escaped" "$pid"
            chain "$point" "${directory#"$point"}$names"
            return
        fi
    done
}

# mount POINT ROOT PATH: the levels of the cgroup PATH that a mount shows.
mount() {
    mounted=$2 ups=0 path=${3%/}
    while :; do
        case $mounted in /..*) mounted=${mounted#/..} ups=$((ups + 1)) ;; *) break ;; esac
    done
    while :; do
        case $path in /.. | /../*) path=${path#/..} ups=$((ups - 1)) ;; *) break ;; esac
    done
    mounted=${mounted%/}
    if [ "$ups" -eq 0 ]; then
        case $path/ in "$mounted"/*) chain "$1" "${path#"$mounted"}" ;; esac
    elif [ "$ups" -gt 0 ] && [ -z "$mounted" ]; then
        hidden "$1" "$ups" "$path"
    fi
}

printf 'Written by the script of kumo snapshot --sh.\n'
body '!platform' linux
cpus= pid=
while IFS= read -r line || [ -n "$line" ]; do
    tab='	'
    case $line in
    Cpus_allowed_list:*) cpus=${line#*:}; cpus=${cpus#"$tab"} ;;
    Pid:*) pid=${line#*:}; pid=${pid#"$tab"} ;;
    esac
done 2>/dev/null <"$root/proc/self/status"
if [ -n "$cpus" ]; then body '!affinity' "$cpus"; else printf -- '-- !affinity (ENOSYS) --\n'; fi

variable KUMO_AVAILABLE_PARALLELISM
variable PYTHON_CPU_COUNT
variables KUMO_VIEW_CPUS -- KUMO_VIEW_FILES
variables SLURM_JOB_ID SLURM_JOB_CPUS_PER_NODE -- SLURM_JOB_NODELIST SLURMD_NODENAME \
    SLURM_CPUS_ON_NODE SLURM_CPUS_PER_TASK SLURM_STEP_TASKS_PER_NODE SLURM_TASKS_PER_NODE \
    SLURM_NODEID SLURM_HET_SIZE SLURM_OVERCOMMIT
variables PBS_JOBID -- PBS_NODEFILE PBS_VERSION PBS_NODENUM PBS_NUM_PPN PBS_NP NCPUS OMP_NUM_THREADS
variables NSLOTS -- JOB_ID PE_HOSTFILE NHOSTS SGE_ROOT HOSTNAME
variables LSB_JOBID -- LSB_MCPU_HOSTS LSB_HOSTS LSB_AFFINITY_HOSTFILE LSB_DJOB_NUMPROC
variables _CONDOR_MACHINE_AD -- _CONDOR_SLOT
variables FLUX_JOB_ID FLUX_ENCLOSING_ID -- FLUX_JOB_SIZE FLUX_JOB_NNODES
variables OAR_NODEFILE --
variables PJM_JOBID PJM_VNODE_CORE -- PJM_O_NODEINF PJM_PROC_BY_NODE
variables COBALT_JOBID --
variables NOMAD_ALLOC_ID -- NOMAD_CPU_CORES NOMAD_CPU_LIMIT
variables AWS_LAMBDA_FUNCTION_NAME -- AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_SAM_LOCAL \
    AWS_LAMBDA_INITIALIZATION_TYPE
variables ECS_CONTAINER_METADATA_URI_V4 K_SERVICE CLOUD_RUN_JOB CLOUD_RUN_WORKER_POOL DYNO \
    FLY_MACHINE_ID CIRCLECI CONTAINER_APP_NAME CONTAINER_APP_JOB_NAME RAILWAY_SERVICE_ID \
    RAILWAY_ENVIRONMENT_NAME -- KUBERNETES_SERVICE_HOST
variables RENDER -- RENDER_CPU_COUNT
variables NIX_BUILD_TOP -- NIX_BUILD_CORES IN_NIX_SHELL
variables CONDA_BUILD -- CPU_COUNT
variables RPM_PACKAGE_NAME -- RPM_BUILD_NCPUS
variables DEB_RULES_REQUIRES_ROOT -- DEB_BUILD_OPTIONS
variables EBUILD_PHASE -- MAKEOPTS
variables FLATPAK_BUILDER_BUILDDIR -- FLATPAK_BUILDER_N_JOBS
variables CRAFT_PART_NAME -- CRAFT_PARALLEL_BUILD_COUNT
variables SNAPCRAFT_PART_BUILD -- SNAPCRAFT_PARALLEL_BUILD_COUNT
if [ -n "${SLURM_JOB_ID+x}${PBS_JOBID+x}${NSLOTS+x}${LSB_JOBID+x}${OAR_NODEFILE+x}${PJM_JOBID+x}" ]; then
    # The file of a batch scheduler names hosts, and this one is to be found in it.
    hostname=
    IFS= read -r hostname 2>/dev/null <"$root/proc/sys/kernel/hostname"
    [ -z "$hostname" ] || body '!hostname' "$hostname"
    for name in PBS_NODEFILE PE_HOSTFILE OAR_NODEFILE LSB_AFFINITY_HOSTFILE PJM_O_NODEINF; do
        file_in "$name"
    done
    [ -z "${PBS_JOBID-}" ] || for home in /var/spool/pbs /var/spool/torque; do
        file "$home/aux/$PBS_JOBID"
    done
fi
if [ -n "${_CONDOR_MACHINE_AD-}" ] && [ -r "$root$_CONDOR_MACHINE_AD" ]; then
    slot=
    while IFS= read -r line; do
        case $line in [Cc]pus[\ =]*) slot=$line ;; esac
    done <"$root$_CONDOR_MACHINE_AD"
    body "$_CONDOR_MACHINE_AD" "$slot"
fi

for name in online offline present isolated; do
    file "/sys/devices/system/cpu/$name"
done
file /sys/devices/cpu_core/cpus
file /sys/devices/cpu_atom/cpus
set +f
for path in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpu_capacity; do
    file "${path#"$root"}"
done
set -f
file /proc/powerpc/lparcfg
file /proc/sysinfo

# The lines of the controllers of CPUs, and of cgroup v2. Others are one line without a path.
membership= other=
while IFS= read -r line || [ -n "$line" ]; do
    rest=${line#*:}
    case ",${rest%%:*}," in
    ,, | *,cpu,* | *,cpuset,*) membership=$membership$line$nl ;;
    *) [ -z "$line" ] || other="0:other:/$nl" ;;
    esac
done 2>/dev/null <"$root/proc/self/cgroup"
if [ -r "$root/proc/self/cgroup" ]; then
    membership=${membership:-$other}
    body /proc/self/cgroup "${membership%"$nl"}"
fi

# The cgroup mounts of those, the mounts on their directories, and a root that a container shows.
# A mount at a directory above one may hide it: of these the line has the place and no device.
numbers=' ' points=$nl
while IFS= read -r line || [ -n "$line" ]; do
    right=${line#* - }
    type=${right%% *} options=,${right##* },
    set -- $line
    case $type$options in
    cgroup2,* | cgroup,*,cpu,* | cgroup,*,cpuset,*) numbers="$numbers$1 " points=$points$5/$nl ;;
    esac
done 2>/dev/null <"$root/proc/self/mountinfo"
table=
while IFS= read -r line || [ -n "$line" ]; do
    right=${line#* - }
    set -- $line
    case ${5-}:$right/ in
    /:wslfs* | /:lxfs* | /:simfs* | /:"zfs zones/"*) table=$table$line$nl ;;
    *)
        case $numbers in
        *" ${1-} "* | *" ${2-} "*) table=$table$line$nl ;;
        *)
            case $points in
            *"$nl${5%/}/"*) table="$table$1 $2 0:0 / $5 rw - ${right%% *} none rw$nl" ;;
            esac
            ;;
        esac
        ;;
    esac
done 2>/dev/null <"$root/proc/self/mountinfo"
[ ! -r "$root/proc/self/mountinfo" ] || body /proc/self/mountinfo "${table%"$nl"}"

# Every mount, with the path of its hierarchy.
while IFS= read -r line; do
    [ -n "$line" ] || continue
    right=${line#* - }
    type=${right%% *} options=,${right##* },
    set -- $line
    decode "$4"
    mount_root=$decoded
    decode "$5"
    point=$decoded
    while IFS= read -r row; do
        rest=${row#*:}
        controllers=,${rest%%:*}, path=${rest#*:}
        case $type:$controllers in
        cgroup2:,,) mount "$point" "$mount_root" "$path" ;;
        cgroup:*,cpu,*) case $options in *,cpu,*) mount "$point" "$mount_root" "$path" ;; esac ;;
        cgroup:*,cpuset,*) case $options in *,cpuset,*) mount "$point" "$mount_root" "$path" ;; esac ;;
        esac
    done <<EOF
$membership
EOF
done <<EOF
$table
EOF
