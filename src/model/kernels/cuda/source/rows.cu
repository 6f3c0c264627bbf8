// Work on matrices [rows, channels], row by row: what is applied to every value, and sums by
// channel.
//
// A block takes `lanes` vectors of eight channels (blockIdx.x), a slab of `slab` rows
// (blockIdx.y) of one image (blockIdx.z); its 256 threads lie `lanes` side by side, and one
// beneath the other as often as that goes.

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

// Adds up what the threads of a channel hold; `out` is [channels].
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

// Where the block's sum number `which` of `sums` goes: [image, slab, sums, channels].
DEVICE float *sum_place(float *sums_of_slabs, int which, int sums, int channels) {
    size_t slab = (size_t)blockIdx.z * gridDim.y + blockIdx.y;
    return sums_of_slabs + (slab * sums + which) * channels;
}

// gate * silu(raw * scale + shift), as far as each is given.
KERNEL(apply, ROW_THREADS,
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

// outer * keep * a + raw * b + c; without `raw` outer * keep.
KERNEL(carry, ROW_THREADS,
       (const Value *outer, const float *keep, const Value *raw, const float *of_outer,
        const float *of_raw, const float *constant, Value *out, int rows, int channels, int lanes,
        int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes a = zero(), b = zero(), c = zero();
    if (raw) {
        a = load_floats(of_outer + part.channel);
        b = load_floats(of_raw + part.channel);
        c = load_floats(constant + part.channel);
    }
    float factor = keep ? keep[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes x = load(outer + at);
        EACH_LANE x.of[i] *= factor;
        if (raw) {
            Lanes r = load(raw + at);
            EACH_LANE x.of[i] = x.of[i] * a.of[i] + (r.of[i] * b.of[i] + c.of[i]);
        }
        store(out + at, x);
    }
}

// (raw * scale + shift) * keep + shortcut
KERNEL(join, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, const float *keep,
        const Value *shortcut, Value *out, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes a = load_floats(scale + part.channel), b = load_floats(shift + part.channel);
    float factor = keep ? keep[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes x = load(raw + at), s = zero();
        if (shortcut) s = load(shortcut + at);
        EACH_LANE x.of[i] = (x.of[i] * a.of[i] + b.of[i]) * factor + s.of[i];
        store(out + at, x);
    }
}

// Sums of the values and of their squares, [slabs, 2, channels].
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

// Sums of outer * keep, and of that times raw - mean, [images, slabs, 2, channels].
KERNEL(join_sums, ROW_THREADS,
       (const Value *raw, const Value *outer, const float *mean, const float *keep, float *sums,
        int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    Lanes m = zero(), first = zero(), second = zero();
    if (part.first < part.end) m = load_floats(mean + part.channel);
    float factor = keep ? keep[blockIdx.z] : 1.0f;
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes r = load(raw + at), g = load(outer + at);
        EACH_LANE {
            g.of[i] *= factor;
            first.of[i] += g.of[i];
            second.of[i] += g.of[i] * (r.of[i] - m.of[i]);
        }
    }
    add_rows(first, channels, lanes, sum_place(sums, 0, 2, channels));
    add_rows(second, channels, lanes, sum_place(sums, 1, 2, channels));
}

// Sums by image of silu(raw * scale + shift), or of raw, [images, slabs, channels].
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

// By image, with h and s' value and slope of SiLU at the norm: the sums of outer * h,
// outer * s', s', outer * s' * (raw - mean), s' * (raw - mean); [images, slabs, 5, channels].
KERNEL(excite_sums, ROW_THREADS,
       (const Value *raw, const Value *outer, const float *mean, const float *scale,
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
        if (outer) g = load(outer + at);
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

// (outer * gate + pooled / area) * s' * a + raw * b + c; `out` may be `outer`.
KERNEL(excited_gradient, ROW_THREADS,
       (const Value *raw, const float *scale, const float *shift, const Value *outer,
        const float *gate, const float *pooled, const float *of_outer, const float *of_raw,
        const float *constant, Value *out, int rows, int channels, int lanes, int slab)) {
    Part part = part_of(rows, channels, lanes, slab);
    if (part.first >= part.end) return;
    Lanes scales = load_floats(scale + part.channel), shifts = load_floats(shift + part.channel);
    Lanes a = load_floats(of_outer + part.channel), b = load_floats(of_raw + part.channel);
    Lanes c = load_floats(constant + part.channel), g = zero();
    size_t of_image = (size_t)blockIdx.z * channels + part.channel;
    Lanes mean = load_floats(pooled + of_image);
    EACH_LANE mean.of[i] *= 1.0f / (float)rows;
    if (outer) g = load_floats(gate + of_image);
    EACH_ROW(part) {
        size_t at = part.base + (size_t)row * channels;
        Lanes r = load(raw + at), x = zero();
        if (outer) x = load(outer + at);
        EACH_LANE {
            float z = r.of[i] * scales.of[i] + shifts.of[i];
            float slope = silu_slope(z, sigmoid(z));
            float h = (x.of[i] * g.of[i] + mean.of[i]) * slope;
            x.of[i] = h * a.of[i] + (r.of[i] * b.of[i] + c.of[i]);
        }
        store(out + at, x);
    }
}
