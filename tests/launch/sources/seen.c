/* Prints what a program sees of the CPUs, one number a call, and the true mask. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static void *other(void *barrier) {
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

int main(void) {
    cpu_set_t own, self, thread;
    unsigned long mask[128] = {0};
    pthread_barrier_t barrier;
    pthread_t one;
    memset(&own, 0xff, sizeof own);
    sched_getaffinity(0, sizeof own, &own);
    pthread_getaffinity_np(pthread_self(), sizeof self, &self);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&one, NULL, other, &barrier);
    pthread_barrier_wait(&barrier);
    pthread_getaffinity_np(one, sizeof thread, &thread);
    pthread_barrier_wait(&barrier);
    pthread_join(one, NULL);
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask), cpus = 0;
    for (int i = 0; i < 128; i++) cpus += __builtin_popcountl(mask[i]);
    printf("%d %d %d %ld %ld %d %ld", CPU_COUNT(&own), CPU_COUNT(&self), CPU_COUNT(&thread), bytes > 0 ? cpus : -1,
           sysconf(_SC_NPROCESSORS_ONLN), get_nprocs(), sysconf(_SC_NPROCESSORS_CONF));
    /* Other system calls go through, with six arguments and with errors. */
    errno = 0;
    printf(" %s", syscall(SYS_gettid) == getpid() && syscall(SYS_close, -1) == -1 && errno == EBADF &&
                          sched_getaffinity(0, 1, &own) == -1 && errno == EINVAL &&
                          sched_setaffinity(0, sizeof own, NULL) == -1 && errno == EFAULT
                      ? "right" : "wrong");
    printf(" %s\n", pthread_getaffinity_np(pthread_self(), 1, &own) == EINVAL ? "right" : "wrong");
    return 0;
}
