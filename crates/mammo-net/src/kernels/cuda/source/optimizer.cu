// Flat f32 buffers: optimizer steps, moving averages (EMA), the norm of a gradient, and the copies
// of weights that the convolutions read. The arithmetic is that of update.rs.

#define FLAT_THREADS 256

DEVICE u64 flat_index() { return (u64)blockIdx.x * FLAT_THREADS + threadIdx.x; }

// Whether a parameter decays: a bit per parameter.
DEVICE bool is_decayed(const u32 *decays, u64 at) { return decays[at / 32] >> (at % 32) & 1; }

// Sets the gradient to zero. Without a moving average `ema` is null.
KERNEL(adamw, FLAT_THREADS,
       (float *parameters, float *gradient, float *first, float *second, float *ema,
        const u32 *decays, u64 count, float scale, float kept, float rate, float root, float beta1,
        float beta2, float epsilon, float ema_decay)) {
    u64 at = flat_index();
    if (at >= count) return;
    float g = gradient[at] * scale;
    float m = beta1 * first[at] + (1.0f - beta1) * g;
    float v = beta2 * second[at] + (1.0f - beta2) * g * g;
    float p = parameters[at] * (is_decayed(decays, at) ? kept : 1.0f) -
              rate * m / (sqrtf(v) * root + epsilon);
    first[at] = m;
    second[at] = v;
    parameters[at] = p;
    gradient[at] = 0.0f;
    if (ema) ema[at] = ema_decay * ema[at] + (1.0f - ema_decay) * p;
}

KERNEL(sgd, FLAT_THREADS,
       (float *parameters, float *gradient, float *first, float *ema, const u32 *decays,
        u64 count, float scale, float decay, float rate, float momentum, int nesterov,
        float ema_decay)) {
    u64 at = flat_index();
    if (at >= count) return;
    float p = parameters[at];
    float g = gradient[at] * scale + (is_decayed(decays, at) ? decay : 0.0f) * p;
    float m = momentum * first[at] + g;
    float direction = nesterov ? g + momentum * m : m;
    p -= rate * direction;
    first[at] = m;
    parameters[at] = p;
    gradient[at] = 0.0f;
    if (ema) ema[at] = ema_decay * ema[at] + (1.0f - ema_decay) * p;
}

KERNEL(update_ema, FLAT_THREADS,
       (float *ema, const float *values, u64 count, float decay)) {
    u64 at = flat_index();
    if (at < count) ema[at] = decay * ema[at] + (1.0f - decay) * values[at];
}

// The sum of squares of each block's part, in f64.
KERNEL(square_sums, FLAT_THREADS, (const float *values, double *sums, u64 count, u64 slab)) {
    SHARED double held[FLAT_THREADS];
    u64 first = (u64)blockIdx.x * slab, end = first + slab < count ? first + slab : count;
    double sum = 0.0;
    for (u64 at = first + threadIdx.x; at < end; at += FLAT_THREADS)
        sum += (double)values[at] * (double)values[at];
    held[threadIdx.x] = sum;
    for (int half = FLAT_THREADS / 2; half > 0; half /= 2) {
        SYNC();
        if ((int)threadIdx.x < half) held[threadIdx.x] += held[threadIdx.x + half];
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = held[0];
}

// A copy of a weight, as the convolutions read it.
struct Copy {
    u64 to;    // its address
    u64 first; // the place of the weight in the parameters
    u64 count;
    u64 taps;  // 1: the same order; more: [channels, taps] becomes [taps, channels]
};

// blockIdx.y is the number of the copy.
KERNEL(copy_weights, FLAT_THREADS, (const float *parameters, const Copy *copies)) {
    Copy copy = copies[blockIdx.y];
    Value *to = (Value *)copy.to;
    const float *from = parameters + copy.first;
    u64 channels = copy.count / copy.taps;
    for (u64 at = flat_index(); at < copy.count; at += (u64)gridDim.x * FLAT_THREADS)
        to[at] = narrowed(from[copy.taps == 1 ? at : at % channels * copy.taps + at / channels]);
}
