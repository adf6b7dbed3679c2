/* Runs a command that finds itself on a machine of many CPUs, as far as the masks of its threads go:

       many_cpus CPUS -- COMMAND…

   sched_getaffinity answers CPUs 0 to CPUS-1, or what sched_setaffinity has set since for that thread. A new thread
   begins with what the first thread of its process has, a new process with what the first thread of its parent has. So
   a pin goes on through fork and exec, as with the kernel. It is looked up when a thread first asks or sets, and that
   is the difference: a mask that the parent has set since the fork counts for the child, an orphan that never asked
   begins with all CPUs, and a thread that pins itself alone hands nothing on.
   Nothing is really set: threads run on every real CPU. Other system calls are the kernel's own.

   A seccomp filter hands the two calls to a supervising process, so that programs which make raw system calls are
   answered too. The command keeps the process id that it had. What files say, such as /sys/devices/system/cpu, is left
   to a mount namespace outside. */

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CPUS 1024
#define MAX_THREADS 65536 /* remembered at a time; the oldest are forgotten */

typedef struct { unsigned char bits[MAX_CPUS / 8]; } Mask;
static struct { int thread; unsigned long long started; Mask mask; } known[MAX_THREADS];
static unsigned long cpus, next_slot, used;
static Mask all;

static void die(const char *what) {
    perror(what);
    exit(97);
}

/* A thread's process, that one's parent, and when the thread began, from /proc. 0 if it has gone. */
static int look(int thread, int *process, int *parent, unsigned long long *started) {
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    *process = *parent = 0;
    while (fgets(text, sizeof text, file)) {
        sscanf(text, "Tgid: %d", process);
        sscanf(text, "PPid: %d", parent);
    }
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", *process, thread);
    if (!(file = fopen(path, "r"))) return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    char *after = strrchr(text, ')');
    *started = 0;
    return after && sscanf(after + 2, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                           started) == 1;
}

static Mask *find(int thread, unsigned long long started) {
    for (unsigned long i = 0; i < used; i++)
        if (known[i].thread == thread && known[i].started == started) return &known[i].mask;
    return NULL;
}

static Mask *of(int thread, int depth) {
    int process, parent;
    unsigned long long started;
    if (depth > 64 || !look(thread, &process, &parent, &started)) return NULL;
    Mask *mask = find(thread, started);
    if (mask) return mask;
    Mask *inherited = of(thread == process ? parent : process, depth + 1);
    Mask value = inherited ? *inherited : all;
    unsigned long slot = used < MAX_THREADS ? used++ : next_slot++ % MAX_THREADS;
    known[slot].thread = thread;
    known[slot].started = started;
    known[slot].mask = value;
    return &known[slot].mask;
}

static long long answer(const struct seccomp_notif *asked) {
    int get = asked->data.nr == __NR_sched_getaffinity;
    int thread = asked->data.args[0] ? (int)asked->data.args[0] : (int)asked->pid;
    size_t length = (unsigned int)asked->data.args[1], whole = (cpus + 63) / 64 * 8;
    Mask *mask = of(thread, 0), given = {{0}};
    if (!mask) return -ESRCH;
    if (get && (length * 8 < cpus || length % 8)) return -EINVAL;
    size_t size = length < whole ? length : whole;
    struct iovec here = {get ? mask->bits : given.bits, size};
    struct iovec there = {(void *)(unsigned long)asked->data.args[2], size};
    ssize_t moved = get ? process_vm_writev((int)asked->pid, &here, 1, &there, 1, 0)
                        : process_vm_readv((int)asked->pid, &here, 1, &there, 1, 0);
    if (moved != (ssize_t)size) return -EFAULT;
    if (get) return (long long)size;
    int any = 0;
    for (size_t i = 0; i < sizeof given.bits; i++) any |= given.bits[i] &= all.bits[i];
    if (!any) return -EINVAL;
    *mask = given;
    return 0;
}

static void supervise(int listener) {
    struct pollfd wait = {listener, POLLIN, 0};
    while (poll(&wait, 1, -1) > 0 && !(wait.revents & POLLHUP)) {
        struct seccomp_notif asked = {0};
        struct seccomp_notif_resp reply = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) continue;
        long long value = answer(&asked);
        reply.id = asked.id;
        if (value < 0) reply.error = (int)value;
        else reply.val = value;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    }
    _exit(0);
}

static int receive(int from) {
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(from, &message, 0) != 1 || !CMSG_FIRSTHDR(&message)) _exit(97);
    return *(int *)CMSG_DATA(CMSG_FIRSTHDR(&message));
}

static void send_descriptor(int to, int descriptor) {
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    *(int *)CMSG_DATA(header) = descriptor;
    if (sendmsg(to, &message, 0) != 1) die("sendmsg");
}

int main(int count, char **words) {
    if (count < 4 || strcmp(words[2], "--") || !isdigit((unsigned char)*words[1])) {
        fputs("usage: many_cpus CPUS -- COMMAND...\n", stderr);
        return 97;
    }
    cpus = strtoul(words[1], NULL, 10);
    if (cpus < 1 || cpus > MAX_CPUS) return 97;
    for (unsigned long cpu = 0; cpu < cpus; cpu++) all.bits[cpu / 8] |= 1 << cpu % 8;

    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) die("socketpair");
    pid_t child = fork();
    if (child == 0) {
        if (fork()) _exit(0);
        close(pair[1]);
        for (int i = 0; i < 3; i++) close(i);
        supervise(receive(pair[0]));
    }
    waitpid(child, NULL, 0);
    close(pair[0]);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_getaffinity, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_setaffinity, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) die("seccomp");
    send_descriptor(pair[1], listener);
    close(listener);
    close(pair[1]);
    execvp(words[3], words + 3);
    die(words[3]);
}
