/* Prints the size of an OpenMP team, and the true masks of its threads, by system calls of its own.
   Built for LLVM's and Intel's runtime by clang, for GNU's by gcc. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

int omp_get_num_threads(void);

static long kernel(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

int main(void) {
    int team = 0;
    double sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
#pragma omp single
        team = omp_get_num_threads();
        for (long i = 0; i < 1000000; i++) sum += 1e-9;
    }
    printf("%d", team);
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        if (task->d_name[0] != '.') {
            unsigned long mask[128] = {0};
            kernel(SYS_sched_getaffinity, atoi(task->d_name), sizeof mask, (long)mask);
            printf(" %lx", mask[0]);
        }
    puts("");
    return sum < 0;
}
