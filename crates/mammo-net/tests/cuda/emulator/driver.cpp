// A CUDA driver without a GPU: the functions of libcuda that mammo-pipe calls, on the host.
//
// Everything that is queued is done at once. Fresh memory is all NaN, freed memory is too, and
// what surrounds a buffer is looked at when it is freed: whoever reads what was never written,
// reads on after freeing, or writes beyond the end, is found out. Numbers of functions, errors
// and attributes are those of cuda.h.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <mutex>
#include <string>

typedef int Status;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2 };

extern "C" {

void launch_16(const char *, const unsigned *, unsigned, void **, int *);
void launch_32(const char *, const unsigned *, unsigned, void **, int *);

static int handle;
static std::mutex lock;
static std::map<uint64_t, size_t> buffers;
static const size_t FENCE = 256;
static const unsigned char FENCE_BYTE = 0xA5;

// All bits set is NaN as bf16, f32 and f64.
static void spoil(uint64_t address, size_t bytes) { memset((void *)address, 0xFF, bytes); }

Status cuInit(unsigned) { return SUCCESS; }
Status cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
Status cuDeviceGet(int *device, int ordinal) { return *device = ordinal, SUCCESS; }
Status cuDeviceGetName(char *name, int length, int) {
    return snprintf(name, length, "Emulated GPU"), SUCCESS;
}
Status cuDeviceGetAttribute(int *value, int which, int) {
    // 75 and 76: compute capability; 115: memory pools.
    *value = which == 75 ? 9 : which == 115 ? 1 : 0;
    return SUCCESS;
}
Status cuDevicePrimaryCtxRetain(void **context, int) { return *context = &handle, SUCCESS; }
Status cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
Status cuCtxSetCurrent(void *) { return SUCCESS; }
Status cuStreamCreate(void **stream, unsigned) { return *stream = &handle, SUCCESS; }
Status cuStreamDestroy_v2(void *) { return SUCCESS; }
Status cuStreamSynchronize(void *) { return SUCCESS; }
Status cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
Status cuEventCreate(void **event, unsigned) { return *event = &handle, SUCCESS; }
Status cuEventRecord(void *, void *) { return SUCCESS; }
Status cuEventSynchronize(void *) { return SUCCESS; }
Status cuEventDestroy_v2(void *) { return SUCCESS; }
Status cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = &handle, SUCCESS; }
Status cuMemPoolSetAttribute(void *, int, void *) { return SUCCESS; }
Status cuGetErrorName(int, const char **name) { return *name = "CUDA_ERROR", SUCCESS; }
Status cuGetErrorString(int, const char **text) { return *text = "an emulated error", SUCCESS; }

Status cuMemAllocAsync(uint64_t *address, size_t bytes, void *) {
    // 1 GiB in one piece is more than any test asks for by right.
    if (bytes > (1u << 30)) return OUT_OF_MEMORY;
    size_t whole = (bytes + FENCE - 1) / FENCE * FENCE;
    char *start = (char *)aligned_alloc(FENCE, whole + 2 * FENCE);
    memset(start, FENCE_BYTE, whole + 2 * FENCE);
    *address = (uint64_t)(start + FENCE);
    spoil(*address, bytes);
    std::lock_guard<std::mutex> held(lock);
    buffers[*address] = bytes;
    return SUCCESS;
}

Status cuMemFreeAsync(uint64_t address, void *) {
    size_t bytes;
    {
        std::lock_guard<std::mutex> held(lock);
        auto found = buffers.find(address);
        if (found == buffers.end()) return INVALID_VALUE;
        bytes = found->second;
        buffers.erase(found);
    }
    unsigned char *start = (unsigned char *)address - FENCE;
    size_t whole = (bytes + FENCE - 1) / FENCE * FENCE;
    for (size_t i = 0; i < whole + 2 * FENCE; i++) {
        if (i >= FENCE && i < FENCE + bytes) continue;
        if (start[i] != FENCE_BYTE) {
            fprintf(stderr, "emulated GPU: written %zd bytes from the start of a buffer of %zu\n",
                    (ssize_t)i - (ssize_t)FENCE, bytes);
            abort();
        }
    }
    spoil(address, bytes);
    free(start);
    return SUCCESS;
}

Status cuMemsetD8Async(uint64_t address, unsigned char byte, size_t bytes, void *) {
    return memset((void *)address, byte, bytes), SUCCESS;
}
Status cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
    return memcpy((void *)to, from, bytes), SUCCESS;
}
Status cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) {
    return memcpy(to, (void *)from, bytes), SUCCESS;
}
Status cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *) {
    return memcpy((void *)to, (void *)from, bytes), SUCCESS;
}
Status cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    return *address = malloc(bytes), SUCCESS;
}
Status cuMemFreeHost(void *address) { return free(address), SUCCESS; }

// The emulated compiler (nvrtc.cpp) puts the precision where machine code would be.
Status cuModuleLoadData(void **module, const void *image) {
    const char *precision = (const char *)image;
    if (strcmp(precision, "16") && strcmp(precision, "32")) return INVALID_VALUE;
    *module = new std::string(precision);
    return SUCCESS;
}
Status cuModuleUnload(void *module) { return delete (std::string *)module, SUCCESS; }

struct Function {
    std::string name;
    void (*launch)(const char *, const unsigned *, unsigned, void **, int *);
};

Status cuModuleGetFunction(void **function, void *module, const char *name) {
    auto launch = *(std::string *)module == "16" ? launch_16 : launch_32;
    int status;
    launch(name, nullptr, 0, nullptr, &status);
    if (status) return status;
    // Kept for good, as a program keeps its functions.
    *function = new Function{name, launch};
    return SUCCESS;
}

Status cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads,
                      unsigned threads_y, unsigned threads_z, unsigned shared, void *,
                      void **arguments, void **extra) {
    if (threads_y != 1 || threads_z != 1 || shared || extra) return INVALID_VALUE;
    Function *which = (Function *)function;
    unsigned grid[3] = {x, y, z};
    int status;
    which->launch(which->name.c_str(), grid, threads, arguments, &status);
    return status;
}
}
