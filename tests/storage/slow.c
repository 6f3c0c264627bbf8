/* A slow storage for tests: sleeps before open and pread of files under one folder.
 *
 *   cc -shared -fPIC -O2 -o slow.so slow.c -lm
 *   LD_PRELOAD=./slow.so SLOW_UNDER=/folder SLOW_OPEN=40000,0.3 SLOW_PREAD=10000,0 program
 *
 * The times of each operation are log-normal: a median in microseconds, and the standard deviation of
 * the logarithm, 0 for always the same. So the p-th percentile is known: median * exp(sigma * z(p)),
 * with z(0.5) = 0 and z(0.99) = 2.3263. They come from a low-discrepancy sequence (multiples of the
 * golden ratio, begun at SLOW_SEED), so that few hundred operations have those percentiles closely.
 *
 * Programs that make system calls without the C library are not slowed down. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <time.h>

#define MOST_FILES 65536

struct delay {
    double median;
    double sigma;
    atomic_ulong calls;
};

static const char *under;
static double seed;
static struct delay opening, reading;
/* Which descriptors are those of files under the folder. */
static atomic_char slow_file[MOST_FILES];

static void configure(struct delay *delay, const char *name) {
    const char *text = getenv(name);
    char *rest = NULL;
    if (text == NULL) return;
    delay->median = strtod(text, &rest);
    if (rest != NULL && *rest == ',') delay->sigma = strtod(rest + 1, NULL);
}

__attribute__((constructor)) static void begin(void) {
    const char *number = getenv("SLOW_SEED");
    under = getenv("SLOW_UNDER");
    seed = number == NULL ? 0.0 : fmod(strtod(number, NULL) * 0.7548776662466927, 1.0);
    configure(&opening, "SLOW_OPEN");
    configure(&reading, "SLOW_PREAD");
    /* Otherwise the kernel may add 50 microseconds to every sleep. Threads inherit it. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

/* The value below which a standard normal number lies with probability p, by bisection. */
static double normal_quantile(double p) {
    double low = -8.0, high = 8.0;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2.0;
        if (0.5 * erfc(-middle / sqrt(2.0)) < p) low = middle;
        else high = middle;
    }
    return low;
}

static void wait_for(struct delay *delay) {
    if (delay->median <= 0.0) return;
    double call = (double)atomic_fetch_add(&delay->calls, 1);
    double p = fmod(seed + (call + 0.5) * 0.6180339887498949, 1.0);
    double z = delay->sigma == 0.0 ? 0.0 : normal_quantile(p);
    double nanoseconds = 1e3 * delay->median * exp(delay->sigma * z);
    struct timespec time = {(time_t)(nanoseconds / 1e9), (long)fmod(nanoseconds, 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) != 0) {}
}

static int is_slow(const char *path) {
    size_t length = under == NULL ? 0 : strlen(under);
    return length > 0 && strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int remember(int file, int slow) {
    if (file >= 0 && file < MOST_FILES) atomic_store(&slow_file[file], (char)slow);
    return file;
}

#define OPEN(name)                                                                   \
    int name(const char *path, int flags, ...) {                                     \
        static int (*next)(const char *, int, ...);                                  \
        int slow = is_slow(path);                                                    \
        mode_t mode = 0;                                                             \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                       \
            va_list more;                                                            \
            va_start(more, flags);                                                   \
            mode = va_arg(more, mode_t);                                             \
            va_end(more);                                                            \
        }                                                                            \
        if (next == NULL) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        if (slow) wait_for(&opening);                                                \
        return remember(next(path, flags, mode), slow);                              \
    }

#define PREAD(name, offset_type)                                                     \
    ssize_t name(int file, void *buffer, size_t count, offset_type offset) {         \
        static ssize_t (*next)(int, void *, size_t, offset_type);                    \
        if (next == NULL)                                                            \
            next = (ssize_t (*)(int, void *, size_t, offset_type))dlsym(RTLD_NEXT, #name); \
        if (file >= 0 && file < MOST_FILES && atomic_load(&slow_file[file])) wait_for(&reading); \
        return next(file, buffer, count, offset);                                    \
    }

OPEN(open)
OPEN(open64)
PREAD(pread, off_t)
PREAD(pread64, off64_t)
