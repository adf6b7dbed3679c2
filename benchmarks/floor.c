/* The system calls of kumo's repeated call and nothing else: the floor under its time.
 *
 *     floor DIRECTORY...    cgroup v1 directories, from the process's own to the outermost
 *     floor -w SECONDS DIRECTORY...
 *     floor -e SECONDS DIRECTORY...
 *     floor -l DIRECTORY...
 *
 * Prints nanoseconds per call, a line for each batch; with -w the percent of one CPU that ten
 * calls a second take, with -e that of a wait for events and a call a second, and with -l the
 * clock in nanoseconds at each event. Text is read but not parsed: a quota's
 * first byte says whether it is one. src/kumo/_hot/kept.py has the same calls in the same order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, BATCHES = 40 };
static const double BATCH = 1e6; /* ns */

static int membership, mounts, spaces, tasks, levels;
static int quotas[MOST], periods[MOST];
static size_t size;

static int must_open(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        perror(path);
        exit(1);
    }
    return descriptor;
}

static int open_in(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return must_open(path);
}

static int limited(void) {
    char text[1024];
    for (int level = 0; level < levels; level++) {
        lseek(quotas[level], 0, SEEK_CUR);
        if (pread(quotas[level], text, sizeof text, 0) > 0 && text[0] != '-') {
            lseek(periods[level], 0, SEEK_CUR);
            return pread(periods[level], text, sizeof text, 0) > 0;
        }
    }
    return 0;
}

static long call(void) {
    static char text[65536];
    struct pollfd polled = {.fd = mounts, .events = POLLPRI};
    struct stat status;
    cpu_set_t mask;
    long sum = getpid();
    sum += lseek(mounts, 0, SEEK_CUR) + lseek(spaces, 0, SEEK_CUR);
    sum += poll(&polled, 1, 0) + pread(membership, text, size, 0);
    sum += readlinkat(spaces, "cgroup", text, 4096) + readlinkat(spaces, "mnt", text, 4096);
    sum += sched_getscheduler(0);
    int found = limited();
    sum += sched_getaffinity(0, sizeof mask, &mask);
    if (!found)
        sum += fstat(tasks, &status);
    return sum;
}

static double batch(long times) {
    static volatile long sink;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long time = 0; time < times; time++)
        sink += call();
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
}

static double least(long times) {
    double first = batch(times), second = batch(times), third = batch(times);
    first = first < second ? first : second;
    return first < third ? first : third;
}

static double seconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int inotify;

static void watch_quotas(int count, char **directories) {
    char path[4096];
    inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    for (int number = 0; number < count; number++) {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directories[number]);
        inotify_add_watch(inotify, path, IN_MODIFY);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directories[number]);
        inotify_add_watch(inotify, path, IN_MODIFY);
    }
}

static int wait_for_events(int milliseconds) {
    static char events[65536];
    struct pollfd polled[2] = {{.fd = inotify, .events = POLLIN}, {.fd = mounts, .events = POLLPRI}};
    return poll(polled, 2, milliseconds) > 0 && read(inotify, events, sizeof events) > 0;
}

static double percent_with_events(double seconds) {
    static volatile long sink;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    while (seconds_of(CLOCK_MONOTONIC) - wall < seconds) {
        wait_for_events(1000);
        sink += call();
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    return cpu / (seconds_of(CLOCK_MONOTONIC) - wall) * 100;
}

static void print_each_event(void) {
    static volatile long sink;
    puts("ready");
    for (fflush(stdout);; fflush(stdout))
        if (wait_for_events(1000)) {
            sink += call();
            printf("%.0f\n", seconds_of(CLOCK_MONOTONIC) * 1e9);
        }
}

static double percent_of_ten_a_second(double seconds) {
    static volatile long sink;
    const struct timespec tenth = {.tv_nsec = 100000000};
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    while (seconds_of(CLOCK_MONOTONIC) - wall < seconds) {
        nanosleep(&tenth, NULL);
        sink += call();
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    return cpu / (seconds_of(CLOCK_MONOTONIC) - wall) * 100;
}

int main(int count, char **words) {
    static char text[65536];
    membership = must_open("/proc/self/cgroup");
    mounts = must_open("/proc/self/mountinfo");
    spaces = must_open("/proc/self/ns");
    tasks = must_open("/proc/self/task");
    size = (size_t)pread(membership, text, sizeof text, 0) + 1;
    char how = count > 1 && words[1][0] == '-' ? words[1][1] : 0;
    double watched = how == 'w' || how == 'e' ? atof(words[2]) : 0;
    if (how)
        count -= how == 'l' ? 1 : 2, words += how == 'l' ? 1 : 2;
    for (levels = 0; levels < count - 1 && levels < MOST; levels++) {
        quotas[levels] = open_in(words[levels + 1], "cpu.cfs_quota_us");
        periods[levels] = open_in(words[levels + 1], "cpu.cfs_period_us");
    }
    if (how == 'w')
        printf("%f\n", percent_of_ten_a_second(watched));
    if (how)
        watch_quotas(levels, words + 1);
    if (how == 'e')
        printf("%f\n", percent_with_events(watched));
    if (how == 'l')
        print_each_event();
    if (how)
        return 0;
    long times = 1;
    while (least(times) < BATCH)
        times *= 2;
    for (int number = 0; number < BATCHES; number++)
        printf("%.1f\n", batch(times) / times);
    return 0;
}
