/* The calls of other systems' C libraries, with the prototypes that their manuals give, for a
   Python on Linux to load first. What they answer is in the variable ANSWER, where it matters. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int answer_is(const char *word)
{
    const char *answer = getenv("ANSWER");
    return answer != NULL && strcmp(answer, word) == 0;
}

static int fail(int number)
{
    errno = number;
    return -1;
}

/* FreeBSD: cpuset_getaffinity(2), rctl_get_limits(2) */

int cpuset_getaffinity(int level, int which, int64_t id, size_t setsize, unsigned long *mask)
{
    size_t least = answer_is("wide") ? 256 : answer_is("old") ? 16 : 32;
    size_t most = answer_is("wide") ? 1024 : answer_is("old") ? 16 : 128;

    if (answer_is("EPERM"))
        return fail(EPERM);
    if (answer_is("ERANGE") || setsize < least || setsize > most)
        return fail(ERANGE);
    if (level != 3 || id != -1)
        return fail(EINVAL);
    memset(mask, 0, setsize);
    mask[0] = which == 2 ? 0xff : 0x4;
    mask[1] = which == 2 ? 0x1 : 0x0;
    return 0;
}

int rctl_get_limits(const char *inbufp, size_t inbuflen, char *outbufp, size_t outbuflen)
{
    const char *rules = "user:1001:pcpu:deny=300/process,jail:www:pcpu:deny=250";

    if (answer_is("EPERM"))
        return fail(EPERM);
    if (answer_is("ENOSYS"))
        return fail(ENOSYS);
    if (strncmp(inbufp, "process:", 8) != 0 || inbuflen != strlen(inbufp) + 1)
        return fail(EINVAL);
    if (outbuflen <= strlen(rules))
        return fail(ERANGE);
    strcpy(outbufp, rules);
    return 0;
}

/* macOS, FreeBSD, NetBSD: sysctl(3) */

int sysctlbyname(const char *name, void *old, size_t *oldlen, const void *new, size_t newlen)
{
    static const struct { const char *name; int number; const char *text; } known[] = {
        { "hw.activecpu", 10, NULL },
        { "hw.nperflevels", 2, NULL },
        { "hw.perflevel0.logicalcpu", 8, NULL },
        { "hw.perflevel0.name", 0, "Performance" },
        { "hw.perflevel1.logicalcpu", 2, NULL },
        { "hw.perflevel1.name", 0, "Efficiency" },
        { "hw.ncpu", 16, NULL },
        { "hw.ncpuonline", 12, NULL },
    };

    if (new != NULL || newlen != 0)
        return fail(EPERM);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const void *value = known[i].text ? (const void *) known[i].text : &known[i].number;
        size_t size = known[i].text ? strlen(known[i].text) + 1 : sizeof known[i].number;

        if (strcmp(known[i].name, name) != 0 || (answer_is("intel") && strstr(name, "perflevel")))
            continue;
        if (old != NULL && *oldlen < size)
            return fail(ENOMEM);
        if (old != NULL)
            memcpy(old, value, size);
        *oldlen = size;
        return 0;
    }
    return fail(ENOENT);
}

/* OpenBSD: sysctl(2) */

int sysctl(const int *name, unsigned int namelen, void *old, size_t *oldlen, void *new,
           size_t newlen)
{
    if (namelen != 2 || name[0] != 6 || name[1] != 25 || new != NULL || newlen != 0)
        return fail(EINVAL);
    if (*oldlen < sizeof(int))
        return fail(ENOMEM);
    *(int *) old = 4;
    *oldlen = sizeof(int);
    return 0;
}

/* NetBSD: cpuset(3), affinity(3), sys/sys/sched.h */

typedef struct _cpuset { uint32_t bits[2]; } cpuset_t;

cpuset_t *_cpuset_create(void)
{
    return calloc(1, sizeof(cpuset_t));
}

void _cpuset_destroy(cpuset_t *c)
{
    free(c);
}

size_t _cpuset_size(const cpuset_t *c)
{
    (void) c;
    return sizeof(cpuset_t);
}

int _lwp_self(void)
{
    return 7;
}

int _sched_getaffinity(int pid, int lid, size_t size, cpuset_t *cpuset)
{
    if (pid != 0 || (lid != 0 && lid != 7))
        return fail(ESRCH);
    if (size != sizeof(cpuset_t))
        return fail(EINVAL);
    if (answer_is("bound")) {
        cpuset->bits[0] = lid == 0 ? 0x6 : 0x2;
        cpuset->bits[1] = lid == 0 ? 0x1 : 0x0;
    }
    return 0;
}

/* illumos: pset_info(2), getrctl(2), rctlblk_get_value(3C) */

typedef struct rctlblk { uint64_t value; unsigned int flags, action; int place; } rctlblk_t;

int pset_info(int pset, int *type, unsigned int *numcpus, int *cpulist)
{
    static const int cpus[] = { 8, 9, 10, 11 };

    if (pset != -3)
        return fail(EINVAL);
    *type = 2;
    if (cpulist != NULL)
        memcpy(cpulist, cpus, (*numcpus < 4 ? *numcpus : 4) * sizeof(int));
    *numcpus = 4;
    return 0;
}

size_t rctlblk_size(void)
{
    return sizeof(rctlblk_t);
}

uint64_t rctlblk_get_value(rctlblk_t *block)
{
    return block->value;
}

unsigned int rctlblk_get_local_flags(rctlblk_t *block)
{
    return block->flags;
}

unsigned int rctlblk_get_local_action(rctlblk_t *block, int *signal)
{
    if (signal != NULL)
        *signal = 0;
    return block->action;
}

int getrctl(const char *controlname, rctlblk_t *old, rctlblk_t *new, unsigned int flags)
{
    static const rctlblk_t zone[] = {
        { 125, 0, 2, 0 }, { 4000000000u, 0, 0, 1 }, { UINT64_MAX, 0x80000000u, 2, 2 },
    };
    int next = flags == 0 ? 0 : old->place + 1;

    if (answer_is("EPERM"))
        return fail(EPERM);
    if (answer_is("EINVAL"))
        return fail(EINVAL);
    if (strcmp(controlname, "zone.cpu-cap") != 0 || answer_is("uncapped"))
        next = flags == 0 ? 2 : 3; /* what the system allows at most, and nothing else */
    if (next > 2)
        return fail(ENOENT);
    *new = zone[next];
    return 0;
}

/* AIX: ra_getrset, rs_getinfo, lpar_get_info; <sys/dr.h> */

typedef struct {
    int version, pad0;
    uint64_t online_memory, tot_dispatch_time, pool_idle_time, dispatch_latency;
    uint32_t lpar_flags, pcpus_in_sys, online_vcpus, online_lcpus, pcpus_in_pool;
    uint32_t unalloc_capacity, entitled_capacity, variable_weight, unalloc_weight;
    uint32_t min_req_vcpu_capacity;
    uint16_t group_id, pool_id;
    uint32_t shcpus_in_sys, max_pool_capacity, entitled_pool_capacity;
    uint64_t pool_max_time, pool_busy_time, pool_scaled_busy_time;
    uint64_t shcpu_tot_time, shcpu_busy_time, shcpu_scaled_busy_time;
} lpar_info_format2_t;

typedef union { int at_pid; void *at_rset; } rsid_t;

void *rs_alloc(unsigned int flags)
{
    return flags == 0 ? calloc(1, sizeof(int)) : NULL;
}

void rs_free(void *rset)
{
    free(rset);
}

int ra_getrset(int type, rsid_t id, unsigned int flags, void *rset)
{
    if (type != 1 || id.at_pid != -1 || flags != 0)
        return fail(EINVAL);
    *(int *) rset = 4;
    return 2;
}

int rs_getinfo(void *rset, int kind, unsigned int flags)
{
    return kind == 0 && flags == 0 ? *(int *) rset : fail(EINVAL);
}

int lpar_get_info(int command, void *buffer, size_t size)
{
    lpar_info_format2_t info = { 0 };

    if (command != 2 || size < sizeof info)
        return fail(EINVAL);
    info.lpar_flags = answer_is("uncapped") ? 0x04 : 0x05;
    info.online_vcpus = 3;
    info.online_lcpus = 12;
    info.entitled_capacity = 30;
    memcpy(buffer, &info, sizeof info);
    return 0;
}
