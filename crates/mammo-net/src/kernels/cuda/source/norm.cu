// Sums over slabs, and the norms and gradient factors that come of them. One thread per channel, in
// f64, as on the CPU.

#define CHANNEL_THREADS 128

DEVICE int thread_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

DEVICE double over_slabs(const float *sums, int slabs, size_t step) {
    double sum = 0.0;
    for (int slab = 0; slab < slabs; slab++) sum += (double)sums[slab * step];
    return sum;
}

// Adds up each group of `group` slabs of `count` sums: out[g] = scale * sum of sums[g * group..].
KERNEL(fold, CHANNEL_THREADS,
       (const float *sums, float *out, int slabs, int count, int group, float scale)) {
    int at = thread_index(), first = blockIdx.y * group;
    if (at >= count) return;
    double sum = over_slabs(sums + (size_t)first * count + at, min(group, slabs - first), count);
    out[(size_t)blockIdx.y * count + at] = (float)(sum * (double)scale);
}

// gradient[at] += the sum of sums[slab, at].
KERNEL(accumulate_slabs, CHANNEL_THREADS,
       (const float *sums, float *gradient, int slabs, int count)) {
    int at = thread_index();
    if (at < count) gradient[at] += (float)over_slabs(sums + at, slabs, count);
}

// gradient[channel, tap] += the sum of sums[slab, tap, channel].
KERNEL(accumulate_taps, CHANNEL_THREADS,
       (const float *sums, float *gradient, int slabs, int taps, int channels)) {
    int at = thread_index(), count = taps * channels;
    if (at >= count) return;
    int tap = at / channels, channel = at % channels;
    gradient[(size_t)channel * taps + tap] += (float)over_slabs(sums + at, slabs, count);
}

#define EPSILON 1e-5
#define MOMENTUM 0.1

struct Normed {
    float *mean, *inverse_deviation, *scale, *shift;
};

DEVICE void norm_by(double mean, double variance, float gamma, float beta, int channel,
                    const Normed &out) {
    double inverse = 1.0 / sqrt(variance + EPSILON), factor = (double)gamma * inverse;
    out.mean[channel] = (float)mean;
    out.inverse_deviation[channel] = (float)inverse;
    out.scale[channel] = (float)factor;
    out.shift[channel] = (float)((double)beta - mean * factor);
}

// The norm by the sums of values and squares, [slabs, 2, channels]. Updates the running statistics
// if they are given.
KERNEL(batch_norm, CHANNEL_THREADS,
       (const float *sums, int slabs, int channels, double rows, const float *gamma,
        const float *beta, float *running_mean, float *running_variance, float *mean,
        float *inverse_deviation, float *scale, float *shift)) {
    int channel = thread_index();
    if (channel >= channels) return;
    size_t step = (size_t)2 * channels;
    double mu = over_slabs(sums + channel, slabs, step) / rows;
    double square = over_slabs(sums + channels + channel, slabs, step) / rows;
    double variance = square - mu * mu;
    if (variance < 0.0) variance = 0.0;
    if (running_mean) {
        float *place = running_mean + channel;
        *place = (float)((1.0 - MOMENTUM) * (double)*place + MOMENTUM * mu);
        place = running_variance + channel;
        double unbiased = variance * rows / (rows - 1.0);
        *place = (float)((1.0 - MOMENTUM) * (double)*place + MOMENTUM * unbiased);
    }
    Normed out = {mean, inverse_deviation, scale, shift};
    norm_by(mu, variance, gamma[channel], beta[channel], channel, out);
}

KERNEL(running_norm, CHANNEL_THREADS,
       (int channels, const float *gamma, const float *beta, const float *running_mean,
        const float *running_variance, float *mean, float *inverse_deviation, float *scale,
        float *shift)) {
    int channel = thread_index();
    if (channel >= channels) return;
    Normed out = {mean, inverse_deviation, scale, shift};
    double variance = (double)running_variance[channel];
    norm_by((double)running_mean[channel], variance, gamma[channel], beta[channel], channel, out);
}

// The factors that carry a gradient back through a norm, from the sums of dz and dz * (raw - mean).
// `of_batch` says whether the norm used the statistics of the batch. Adds the gradients of its
// scale and shift.
KERNEL(slopes, CHANNEL_THREADS,
       (const float *sums, int slabs, int channels, double rows, int of_batch, const float *mean,
        const float *inverse_deviation, const float *scale, float *gamma_gradient,
        float *beta_gradient, float *of_grad_output, float *of_raw, float *constant)) {
    int channel = thread_index();
    if (channel >= channels) return;
    size_t step = (size_t)2 * channels;
    double sum = over_slabs(sums + channel, slabs, step);
    double centred = over_slabs(sums + channels + channel, slabs, step);
    double r = (double)inverse_deviation[channel], factor = (double)scale[channel];
    beta_gradient[channel] += (float)sum;
    gamma_gradient[channel] += (float)(centred * r);
    double pull = of_batch ? factor * centred * r * r / rows : 0.0;
    double shift = of_batch ? factor * sum / rows : 0.0;
    of_grad_output[channel] = scale[channel];
    of_raw[channel] = (float)-pull;
    constant[channel] = (float)(pull * (double)mean[channel] - shift);
}
