// What all kernels share: how numbers are stored, eight channels at a time, and SiLU.
//
// NVRTC compiles this at run time, so no header is included. VALUE_BITS says how activations are
// stored: 16 for bf16, 32 for f32. Arithmetic is always f32. Activations are [batch, height, width,
// channels], and channels are a multiple of 8. No result depends on the order in which blocks or
// threads run: sums have a fixed order, and nothing is added atomically.
//
// A host compiler needs other macros and nothing else (EMULATED; see tests/cuda/emulator), so the
// same text runs in tests on machines without a GPU.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef EMULATED
#define DEVICE __device__ __forceinline__
#define KERNEL(name, threads, parameters)                                                          \
    extern "C" __global__ void __launch_bounds__(threads) name parameters
#define SHARED __shared__
#define SYNC() __syncthreads()
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#endif

struct __align__(16) Words {
    u32 of[4];
};
struct __align__(16) Quad {
    float of[4];
};

// Eight channels of a pixel.
struct Lanes {
    float of[8];
};

#define EACH_LANE UNROLL for (int i = 0; i < 8; i++)

DEVICE Lanes zero() {
    Lanes x;
    EACH_LANE x.of[i] = 0.0f;
    return x;
}

// Loads eight f32 from an address that is a multiple of 16 bytes.
DEVICE Lanes load_floats(const float *from) {
    Quad low = *(const Quad *)from, high = *(const Quad *)(from + 4);
    Lanes x;
    UNROLL for (int i = 0; i < 4; i++) {
        x.of[i] = low.of[i];
        x.of[i + 4] = high.of[i];
    }
    return x;
}

#ifdef EMULATED
DEVICE float from_bits(u32 bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
// Rounds to the nearest number, ties to even.
DEVICE u32 to_bf16(float x) {
    u32 bits;
    memcpy(&bits, &x, 4);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
DEVICE u32 pack(float low, float high) { return to_bf16(low) | to_bf16(high) << 16; }
#else
DEVICE float from_bits(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 pack(float low, float high) {
    u32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}
#endif

#if VALUE_BITS == 16
typedef u16 Value;
// Two channels as they are stored.
typedef u32 Couple;

DEVICE float widened(Value x) { return from_bits((u32)x << 16); }
DEVICE Value narrowed(float x) { return (Value)pack(x, 0.0f); }
DEVICE float low(Couple x) { return from_bits(x << 16); }
DEVICE float high(Couple x) { return from_bits(x & 0xffff0000u); }

DEVICE Lanes load(const Value *from) {
    Words words = *(const Words *)from;
    Lanes x;
    UNROLL for (int i = 0; i < 4; i++) {
        x.of[2 * i] = low(words.of[i]);
        x.of[2 * i + 1] = high(words.of[i]);
    }
    return x;
}
DEVICE void store(Value *to, const Lanes &x) {
    Words words;
    UNROLL for (int i = 0; i < 4; i++) words.of[i] = pack(x.of[2 * i], x.of[2 * i + 1]);
    *(Words *)to = words;
}

// The error of the fast exponential and division is far smaller than that of bf16.
DEVICE float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
#else
typedef float Value;
struct __align__(8) Couple {
    float of[2];
};

DEVICE float widened(Value x) { return x; }
DEVICE Value narrowed(float x) { return x; }
DEVICE float low(Couple x) { return x.of[0]; }
DEVICE float high(Couple x) { return x.of[1]; }
DEVICE Lanes load(const Value *from) { return load_floats(from); }
DEVICE void store(Value *to, const Lanes &x) {
    Quad low, high;
    UNROLL for (int i = 0; i < 4; i++) {
        low.of[i] = x.of[i];
        high.of[i] = x.of[i + 4];
    }
    *(Quad *)to = low;
    *(Quad *)(to + 4) = high;
}

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
#endif

DEVICE float silu(float x) { return x * sigmoid(x); }
// The slope of SiLU at `x`, whose sigmoid is `s`.
DEVICE float silu_slope(float x, float s) { return s * (1.0f + x * (1.0f - s)); }

// The values as they will be read again, once stored.
DEVICE Lanes rounded(const Lanes &x) {
    Lanes y;
    EACH_LANE y.of[i] = widened(narrowed(x.of[i]));
    return y;
}
