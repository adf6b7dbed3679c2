/* Runs a command and answers four of its system calls from the command line:

       stand_in [-e ERRNO | -a CPU,CPU…] -n BITS -p POLICY [-m POINT=MAGIC]… -- COMMAND…

   sched_getaffinity   the mask given, as a kernel with BITS possible CPUs would give it, or the errno
   sched_getscheduler  the policy
   statfs, fstatfs     the real answer, with the file system's magic number of the mount point that holds the path

   A seccomp filter hands these calls, and no others, to a supervising process. So the libraries above them run
   unchanged, programs that make raw system calls are answered too, and the mask may be wider than the real machine.
   The command keeps the process id that it had. Both it and its children are without CAP_DAC_OVERRIDE and
   CAP_DAC_READ_SEARCH, so that a file of mode 000 is closed to root as well. */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/capability.h>
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
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CPUS 8192
#define MAX_MOUNTS 256

static unsigned char mask[MAX_CPUS / 8];
static unsigned long bits = 64;
static int mask_errno, policy, mounts;
static struct { const char *point; long magic; } mount[MAX_MOUNTS];

static void die(const char *what)
{
    perror(what);
    exit(97);
}

static void set_cpus(char *list)
{
    for (char *cpu = strtok(list, ","); cpu; cpu = strtok(NULL, ",")) {
        unsigned long number = strtoul(cpu, NULL, 10);
        if (number < MAX_CPUS)
            mask[number / 8] |= 1 << number % 8;
    }
}

static void add_mount(char *pair)
{
    char *equals = strrchr(pair, '=');
    if (!equals || mounts == MAX_MOUNTS)
        exit(97);
    *equals = 0;
    mount[mounts].point = pair;
    mount[mounts++].magic = strtol(equals + 1, NULL, 0);
}

static int copy_out(pid_t pid, unsigned long long to, void *from, size_t size)
{
    struct iovec here = {from, size}, there = {(void *)(unsigned long)to, size};
    return process_vm_writev(pid, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static int copy_path(pid_t pid, unsigned long long from, char *path, size_t size)
{
    /* Page by page: a string may end just before an unmapped page. */
    for (size_t done = 0; done < size;) {
        size_t step = 4096 - (from + done) % 4096;
        struct iovec here = {path + done, step < size - done ? step : size - done};
        struct iovec there = {(void *)(unsigned long)(from + done), here.iov_len};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0)
            return -EFAULT;
        if (memchr(path + done, 0, got))
            return 0;
        done += got;
    }
    return -ENAMETOOLONG;
}

/* The kernel: EINVAL unless the length is in whole longs and covers every possible CPU; else the bytes copied. */
static long long get_affinity(struct seccomp_notif *call)
{
    unsigned long length = (unsigned int)call->data.args[1], size = (bits + 63) / 64 * 8;
    if (mask_errno)
        return -mask_errno;
    if (length * 8 < bits || length % sizeof(long))
        return -EINVAL;
    if (size > length)
        size = length;
    return copy_out(call->pid, call->data.args[2], mask, size) ? -EFAULT : (long long)size;
}

static long magic_of(const char *path, long otherwise)
{
    size_t best = 0;
    for (int i = 0; i < mounts; i++) {
        size_t length = strlen(mount[i].point);
        if (length >= best && !strncmp(path, mount[i].point, length) && (path[length] == '/' || !path[length])) {
            best = length;
            otherwise = mount[i].magic;
        }
    }
    return otherwise;
}

static long long get_statfs(struct seccomp_notif *call, int by_descriptor)
{
    char path[4096], link[64];
    struct statfs buffer;
    int error = 0;
    if (by_descriptor) {
        snprintf(link, sizeof link, "/proc/%d/fd/%d", call->pid, (int)call->data.args[0]);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        error = statfs(link, &buffer) ? -errno : 0;
    } else if (!(error = copy_path(call->pid, call->data.args[0], path, sizeof path))) {
        error = statfs(path, &buffer) ? -errno : 0;
    }
    if (error)
        return error;
    buffer.f_type = magic_of(path, buffer.f_type);
    return copy_out(call->pid, call->data.args[1], &buffer, sizeof buffer);
}

static long long answer(struct seccomp_notif *call)
{
    switch (call->data.nr) {
    case __NR_sched_getaffinity: return get_affinity(call);
    case __NR_sched_getscheduler: return policy;
    case __NR_fstatfs: return get_statfs(call, 1);
    default: return get_statfs(call, 0);
    }
}

static void supervise(int listener)
{
    struct pollfd waiting = {listener, POLLIN, 0};
    while (poll(&waiting, 1, -1) > 0 && !(waiting.revents & POLLHUP)) {
        struct seccomp_notif call = {0};
        struct seccomp_notif_resp reply = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
            continue; /* the caller was killed in between */
        long long value = answer(&call);
        reply.id = call.id;
        reply.val = value < 0 ? 0 : value;
        reply.error = value < 0 ? value : 0;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    }
    _exit(0);
}

static int receive(int from)
{
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec text = {&byte, 1};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(from, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        _exit(97);
    return *(int *)CMSG_DATA(CMSG_FIRSTHDR(&message));
}

static void send_descriptor(int to, int descriptor)
{
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec text = {&byte, 1};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    *(int *)CMSG_DATA(header) = descriptor;
    if (sendmsg(to, &message, 0) != 1)
        die("sendmsg");
}

/* Two forks: the command must not find a child that it did not start. */
static int start_supervisor(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        die("socketpair");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (!child) {
        if (fork())
            _exit(0);
        /* Hold nothing of the command's: whoever waits for its output must see the end of it. */
        close(pair[1]);
        for (int i = 0; i < 3; i++)
            close(i);
        supervise(receive(pair[0]));
    }
    waitpid(child, NULL, 0);
    close(pair[0]);
    return pair[1];
}

static int install_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_getaffinity, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_getscheduler, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_statfs, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fstatfs, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

int main(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "+a:e:n:p:m:")) != -1;) {
        switch (option) {
        case 'a': set_cpus(optarg); break;
        case 'e': mask_errno = atoi(optarg); break;
        case 'n': bits = strtoul(optarg, NULL, 10); break;
        case 'p': policy = atoi(optarg); break;
        case 'm': add_mount(optarg); break;
        default: return 97;
        }
    }
    if (optind >= argc || !bits || bits > MAX_CPUS)
        return 97;
    int supervisor = start_supervisor(), listener = install_filter();
    if (listener < 0)
        die("seccomp");
    send_descriptor(supervisor, listener);
    close(listener);
    if (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) || prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH))
        die("prctl");
    execvp(argv[optind], argv + optind);
    die(argv[optind]);
}
