// All kernels of one precision (VALUE_BITS), compiled for the host into the emulated driver.
#include "host.hpp"

#if VALUE_BITS == 16
#define PRECISION "16"
#else
#define PRECISION "32"
#endif

#include "kernels.cu"

extern "C" void LAUNCH(const char *name, const unsigned *grid, unsigned threads, void **arguments,
                       int *status) {
    auto found = emulator::kernels().find(std::string(PRECISION) + " " + name);
    // 500: CUDA_ERROR_NOT_FOUND, 1: CUDA_ERROR_INVALID_VALUE.
    *status = found == emulator::kernels().end() ? 500 : 0;
    if (*status || !grid) return;
    bool fits = threads <= found->second.threads && grid[0] && grid[1] && grid[2] &&
                grid[1] <= 65535 && grid[2] <= 65535;
    if (!fits) {
        *status = 1;
        return;
    }
    emulator::launch(found->second, {grid[0], grid[1], grid[2]}, threads, arguments);
}
