// Kernels on matrices [rows, channels]: what is applied to every value, and sums per channel.
//
// A block takes `lanes` vectors of eight channels (blockIdx.x) and a slab of `slab` rows
// (blockIdx.y) of one image (blockIdx.z). Its 256 threads form a grid: `lanes` threads side by
// side, and as many rows of threads as that allows.

#define ROW_THREADS 256

struct Part {
    int channel; // the first of the thread's eight
    int first, end, step;
    size_t base; // of the image's first row, in values
};

DEVICE Part part_of(int rows, int channels, int lanes, int slab) {
    Part part;
    int lane = threadIdx.x % lanes, beneath = threadIdx.x / lanes;
    part.step = ROW_THREADS / lanes;
    part.channel = (blockIdx.x * lanes + lane) * 8;
    bool works = beneath < part.step && part.channel < channels;
    part.first = blockIdx.y * slab + beneath;
    part.end = works ? min((int)(blockIdx.y + 1) * slab, rows) : 0;
    part.base = (size_t)blockIdx.z * rows * channels + part.channel;
    return part;
}

#define EACH_ROW(part) for (int row = part.first; row < part.end; row += part.step)

// Adds up what the threads of each channel hold; `out` is [channels].
DEVICE void add_rows(const Lanes &x, int channels, int lanes, float *out) {
    SHARED float held[8 * ROW_THREADS];
    SYNC();
    EACH_LANE held[i * ROW_THREADS + threadIdx.x] = x.of[i];
    SYNC();
    int t = threadIdx.x, channel = blockIdx.x * lanes * 8 + t;
    if (t >= lanes * 8 || channel >= channels) return;
    float sum = 0.0f;
    for (int beneath = 0; beneath < ROW_THREADS / lanes; beneath++)
        sum += held[t % 8 * ROW_THREADS + beneath * lanes + t / 8];
    out[channel] = sum;
}

// The address of the block's sum number `which`; all sums are [image, slab, sums, channels].
DEVICE float *sum_place(float *sums_of_slabs, int which, int sums, int channels) {
    size_t slab = (size_t)blockIdx.z * gridDim.y + blockIdx.y;
    return sums_of_slabs + (slab * sums + which) * channels;
}

// gate * silu(raw * scale + shift). A null pointer leaves its part out.
KERNEL(norm_silu_gate, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, const float *gate, Value *out,
        int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes a = zero(), b = zero(), g = zero();
    if (scale) a = load_floats(scale + part.channel), b = load_floats(shift + part.channel);
    if (gate) g = load_floats(gate + (size_t)blockIdx.z * channels + part.channel);
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes x = load(raw + at);
        if (scale) EACH_LANE x.of[i] = silu(x.of[i] * a.of[i] + b.of[i]);
        if (gate) EACH_LANE x.of[i] *= g.of[i];
        store(out + at, x);
    }
}

// The gradient of a norm's input: grad_output * drop_path_mask * a + raw * b + c, or without `raw`
// grad_output * drop_path_mask.
KERNEL(norm_backward, ROW_THREADS,
       (const Value *grad_output, const float *drop_path_mask, const Value *raw,
        const float *of_grad_output, const float *of_raw, const float *constant, Value *out,
        int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes a = zero(), b = zero(), c = zero();
    if (raw) {
        a = load_floats(of_grad_output + part.channel);
        b = load_floats(of_raw + part.channel);
        c = load_floats(constant + part.channel);
    }
    float factor = drop_path_mask ? drop_path_mask[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes x = load(grad_output + at);
        EACH_LANE x.of[i] *= factor;
        if (raw) {
            Lanes r = load(raw + at);
            EACH_LANE x.of[i] = x.of[i] * a.of[i] + (r.of[i] * b.of[i] + c.of[i]);
        }
        store(out + at, x);
    }
}

// The end of a block: (raw * scale + shift) * drop_path_mask + shortcut.
KERNEL(residual_add, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, const float *drop_path_mask,
        const Value *shortcut, Value *out, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes a = load_floats(scale + part.channel), b = load_floats(shift + part.channel);
    float factor = drop_path_mask ? drop_path_mask[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes x = load(raw + at), s = zero();
        if (shortcut) s = load(shortcut + at);
        EACH_LANE x.of[i] = (x.of[i] * a.of[i] + b.of[i]) * factor + s.of[i];
        store(out + at, x);
    }
}

// The sums of the values and of their squares, [slabs, 2, channels].
KERNEL(squares, ROW_THREADS,
       (const Value *x, float *sums, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    Lanes first = zero(), second = zero();
    EACH_ROW(part) {
        Lanes v = load(x + part.base + (size_t)row * channels);
        EACH_LANE first.of[i] += v.of[i];
        EACH_LANE second.of[i] += v.of[i] * v.of[i];
    }
    add_rows(first, channels, lanes, sum_place(sums, 0, 2, channels));
    add_rows(second, channels, lanes, sum_place(sums, 1, 2, channels));
}

// The sums of g = grad_output * drop_path_mask and of g * (raw - mean),
// [images, slabs, 2, channels].
KERNEL(residual_add_sums, ROW_THREADS,
       (const Value *raw, const Value *grad_output, const float *mean, const float *drop_path_mask,
        float *sums, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    Lanes m = zero(), first = zero(), second = zero();
    if (part.first < part.end) m = load_floats(mean + part.channel);
    float factor = drop_path_mask ? drop_path_mask[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes r = load(raw + at), g = load(grad_output + at);
        EACH_LANE {
            g.of[i] *= factor;
            first.of[i] += g.of[i];
            second.of[i] += g.of[i] * (r.of[i] - m.of[i]);
        }
    }
    add_rows(first, channels, lanes, sum_place(sums, 0, 2, channels));
    add_rows(second, channels, lanes, sum_place(sums, 1, 2, channels));
}

// The sums per image of silu(raw * scale + shift), or of raw, [images, slabs, channels].
KERNEL(pool, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, float *sums, int rows,
        int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    Lanes a = zero(), b = zero(), sum = zero();
    if (scale && part.first < part.end)
        a = load_floats(scale + part.channel), b = load_floats(shift + part.channel);
    EACH_ROW(part) {
        Lanes x = load(raw + part.base + (size_t)row * channels);
        if (scale) EACH_LANE x.of[i] = silu(x.of[i] * a.of[i] + b.of[i]);
        EACH_LANE sum.of[i] += x.of[i];
    }
    add_rows(sum, channels, lanes, sum_place(sums, 0, 1, channels));
}

// Five sums per image, [images, slabs, 5, channels]. With h the value and s' the slope of SiLU at
// the norm, they are of grad_output * h, grad_output * s', s', grad_output * s' * (raw - mean), and
// s' * (raw - mean).
KERNEL(excite_sums, ROW_THREADS,
       (const Value *raw, const Value *grad_output, const float *mean, const float *scale,
        const float *shift, float *sums, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    Lanes m = zero(), a = zero(), b = zero(), sum[5];
    UNROLL for (int k = 0; k < 5; k++) sum[k] = zero();
    if (part.first < part.end) {
        m = load_floats(mean + part.channel);
        a = load_floats(scale + part.channel);
        b = load_floats(shift + part.channel);
    }
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes r = load(raw + at), g = zero();
        if (grad_output) g = load(grad_output + at);
        EACH_LANE {
            float z = r.of[i] * a.of[i] + b.of[i], s = sigmoid(z);
            float slope = silu_slope(z, s), centred = r.of[i] - m.of[i];
            float sloped = g.of[i] * slope;
            sum[0].of[i] += g.of[i] * (z * s);
            sum[1].of[i] += sloped;
            sum[2].of[i] += slope;
            sum[3].of[i] += sloped * centred;
            sum[4].of[i] += slope * centred;
        }
    }
    UNROLL for (int k = 0; k < 5; k++)
        add_rows(sum[k], channels, lanes, sum_place(sums, k, 5, channels));
}

// The gradient of the raw values below norm, SiLU and excitation:
// (grad_output * gate + pooled / area) * s' * a + raw * b + c. `out` may be `grad_output`.
KERNEL(excited_gradient, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, const Value *grad_output,
        const float *gate, const float *pooled, const float *of_grad_output, const float *of_raw,
        const float *constant, Value *out, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes scales = load_floats(scale + part.channel), shifts = load_floats(shift + part.channel);
    Lanes a = load_floats(of_grad_output + part.channel), b = load_floats(of_raw + part.channel);
    Lanes c = load_floats(constant + part.channel), g = zero();
    size_t of_image = (size_t)blockIdx.z * channels + part.channel;
    Lanes mean = load_floats(pooled + of_image);
    EACH_LANE mean.of[i] *= 1.0f / (float)rows;
    if (grad_output) g = load_floats(gate + of_image);
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes r = load(raw + at), x = zero();
        if (grad_output) x = load(grad_output + at);
        EACH_LANE {
            float z = r.of[i] * scales.of[i] + shifts.of[i];
            float slope = silu_slope(z, sigmoid(z));
            float h = (x.of[i] * g.of[i] + mean.of[i]) * slope;
            x.of[i] = h * a.of[i] + (r.of[i] * b.of[i] + c.of[i]);
        }
        store(out + at, x);
    }
}
