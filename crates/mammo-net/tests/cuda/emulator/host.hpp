// The kernels' source for a host compiler: what the macros of prelude.cu become, and how a grid
// of blocks of threads is run.
//
// The threads of a block are fibres that take turns: each runs to its next SYNC() or to its end,
// then the next one does. Blocks run one after the other, every second one with its threads in
// reverse order, so that a missing SYNC() shows. Shared memory is one static array.
#pragma once
#define EMULATED
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#define DEVICE static inline
#define SHARED static thread_local
#define SYNC() emulator::sync()
#define UNROLL
#define ROLLED
#define __align__(bytes) __attribute__((aligned(bytes)))

#define __expf expf
static inline float __fdividef(float a, float b) { return a / b; }
static inline int min(int a, int b) { return a < b ? a : b; }

struct Index {
    unsigned x, y, z;
};
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

struct Kernel {
    void (*call)(void **);
    unsigned threads;
};

inline std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

struct Fibre {
    ucontext_t start;
    jmp_buf at;
    bool started, done;
    std::vector<char> stack;
};
static thread_local std::vector<Fibre> fibres;
static thread_local jmp_buf scheduler;
static thread_local Fibre *running;
static thread_local const Kernel *kernel;
static thread_local void **arguments;
static thread_local bool waited;

[[noreturn]] static void fail(const char *reason) {
    fprintf(stderr, "emulated GPU: %s\n", reason);
    abort();
}

static void sync() {
    if (!running) fail("a kernel waits in some blocks alone");
    waited = true;
    if (!_setjmp(running->at)) _longjmp(scheduler, 1);
}

static void fibre() {
    kernel->call(arguments);
    running->done = true;
    _longjmp(scheduler, 1);
}

static void run_block(unsigned threads, bool reversed) {
    if (fibres.size() < threads) fibres.resize(threads);
    for (unsigned t = 0; t < threads; t++) {
        Fibre &f = fibres[t];
        if (f.stack.empty()) f.stack.resize(64 << 10);
        getcontext(&f.start);
        f.start.uc_stack.ss_sp = f.stack.data();
        f.start.uc_stack.ss_size = f.stack.size();
        f.start.uc_link = nullptr;
        makecontext(&f.start, fibre, 0);
        f.started = f.done = false;
    }
    for (volatile unsigned left = threads; left > 0;) {
        for (volatile unsigned i = 0; i < threads; i++) {
            unsigned t = reversed ? threads - 1 - i : (unsigned)i;
            Fibre &f = fibres[t];
            if (f.done) continue;
            threadIdx = {t, 0, 0};
            running = &f;
            if (!_setjmp(scheduler)) {
                if (f.started) _longjmp(f.at, 1);
                f.started = true;
                setcontext(&f.start);
            }
            if (running->done) left = left - 1;
        }
    }
    running = nullptr;
}

static void launch(const Kernel &which, Index grid, unsigned threads, void **with) {
    kernel = &which;
    arguments = with;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    unsigned number = 0;
    // Where the threads of the first block do not wait for each other, none need to be fibres.
    bool waits = true;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++, number++) {
                blockIdx = {x, y, z};
                if (waits) {
                    waited = false;
                    run_block(threads, number % 2);
                    waits = waited;
                    continue;
                }
                for (unsigned t = 0; t < threads; t++) {
                    threadIdx = {t, 0, 0};
                    which.call(with);
                }
            }
}

template <class... A, size_t... I>
void unpack(void (*kernel)(A...), void **from, std::index_sequence<I...>) {
    kernel(*(A *)from[I]...);
}
template <auto K> struct Entry;
template <class... A, void (*K)(A...)> struct Entry<K> {
    static void call(void **from) { unpack(K, from, std::index_sequence_for<A...>()); }
};

struct Register {
    Register(const char *precision, const char *name, void (*call)(void **), unsigned threads) {
        kernels()[std::string(precision) + " " + name] = {call, threads};
    }
};

} // namespace emulator

#define KERNEL(name, threads, parameters)                                                          \
    static void name parameters;                                                                   \
    static emulator::Register register_##name(PRECISION, #name, emulator::Entry<name>::call,       \
                                              threads);                                            \
    static void name parameters
