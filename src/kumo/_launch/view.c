/* The library behind `kumo run --view`: programs that load it see a machine of $KUMO_VIEW_CPUS CPUs.

   sched_getaffinity, pthread_getaffinity_np and syscall(SYS_sched_getaffinity) answer at most N CPUs of the real mask,
   sysconf(_SC_NPROCESSORS_ONLN) and get_nprocs() at most N. The kernel's own masks stay as they are: nobody is pinned.

   Guarantees
   - A mask that holds more than N CPUs is cut to its first N, by their real numbers, and without those of
     $KUMO_VIEW_ISOLATED as far as others suffice. A mask of N or fewer is answered as it is: a pin can be seen.
   - What a program sets is set, with two exceptions, both for exactly the mask that it was shown at its start.
     The widening rule: if the process has been shown a cut mask, if that mask has two CPUs or more, and if setting it
     gives one of its threads a CPU that it does not have now, the thread gets the whole mask of the start back. So save,
     pin, restore leaves nobody pinned, and what narrows a thread is always a pin.
     The OpenMP rule: LLVM's and Intel's runtimes set this mask, by syscall(), for threads that nobody wants pinned.
     They are known by the size of the buffer that they ask with first, a cache line, else 1 MB. Their threads keep the
     mask that they have.
   - _SC_NPROCESSORS_CONF stays true: it sizes arrays that sched_getcpu() indexes.
   - The same file loads under glibc and musl: no DT_NEEDED, and no symbol of a version.

   State: `start` is written by the constructor alone and published by `ready`. Code that runs earlier, in the
   constructors of other libraries, is answered without it. `cut` and `openmp` only ever become 1. There are no locks, no memory is
   allocated, and every function may be called in a signal handler and in a child of vfork(). */

#include <stddef.h>
#include <sys/syscall.h>

#if !defined __linux__ || !(defined __x86_64__ || defined __aarch64__)
#error "kumo's view is written for Linux on x86-64 and aarch64"
#endif

#define SHOWN __attribute__((visibility("default")))
#define INSIDE __attribute__((visibility("hidden"), used))
#define NEXT ((void *)-1L) /* RTLD_NEXT, in both C libraries */
enum { ONLN = 84, ESRCH_ = 3, EINVAL_ = 22, ENOSYS_ = 38, BITS = 8 * sizeof(long), WORDS = 8192 / BITS }; /* ONLN: in both */

/* Weak, since each C library has some of them: dlsym is in a library of its own before glibc 2.34. */
extern __attribute__((weak)) int *__errno_location(void);
extern __attribute__((weak)) char *getenv(const char *);
extern __attribute__((weak)) void *dlsym(void *, const char *);
extern __attribute__((weak)) long __sysconf(int);
extern __attribute__((weak)) unsigned long pthread_self(void);

typedef unsigned long Word;
typedef int Get(unsigned long, size_t, void *), Set(unsigned long, size_t, const void *);

static long kernel(long number, long a, long b, long c) {
#if defined __x86_64__
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}

INSIDE long kumo_result(long result) { /* as the C library returns it */
    if (result >= 0 || result < -4095) return result;
    if (__errno_location) *__errno_location() = (int)-result;
    return -1;
}

/* --- masks */

static long count(const Word *mask, size_t words) {
    long cpus = 0;
    for (size_t i = 0; i < words; i++)
        for (Word rest = mask[i]; rest; rest &= rest - 1) cpus++;
    return cpus;
}

static void keep_first(Word *mask, size_t words, long n) {
    for (size_t i = 0; i < words; i++) {
        Word kept = 0;
        for (Word rest = mask[i]; rest && n > 0; rest &= rest - 1, n--) kept |= rest & -rest;
        mask[i] = kept;
    }
}

static const char *read_number(const char *text, long *number) { /* of "12…": 12, and where the rest begins */
    for (*number = 0; *text >= '0' && *text <= '9' && *number < 1000000; text++) *number = *number * 10 + (*text - '0');
    return text;
}

static void remove_list(Word *mask, size_t words, const char *list) { /* "2-3,8": ends at what is no list of CPUs */
    while (list && *list >= '0' && *list <= '9') {
        long low, high;
        list = read_number(list, &low);
        high = low;
        if (*list == '-') list = read_number(list + 1, &high);
        for (; low <= high && low < (long)(words * BITS); low++) mask[low / BITS] &= ~((Word)1 << low % BITS);
        if (*list == ',') list++;
    }
}

/* --- the view */

static struct { /* what holds from the start of the program */
    long n; /* 0: no view */
    const char *isolated;
    size_t bytes; /* of `full`; 0 if the mask was not cut, or could not be read */
    Word full[WORDS], cut[WORDS];
    long (*sysconf)(int);
    Get *pthread_get;
    Set *pthread_set;
} start;
static int ready, cut, openmp;
INSIDE void *kumo_next_syscall; /* NULL until the constructor has run */

static long wanted(void) {
    const char *text = getenv ? getenv("KUMO_VIEW_CPUS") : NULL;
    long n = 0;
    return text && !*read_number(text, &n) ? n : 0;
}
static int is_ready(void) { return __atomic_load_n(&ready, __ATOMIC_ACQUIRE); }
static long view(void) { return is_ready() ? start.n : wanted(); }
static const char *isolated(void) {
    return is_ready() ? start.isolated : getenv ? getenv("KUMO_VIEW_ISOLATED") : NULL;
}

static int cut_to_view(Word *mask, size_t words, long n) { /* 1 if that changed it */
    Word left[WORDS];
    if (!n || count(mask, words) <= n) return 0;
    if (words <= WORDS && isolated()) {
        for (size_t i = 0; i < words; i++) left[i] = mask[i];
        remove_list(left, words, isolated());
        if (count(left, words))
            for (size_t i = 0; i < words; i++) mask[i] = left[i];
    }
    keep_first(mask, words, n);
    return 1;
}

static void *next(const char *name) { return dlsym ? dlsym(NEXT, name) : NULL; }

__attribute__((constructor, used)) static void begin(void) {
    if (is_ready()) return;
    start.n = wanted();
    start.isolated = getenv ? getenv("KUMO_VIEW_ISOLATED") : NULL;
    long bytes = kernel(SYS_sched_getaffinity, 0, sizeof start.full, (long)start.full);
    for (size_t i = 0; i < WORDS; i++) start.cut[i] = start.full[i];
    if (bytes > 0 && cut_to_view(start.cut, (size_t)bytes / sizeof(Word), start.n)) start.bytes = (size_t)bytes;
    start.sysconf = (long (*)(int))next("sysconf");
    start.pthread_get = (Get *)next("pthread_getaffinity_np");
    start.pthread_set = (Set *)next("pthread_setaffinity_np");
    __atomic_store_n(&kumo_next_syscall, next("syscall"), __ATOMIC_RELEASE);
    __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

static void note_cut(int changed) {
    if (changed) __atomic_store_n(&cut, 1, __ATOMIC_RELEASE);
}

/* What a thread is to have that had `now` and has just been set to `mask`: NULL if that is what was meant. */
static const Word *instead(const Word *mask, size_t size, const Word *now, int by_openmp) {
    size_t bytes = size < start.bytes ? size : start.bytes, words = bytes / sizeof(Word);
    int wider = 0;
    for (size_t i = 0; i < start.bytes / sizeof(Word); i++) {
        if ((i < words ? mask[i] : 0) != start.cut[i]) return NULL;
        wider |= (start.cut[i] & ~now[i]) != 0;
    }
    if (by_openmp) return wider ? start.full : now;
    return wider && count(start.cut, WORDS) > 1 ? start.full : NULL;
}
static int may_restore(void) { return is_ready() && start.bytes && __atomic_load_n(&cut, __ATOMIC_ACQUIRE); }
static int is_own_thread(int id) {
    return id == 0 || kernel(SYS_tgkill, kernel(SYS_getpid, 0, 0, 0), id, 0) == 0;
}

/* --- what programs call */

static long get(int thread, size_t size, Word *mask) { /* as the kernel returns it */
    long bytes = kernel(SYS_sched_getaffinity, thread, (long)size, (long)mask);
    if (bytes > 0) note_cut(cut_to_view(mask, (size_t)bytes / sizeof(Word), view()));
    return bytes;
}

/* The kernel reads the mask before it looks for the thread, and there is none of this number. So a program's mask may be
   read here, where a bad pointer would end it, and the thread has no other mask for a moment, which would move it. */
static int is_readable(const void *mask, size_t size) {
    return kernel(SYS_sched_setaffinity, -1, (long)size, (long)mask) == -ESRCH_;
}

static long set(int thread, size_t size, const Word *mask, int by_openmp) {
    Word now[WORDS];
    int judged = may_restore() && is_own_thread(thread) &&
                 kernel(SYS_sched_getaffinity, thread, (long)start.bytes, (long)now) > 0 && is_readable(mask, size);
    const Word *meant = judged ? instead(mask, size, now, by_openmp) : NULL;
    return meant ? kernel(SYS_sched_setaffinity, thread, (long)start.bytes, (long)meant)
                 : kernel(SYS_sched_setaffinity, thread, (long)size, (long)mask);
}

SHOWN int sched_getaffinity(int thread, size_t size, void *mask) {
    long bytes = get(thread, size, mask);
    if (bytes < 0) return (int)kumo_result(bytes);
    for (size_t i = (size_t)bytes; i < size; i++) ((volatile char *)mask)[i] = 0;
    return 0;
}

SHOWN int sched_setaffinity(int thread, size_t size, const void *mask) {
    return (int)kumo_result(set(thread, size, mask, 0));
}

static int is_self(unsigned long thread) { return pthread_self && thread == pthread_self(); }

SHOWN int pthread_getaffinity_np(unsigned long thread, size_t size, void *mask) {
    Get *real = is_ready() ? start.pthread_get : (Get *)next("pthread_getaffinity_np");
    if (!real && !is_self(thread)) return ENOSYS_;
    long error = real ? real(thread, size, mask) : -kernel(SYS_sched_getaffinity, 0, (long)size, (long)mask);
    if (!real && error < 0) { /* the number of bytes */
        for (size_t i = (size_t)-error; i < size; i++) ((volatile char *)mask)[i] = 0;
        error = 0;
    }
    if (!error) note_cut(cut_to_view(mask, size / sizeof(Word), view()));
    return (int)error;
}

SHOWN int pthread_setaffinity_np(unsigned long thread, size_t size, const void *mask) {
    Set *real = is_ready() ? start.pthread_set : (Set *)next("pthread_setaffinity_np");
    if (!real) return is_self(thread) ? (int)-set(0, size, mask, 0) : ENOSYS_;
    Word now[WORDS];
    int judged = may_restore() && start.pthread_get && start.pthread_get(thread, sizeof now, now) == 0 &&
                 is_readable(mask, size);
    const Word *meant = judged ? instead(mask, size, now, 0) : NULL;
    return meant ? real(thread, start.bytes, meant) : real(thread, size, mask);
}

SHOWN long sysconf(int name) {
    long (*real)(int) = is_ready() ? start.sysconf : NULL, n = view();
    if (!real) real = __sysconf ? __sysconf : (long (*)(int))next("sysconf");
    if (!real) return kumo_result(-EINVAL_);
    long value = real(name);
    return name == ONLN && n && n < value ? n : value;
}

SHOWN int get_nprocs(void) { return (int)sysconf(ONLN); } /* which is what both C libraries answer */

/* syscall(), which LLVM's and Intel's OpenMP use. Two numbers are answered here. All others go on as they came, to the
   next syscall() by a jump: nothing is on the stack between, as those that make threads by it need it. */
INSIDE long kumo_syscall_get(long number, long thread, long size, long mask) {
    (void)number;
    if (size == 64 || size == 1 << 20) __atomic_store_n(&openmp, 1, __ATOMIC_RELEASE);
    return kumo_result(get((int)thread, (size_t)size, (Word *)mask));
}
INSIDE long kumo_syscall_set(long number, long thread, long size, long mask) {
    (void)number;
    return kumo_result(
        set((int)thread, (size_t)size, (const Word *)mask, __atomic_load_n(&openmp, __ATOMIC_ACQUIRE)));
}

#if defined __x86_64__
__asm__(".text\n.globl syscall\n.type syscall,@function\nsyscall:\n"
        "  cmp $204,%rdi\n  je kumo_syscall_get\n  cmp $203,%rdi\n  je kumo_syscall_set\n"
        "  mov kumo_next_syscall(%rip),%r11\n  test %r11,%r11\n  je 1f\n  jmp *%r11\n"
        "1: mov %rdi,%rax\n  mov %rsi,%rdi\n  mov %rdx,%rsi\n  mov %rcx,%rdx\n  mov %r8,%r10\n  mov %r9,%r8\n"
        "  mov 8(%rsp),%r9\n  syscall\n  cmp $-4095,%rax\n  jae 2f\n  ret\n"
        "2: mov %rax,%rdi\n  jmp kumo_result\n.size syscall,.-syscall\n");
#else
__asm__(".text\n.globl syscall\n.type syscall,@function\nsyscall:\n"
        "  cmp x0,#123\n  b.eq kumo_syscall_get\n  cmp x0,#122\n  b.eq kumo_syscall_set\n"
        "  adrp x16,kumo_next_syscall\n  ldr x16,[x16,:lo12:kumo_next_syscall]\n  cbz x16,1f\n  br x16\n"
        "1: mov x8,x0\n  mov x0,x1\n  mov x1,x2\n  mov x2,x3\n  mov x3,x4\n  mov x4,x5\n  mov x5,x6\n  svc 0\n"
        "  cmn x0,#4095\n  b.hs kumo_result\n  ret\n.size syscall,.-syscall\n");
#endif
