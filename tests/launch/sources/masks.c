/* Does what its arguments say to its own mask, one after another, and prints the true mask after each:

       get            asks for the mask, which `back` sets again
       set CPU,CPU…   sets these
       back           sets what `get` got

   Each word may begin with `p` for the pthread functions, and with `s` for syscall(). */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long kernel(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static cpu_set_t saved;

static void set(char by, const cpu_set_t *mask) {
    long failed = by == 'p'   ? pthread_setaffinity_np(pthread_self(), sizeof *mask, mask)
                  : by == 's' ? syscall(SYS_sched_setaffinity, 0, sizeof *mask, mask)
                              : sched_setaffinity(0, sizeof *mask, mask);
    if (failed) exit(1);
}

int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        char by = words[i][0] == 'p' || (words[i][0] == 's' && words[i][1] != 'e') ? words[i][0] : 0;
        const char *word = words[i] + (by != 0);
        if (!strcmp(word, "get")) {
            CPU_ZERO(&saved);
            if (by == 'p') pthread_getaffinity_np(pthread_self(), sizeof saved, &saved);
            else if (by == 's') syscall(SYS_sched_getaffinity, 0, sizeof saved, &saved);
            else sched_getaffinity(0, sizeof saved, &saved);
        } else if (!strcmp(word, "back")) {
            set(by, &saved);
        } else {
            cpu_set_t mask;
            CPU_ZERO(&mask);
            for (char *cpu = strtok(words[++i], ","); cpu; cpu = strtok(NULL, ",")) CPU_SET(atoi(cpu), &mask);
            set(by, &mask);
        }
        unsigned long mask[128] = {0};
        kernel(SYS_sched_getaffinity, 0, sizeof mask, (long)mask);
        printf("%lx\n", mask[0]);
    }
    return 0;
}
