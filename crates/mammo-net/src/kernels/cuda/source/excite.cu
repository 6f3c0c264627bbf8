// Squeeze and excitation on [batch, channels] numbers: two small linear layers, and their backward
// pass.

#define DOT_THREADS 128

// The sum of what all threads hold, in a fixed order. Only thread 0 may use it.
DEVICE float add_threads(float x) {
    SHARED float held[DOT_THREADS];
    held[threadIdx.x] = x;
    for (int half = DOT_THREADS / 2; half > 0; half /= 2) {
        SYNC();
        if ((int)threadIdx.x < half) held[threadIdx.x] += held[threadIdx.x + half];
    }
    return held[0];
}

// hidden[image, j] = bias[j] + sum of pooled[image, c] * weight[j, c]. One block per hidden value.
KERNEL(excite_hidden, DOT_THREADS,
       (const float *pooled, const float *weight, const float *bias, float *hidden, int channels,
        int width)) {
    int j = blockIdx.x, image = blockIdx.y;
    const float *x = pooled + (size_t)image * channels, *w = weight + (size_t)j * channels;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < channels; c += DOT_THREADS) sum += x[c] * w[c];
    sum = add_threads(sum);
    if (threadIdx.x == 0) hidden[(size_t)image * width + j] = sum + bias[j];
}

// gate[image, c] = sigmoid(bias[c] + sum of silu(hidden[image, j]) * weight[c, j]).
KERNEL(excite_gate, DOT_THREADS,
       (const float *hidden, const float *weight, const float *bias, float *gate, int channels,
        int width)) {
    int c = thread_index(), image = blockIdx.y;
    if (c >= channels) return;
    const float *x = hidden + (size_t)image * width, *w = weight + (size_t)c * width;
    float sum = bias[c];
    for (int j = 0; j < width; j++) sum += silu(x[j]) * w[j];
    gate[(size_t)image * channels + c] = sigmoid(sum);
}

// grad_gate[image, c]: the gradient before the sigmoid of the gate; `sums` is [batch, 5, channels].
KERNEL(excite_grad_gate, DOT_THREADS,
       (const float *sums, const float *gate, float *grad_gate, int channels)) {
    int c = thread_index(), image = blockIdx.y;
    if (c >= channels) return;
    size_t at = (size_t)image * channels + c;
    float g = gate[at];
    grad_gate[at] = sums[(size_t)image * 5 * channels + c] * g * (1.0f - g);
}

// grad_hidden[image, j]: the gradient before the SiLU of the hidden values. A block takes 32 hidden
// values and divides the channels into four parts.
KERNEL(excite_grad_hidden, DOT_THREADS,
       (const float *grad_gate, const float *weight, const float *hidden, float *grad_hidden,
        int channels, int width)) {
    SHARED float held[DOT_THREADS];
    int j = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32, image = blockIdx.y;
    const float *g = grad_gate + (size_t)image * channels;
    float sum = 0.0f;
    if (j < width)
        for (int c = part; c < channels; c += DOT_THREADS / 32)
            sum += g[c] * weight[(size_t)c * width + j];
    held[threadIdx.x] = sum;
    SYNC();
    if (part > 0 || j >= width) return;
    for (int other = 1; other < DOT_THREADS / 32; other++)
        sum += held[other * 32 + threadIdx.x];
    float x = hidden[(size_t)image * width + j];
    grad_hidden[(size_t)image * width + j] = sum * silu_slope(x, sigmoid(x));
}

// weight[r, s] += the sum over images of grad_output[image, r] * x[image, s] (of silu(x) where
// `activated`), bias[r] += the sum of grad_output[image, r].
KERNEL(linear_gradient, DOT_THREADS,
       (const float *grad_output, const float *x, float *weight, float *bias, int batch,
        int outputs, int inputs, int activated)) {
    int at = thread_index();
    if (at >= outputs * inputs) return;
    int r = at / inputs, s = at % inputs;
    float sum = 0.0f, plain = 0.0f;
    for (int image = 0; image < batch; image++) {
        float g = grad_output[(size_t)image * outputs + r], v = x[(size_t)image * inputs + s];
        sum += g * (activated ? silu(v) : v);
        plain += g;
    }
    weight[at] += sum;
    if (s == 0) bias[r] += plain;
}

// The gradient of the channel means:
// pooled[image, c] = sum of grad_hidden[image, j] * weight[j, c].
KERNEL(excite_grad_pooled, DOT_THREADS,
       (const float *grad_hidden, const float *weight, float *pooled, int channels, int width)) {
    int c = thread_index(), image = blockIdx.y;
    if (c >= channels) return;
    const float *g = grad_hidden + (size_t)image * width;
    float sum = 0.0f;
    for (int j = 0; j < width; j++) sum += g[j] * weight[(size_t)j * channels + c];
    pooled[(size_t)image * channels + c] = sum;
}

// The sums for the norm below the activation, [2, channels], from [batch, 5, channels].
KERNEL(excited_sums, DOT_THREADS,
       (const float *sums, const float *gate, const float *pooled, float *out, int batch, int area,
        int channels)) {
    int c = thread_index();
    if (c >= channels) return;
    double first = 0.0, second = 0.0;
    for (int image = 0; image < batch; image++) {
        const float *of = sums + (size_t)image * 5 * channels + c;
        size_t at = (size_t)image * channels + c;
        double g = gate ? (double)gate[at] : 0.0, mean = (double)pooled[at] / area;
        first += g * (double)of[channels] + mean * (double)of[2 * channels];
        second += g * (double)of[3 * channels] + mean * (double)of[4 * channels];
    }
    out[c] = (float)first;
    out[channels + c] = (float)second;
}
