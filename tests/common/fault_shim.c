// Makes system calls of a program fail: cc -shared -fPIC -o shim.so fault_shim.c -ldl, LD_PRELOAD.
//
// FAULTS: rules separated by `;`, each `CALL ERROR PART PERCENT AFTER MAX`: from the AFTER-th call of
// CALL (open read write fsync rename link unlink stat) on a path that contains PART, PERCENT of the
// calls fail with this errno, at most MAX times. Errors -1 to -3: a part only is read or written; the
// process is killed; the call hangs. FAULT_SEED decides which calls.
//
// LOG: a file that gets every call that changes something below LOG_ROOT, in their order: a line `CALL
// SIZE PATH` or `CALL SIZE FROM<tab>TO`, and after a line of `write` the SIZE bytes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHORT = -1, KILL = -2, HANG = -3, RULES = 8 };
struct rule { char call[16], part[256]; int error, percent; long after, max; atomic_long seen, hits; };
static struct rule rules[RULES];
static int count;
static atomic_ulong state;

static int log_to = -1;
static const char *root;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static unsigned long next(void) {
    unsigned long x = atomic_fetch_add(&state, 0x9E3779B97F4A7C15ul);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ul;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBul;
    return x ^ (x >> 31);
}

__attribute__((constructor)) static void begin(void) {
    const char *seed = getenv("FAULT_SEED"), *text = getenv("FAULTS");
    state = seed ? strtoul(seed, 0, 10) : 1;
    root = getenv("LOG_ROOT");
    if (root) log_to = syscall(SYS_openat, AT_FDCWD, getenv("LOG"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    char *copy = text ? strdup(text) : 0, *rest = copy;
    for (char *rule; rest && count < RULES && (rule = strsep(&rest, ";"));) {
        struct rule *r = &rules[count];
        if (sscanf(rule, "%15s %d %255s %d %ld %ld", r->call, &r->error, r->part, &r->percent,
                   &r->after, &r->max) == 6) count++;
    }
}

static const char *path_of(int fd, char name[4096]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, name, 4095);
    name[length > 0 ? length : 0] = 0;
    return name;
}

// Calls that are logged run one after the other, so that the log has their order.
static void before(void) { if (log_to >= 0) pthread_mutex_lock(&order); }
static void after(const char *call, const char *path, int fd, const char *to, const void *bytes, long size) {
    char name[4096], line[9000];
    int saved = errno;
    if (log_to < 0) return;
    if (!path) path = path_of(fd, name);
    if (size >= 0 && !strncmp(path, root, strlen(root))) {
        int length = snprintf(line, sizeof line, "%s %ld %s%s%s\n", call, size, path, to ? "\t" : "", to ? to : "");
        syscall(SYS_write, log_to, line, length);
        if (bytes) syscall(SYS_write, log_to, bytes, size);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
}

// 0, an errno, or SHORT.
static int fault(const char *call, const char *path, int fd) {
    char name[4096];
    if (count == 0) return 0;
    if (!path) path = path_of(fd, name);
    for (struct rule *r = rules; r < rules + count; r++) {
        if (strcmp(r->call, call) || !strstr(path, r->part)) continue;
        if (atomic_fetch_add(&r->seen, 1) < r->after) continue;
        if ((long)(next() % 100) >= r->percent || atomic_fetch_add(&r->hits, 1) >= r->max) continue;
        if (r->error == KILL) syscall(SYS_kill, getpid(), SIGKILL);
        while (r->error == HANG || r->error == KILL) pause();
        return r->error;
    }
    return 0;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, #name)
#define CHECK(call, path, fd) \
    int error = fault(call, path, fd); \
    if (error > 0) { errno = error; return -1; }
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        CHECK("open", path, -1) \
        int writes = flags & (O_CREAT | O_TRUNC); \
        if (writes) before(); \
        int fd = real(path, flags, mode); \
        if (writes) after(flags & O_TRUNC ? "create" : "open", path, -1, 0, 0, fd < 0 ? -1 : 0); \
        return fd; \
    }
OPEN(open)
OPEN(open64)

ssize_t read(int fd, void *buffer, size_t size) {
    REAL(ssize_t, read, int, void *, size_t);
    CHECK("read", 0, fd)
    return real(fd, buffer, error == SHORT && size > 1 ? 1 + next() % (size - 1) : size);
}

ssize_t write(int fd, const void *buffer, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    CHECK("write", 0, fd)
    before();
    ssize_t done = real(fd, buffer, error == SHORT && size > 1 ? 1 + next() % (size - 1) : size);
    after("write", 0, fd, 0, buffer, done);
    return done;
}

int fsync(int fd) {
    REAL(int, fsync, int);
    CHECK("fsync", 0, fd)
    before();
    int done = real(fd);
    after("fsync", 0, fd, 0, 0, done);
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    CHECK("rename", to, -1)
    before();
    int done = real(from, to);
    after("rename", from, -1, to, 0, done);
    return done;
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    CHECK("link", to, -1)
    before();
    int done = real(a, from, b, to, flags);
    after("link", from, -1, to, 0, done);
    return done;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    CHECK("unlink", path, -1)
    before();
    int done = real(path);
    after("unlink", path, -1, 0, 0, done);
    return done;
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    before();
    int done = real(path, mode);
    after("mkdir", path, -1, 0, 0, done);
    return done;
}

int statx(int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict into) {
    REAL(int, statx, int, const char *, int, unsigned, struct statx *);
    // Rust's library asks with no path whether the call is there.
    const char *volatile given = path;
    if (given && *given) { CHECK("stat", given, -1) }
    return real(folder, path, flags, mask, into);
}
