// A run-time compiler that compiles nothing: its machine code is the precision that was asked
// for, by which the emulated driver finds the kernels that were compiled for the host.
#include <stdio.h>
#include <string.h>

#include <string>

extern "C" {

int nvrtcVersion(int *major, int *minor) { return *major = *minor = 0; }
const char *nvrtcGetErrorString(int) { return "an emulated error"; }
int nvrtcCreateProgram(void **program, const char *, const char *, int, const char *const *,
                       const char *const *) {
    return *program = new std::string, 0;
}
int nvrtcDestroyProgram(void **program) { return delete (std::string *)*program, 0; }
int nvrtcCompileProgram(void *program, int count, const char *const *options) {
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], "-DVALUE_BITS=", 13)) *(std::string *)program = options[i] + 13;
    return ((std::string *)program)->empty();
}
int nvrtcGetProgramLogSize(void *, size_t *size) { return *size = 1, 0; }
int nvrtcGetProgramLog(void *, char *log) { return *log = 0; }
int nvrtcGetCUBINSize(void *program, size_t *size) {
    return *size = ((std::string *)program)->size() + 1, 0;
}
int nvrtcGetCUBIN(void *program, char *out) {
    return strcpy(out, ((std::string *)program)->c_str()), 0;
}
}
