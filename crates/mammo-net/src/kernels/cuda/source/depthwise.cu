// Depthwise convolutions: forward, and the gradient of their input.
//
// A block computes a tile of outputs (blockIdx.x) of 32 channels (blockIdx.y) of an image
// (blockIdx.z). It reads the inputs under the tile once, applies norm and SiLU, and stores them in
// shared memory, so that the activated input never travels to memory. `weights` is
// [kernel * kernel, channels].

#define WIDE 32 // channels of a block
#define GROUPS (WIDE / 8)

// The number of inputs under `outputs` neighbouring outputs.
#define UNDER(outputs) (((outputs) - 1) * STRIDE + KERNEL_SIDE)

template <int STRIDE> struct Tile {
    // f32 tiles are smaller, because static shared memory ends at 48 KiB.
    static const int width = STRIDE == 1 && VALUE_BITS == 16 ? 16 : 8;
    static const int height = STRIDE == 1 ? 16 : 8;
    // Outputs of a thread, one below the other.
    static const int strip = STRIDE == 1 ? 4 : 2;
    static const int threads = GROUPS * width * (height / strip);
};

// Loads the inputs under a tile into `held`, PITCH pixels per row. Nothing is left uninitialised.
template <int ROWS, int COLUMNS, int PITCH, int THREADS>
DEVICE void load_tile(const Value *image, const float *scale, const float *shift, int top, int left,
                 int height, int width, int first_channel, int channels, Value *held) {
    int group = threadIdx.x % GROUPS, channel = first_channel + group * 8;
    bool present = channel < channels;
    Lanes a = zero(), b = zero();
    if (scale && present) a = load_floats(scale + channel), b = load_floats(shift + channel);
    for (int at = threadIdx.x / GROUPS; at < ROWS * COLUMNS; at += THREADS / GROUPS) {
        int row = at / COLUMNS, column = at % COLUMNS, y = top + row, x = left + column;
        Lanes v = zero();
        if (present && y >= 0 && y < height && x >= 0 && x < width) {
            v = load(image + ((size_t)y * width + x) * channels + channel);
            if (scale) EACH_LANE v.of[i] = silu(v.of[i] * a.of[i] + b.of[i]);
        }
        store(held + (row * PITCH + column) * WIDE + group * 8, v);
    }
}

// Adds up over the pixels of a block what its threads hold per channel; `out` is [2, channels].
// `room` has 2 * 8 * (THREADS + 4) numbers. The threads of a channel are GROUPS apart.
template <int THREADS>
DEVICE void add_pixels(const Lanes &first, const Lanes &second, int channels, float *room,
                       float *out) {
    // Four more numbers per row, so that the eight lanes of a read fall on different banks.
    const int row = THREADS + 4, parts = THREADS / WIDE;
    SYNC();
    EACH_LANE {
        room[i * row + threadIdx.x] = first.of[i];
        room[(8 + i) * row + threadIdx.x] = second.of[i];
    }
    SYNC();
    int channel = threadIdx.x % WIDE, part = threadIdx.x / WIDE;
    float sums[2];
    UNROLL for (int which = 0; which < 2; which++) {
        sums[which] = 0.0f;
        const float *from = room + (which * 8 + channel % 8) * row + channel / 8;
        for (int pixel = part; pixel < THREADS / GROUPS; pixel += parts)
            sums[which] += from[pixel * GROUPS];
    }
    SYNC();
    room[threadIdx.x] = sums[0];
    room[THREADS + threadIdx.x] = sums[1];
    SYNC();
    int place = blockIdx.y * WIDE + channel;
    if (part >= 2 || place >= channels) return;
    float sum = 0.0f;
    for (int other = 0; other < parts; other++)
        sum += room[part * THREADS + other * WIDE + channel];
    out[(size_t)part * channels + place] = sum;
}

// The sums of block number blockIdx.x of image blockIdx.z.
DEVICE float *block_sums(float *sums, int channels) {
    return sums + ((size_t)blockIdx.z * gridDim.x + blockIdx.x) * 2 * channels;
}

// What a gradient passes through after the convolution, for eight channels: the activation and the
// norm before the convolution, and another gradient that it is added to.
struct Epilogue {
    const Value *raw;
    const Value *accumulate_into;
    bool normed;
    Lanes mean, scale, shift;
};

DEVICE Epilogue epilogue(const Value *raw, const float *mean, const float *scale,
                         const float *shift, const Value *accumulate_into, int channel,
                         int channels) {
    Epilogue b;
    b.raw = raw;
    b.accumulate_into = accumulate_into;
    b.normed = scale != 0;
    b.mean = b.scale = b.shift = zero();
    if (b.normed && channel < channels) {
        b.mean = load_floats(mean + channel);
        b.scale = load_floats(scale + channel);
        b.shift = load_floats(shift + channel);
    }
    return b;
}

// Passes the gradient of one pixel through the epilogue, adds it to the sums for the norm, and
// stores it in `out`.
DEVICE void finish(const Epilogue &b, Lanes g, size_t at, Value *out, Lanes &first,
                   Lanes &second) {
    if (b.normed) {
        Lanes r = load(b.raw + at);
        EACH_LANE {
            float z = r.of[i] * b.scale.of[i] + b.shift.of[i];
            g.of[i] *= silu_slope(z, sigmoid(z));
        }
        g = rounded(g);
        EACH_LANE {
            first.of[i] += g.of[i];
            second.of[i] += g.of[i] * (r.of[i] - b.mean.of[i]);
        }
    }
    if (b.accumulate_into) {
        Lanes o = load(b.accumulate_into + at);
        EACH_LANE g.of[i] += o.of[i];
    }
    store(out + at, g);
}

// The forward pass; or with BACKWARD (stride 1) the gradient of the input, which is the same
// convolution with the window turned. `sums` is [blocks, 2, channels], or null. It gets the sums of
// the outputs and of their squares, or the sums for the norm in the epilogue.
template <int KERNEL_SIDE, int STRIDE, bool BACKWARD>
DEVICE void convolve(const Value *x, const float *norm_scale, const float *norm_shift,
                  const Value *weights, const Epilogue &after, Value *out, float *sums, int height,
                  int width, int channels, int out_height, int out_width) {
    typedef Tile<STRIDE> T;
    const int rows = UNDER(T::height), columns = UNDER(T::width);
    SHARED __align__(16) Value held[rows * columns * WIDE];
    int across = (out_width + T::width - 1) / T::width;
    int first_y = blockIdx.x / across * T::height, first_x = blockIdx.x % across * T::width;
    load_tile<rows, columns, columns, T::threads>(
        x + (size_t)blockIdx.z * height * width * channels, norm_scale, norm_shift,
        first_y * STRIDE - KERNEL_SIDE / 2, first_x * STRIDE - KERNEL_SIDE / 2, height, width,
        blockIdx.y * WIDE, channels, held);
    SYNC();
    int group = threadIdx.x % GROUPS, column = threadIdx.x / GROUPS % T::width;
    int top = threadIdx.x / (GROUPS * T::width) * T::strip;
    int channel = blockIdx.y * WIDE + group * 8;
    bool present = channel < channels;
    Lanes sum[T::strip];
    UNROLL for (int t = 0; t < T::strip; t++) sum[t] = zero();
    ROLLED for (int across_window = 0; across_window < KERNEL_SIDE; across_window++) {
        Lanes weight[KERNEL_SIDE];
        UNROLL for (int down = 0; down < KERNEL_SIDE; down++) {
            int tap = down * KERNEL_SIDE + across_window;
            if (BACKWARD) tap = KERNEL_SIDE * KERNEL_SIDE - 1 - tap;
            weight[down] = present ? load(weights + (size_t)tap * channels + channel) : zero();
        }
        const Value *from = held +
            (top * STRIDE * columns + column * STRIDE + across_window) * WIDE + group * 8;
        UNROLL for (int j = 0; j < UNDER(T::strip); j++) {
            Lanes v = load(from + j * columns * WIDE);
            UNROLL for (int t = 0; t < T::strip; t++) {
                int down = j - t * STRIDE;
                if (down >= 0 && down < KERNEL_SIDE)
                    EACH_LANE sum[t].of[i] += v.of[i] * weight[down].of[i];
            }
        }
    }
    Lanes first = zero(), second = zero();
    UNROLL for (int t = 0; t < T::strip; t++) {
        int y = first_y + top + t, at_x = first_x + column;
        if (!present || y >= out_height || at_x >= out_width) continue;
        size_t pixel = ((size_t)blockIdx.z * out_height + y) * out_width + at_x;
        size_t at = pixel * channels + channel;
        if (BACKWARD) {
            finish(after, sum[t], at, out, first, second);
        } else {
            // The norm will be applied to the stored values, so its statistics must be theirs.
            Lanes v = rounded(sum[t]);
            EACH_LANE first.of[i] += v.of[i];
            EACH_LANE second.of[i] += v.of[i] * v.of[i];
            store(out + at, v);
        }
    }
    if (sums) add_pixels<T::threads>(first, second, channels, (float *)held,
                                     block_sums(sums, channels));
}

#define FORWARD(name, KERNEL_SIDE, STRIDE)                                                         \
    KERNEL(name, Tile<STRIDE>::threads,                                                            \
           (const Value *x, const float *scale, const float *shift, const Value *weights,          \
            Value *out, float *sums, int height, int width, int channels, int out_height,          \
            int out_width)) {                                                                      \
        Epilogue nothing = epilogue(0, 0, 0, 0, 0, 0, 0);                                          \
        convolve<KERNEL_SIDE, STRIDE, false>(x, scale, shift, weights, nothing, out, sums,         \
                                             height, width, channels, out_height, out_width);      \
    }
FORWARD(depthwise_3_1, 3, 1)
FORWARD(depthwise_3_2, 3, 2)
FORWARD(depthwise_5_1, 5, 1)
FORWARD(depthwise_5_2, 5, 2)

// Stride 1: the gradient of the input, from `grad_output` of the same size. With `scale`, it is the
// gradient of the norm's output, before the activation.
#define BACKWARD_BY_ONE(name, KERNEL_SIDE)                                                         \
    KERNEL(name, Tile<1>::threads,                                                                 \
           (const Value *grad_output, const Value *weights, const Value *raw, const float *mean,   \
            const float *scale, const float *shift, const Value *accumulate_into, Value *out,      \
            float *sums, int height, int width, int channels)) {                                   \
        int channel = blockIdx.y * WIDE + threadIdx.x % GROUPS * 8;                                \
        Epilogue after =                                                                           \
            epilogue(raw, mean, scale, shift, accumulate_into, channel, channels);                 \
        convolve<KERNEL_SIDE, 1, true>(grad_output, 0, 0, weights, after, out, sums, height,       \
                                       width, channels, height, width);                            \
    }
BACKWARD_BY_ONE(depthwise_backward_3_1, 3)
BACKWARD_BY_ONE(depthwise_backward_5_1, 5)

// Stride 2: a thread computes a square of 2 x 2 inputs, which together use every tap of the window
// once. A block computes 4 rows of 8 such squares.
#define SQUARES_DOWN 4
#define SQUARES_ACROSS 8
#define SQUARE_THREADS (GROUPS * SQUARES_DOWN * SQUARES_ACROSS)

template <int KERNEL_SIDE>
DEVICE void convolve_backward_by_two(const Value *grad_output, const Value *weights,
                                     const Epilogue &after, Value *out, float *sums, int height,
                                     int width, int channels, int out_height, int out_width) {
    const int padding = KERNEL_SIDE / 2;
    SHARED float room[2 * 8 * (SQUARE_THREADS + 4)];
    int across = ((width + 1) / 2 + SQUARES_ACROSS - 1) / SQUARES_ACROSS;
    int column = threadIdx.x / GROUPS % SQUARES_ACROSS;
    int square_y = blockIdx.x / across * SQUARES_DOWN + threadIdx.x / (GROUPS * SQUARES_ACROSS);
    int square_x = blockIdx.x % across * SQUARES_ACROSS + column;
    int channel = blockIdx.y * WIDE + threadIdx.x % GROUPS * 8;
    bool present = channel < channels;
    size_t of_image = (size_t)out_height * out_width * channels;
    const Value *image = grad_output + blockIdx.z * of_image + channel;
    Lanes sum[4];
    UNROLL for (int s = 0; s < 4; s++) sum[s] = zero();
    // Output o reads input 2 * o + tap - padding. So it reads input 2 * square + s by
    // tap = s + padding - 2 * (o - square).
    UNROLL for (int down = -1; down <= 1; down++) {
        UNROLL for (int right = -1; right <= 1; right++) {
            int y = square_y + down, x = square_x + right;
            if (!present || y < 0 || y >= out_height || x < 0 || x >= out_width) continue;
            Lanes g = load(image + ((size_t)y * out_width + x) * channels);
            UNROLL for (int s = 0; s < 4; s++) {
                int row = s / 2 + padding - 2 * down, place = s % 2 + padding - 2 * right;
                if (row < 0 || row >= KERNEL_SIDE || place < 0 || place >= KERNEL_SIDE) continue;
                Lanes w =
                    load(weights + (size_t)(row * KERNEL_SIDE + place) * channels + channel);
                EACH_LANE sum[s].of[i] += g.of[i] * w.of[i];
            }
        }
    }
    Lanes first = zero(), second = zero();
    UNROLL for (int s = 0; s < 4; s++) {
        int y = 2 * square_y + s / 2, x = 2 * square_x + s % 2;
        if (!present || y >= height || x >= width) continue;
        size_t at = (((size_t)blockIdx.z * height + y) * width + x) * channels + channel;
        finish(after, sum[s], at, out, first, second);
    }
    if (sums) add_pixels<SQUARE_THREADS>(first, second, channels, room,
                                         block_sums(sums, channels));
}

#define BACKWARD_BY_TWO(name, KERNEL_SIDE)                                                         \
    KERNEL(name, SQUARE_THREADS,                                                                   \
           (const Value *grad_output, const Value *weights, const Value *raw, const float *mean,   \
            const float *scale, const float *shift, const Value *accumulate_into, Value *out,      \
            float *sums, int height, int width, int channels, int out_height, int out_width)) {    \
        int channel = blockIdx.y * WIDE + threadIdx.x % GROUPS * 8;                                \
        Epilogue after =                                                                           \
            epilogue(raw, mean, scale, shift, accumulate_into, channel, channels);                 \
        convolve_backward_by_two<KERNEL_SIDE>(grad_output, weights, after, out, sums, height,      \
                                              width, channels, out_height, out_width);             \
    }
BACKWARD_BY_TWO(depthwise_backward_3_2, 3)
BACKWARD_BY_TWO(depthwise_backward_5_2, 5)
