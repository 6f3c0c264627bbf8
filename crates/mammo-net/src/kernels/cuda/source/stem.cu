// The input, and the stem: a full 3x3 convolution of stride 2.

#define PIXEL_THREADS 256

// Each grey level becomes `channels` (1 or 3) values: level * factor + shift.
#define GREY_INPUT(name, Level)                                                                    \
    KERNEL(name, PIXEL_THREADS,                                                                    \
           (const Level *levels, Value *out, u64 count, int channels, float factor0, float shift0, \
            float factor1, float shift1, float factor2, float shift2)) {                           \
        u64 at = (u64)blockIdx.x * PIXEL_THREADS + threadIdx.x;                                    \
        if (at >= count) return;                                                                   \
        float level = (float)levels[at];                                                           \
        out[at * channels] = narrowed(level * factor0 + shift0);                                   \
        if (channels < 3) return;                                                                  \
        out[at * 3 + 1] = narrowed(level * factor1 + shift1);                                      \
        out[at * 3 + 2] = narrowed(level * factor2 + shift2);                                      \
    }
GREY_INPUT(input_u8, u8)
GREY_INPUT(input_u16, u16)

// From [batch, channels, area] to [batch, area, channels].
KERNEL(input_f32, PIXEL_THREADS,
       (const float *values, Value *out, u64 count, int area, int channels)) {
    u64 at = (u64)blockIdx.x * PIXEL_THREADS + threadIdx.x;
    if (at >= count) return;
    int channel = at % channels;
    u64 pixel = at / channels;
    u64 image = pixel / area, place = pixel % area;
    out[at] = narrowed(values[(image * channels + channel) * area + place]);
}

// The values as f32, for the host.
KERNEL(widen, PIXEL_THREADS, (const Value *values, float *out, u64 count)) {
    u64 at = (u64)blockIdx.x * PIXEL_THREADS + threadIdx.x;
    if (at < count) out[at] = widened(values[at]);
}

#define STEM_MOST_OUTPUTS 64
#define STEM_MOST_INPUTS 3

// A thread computes eight channels of a pixel. Threads are arranged as in rows.cu, over the pixels
// of an output image. `weight` is [outputs, inputs, 3, 3].
KERNEL(stem, ROW_THREADS,
       (const Value *x, const float *weight, Value *out, int height, int width, int inputs,
        int out_height, int out_width, int outputs, int lanes, int slab)) {
    SHARED float weights[9 * STEM_MOST_INPUTS * STEM_MOST_OUTPUTS];
    int taps = 9 * inputs;
    for (int at = threadIdx.x; at < taps * outputs; at += ROW_THREADS)
        weights[at % taps * outputs + at / taps] = weight[at];
    SYNC();
    Part part = part_of(out_height * out_width, outputs, lanes, slab);
    const Value *image = x + (size_t)blockIdx.z * height * width * inputs;
    EACH_ROW(part) {
        int top = row / out_width * 2 - 1, left = row % out_width * 2 - 1;
        Lanes sum = zero();
        for (int input = 0; input < inputs; input++) {
            UNROLL for (int tap = 0; tap < 9; tap++) {
                int y = top + tap / 3, at = left + tap % 3;
                if (y < 0 || y >= height || at < 0 || at >= width) continue;
                float v = widened(image[((size_t)y * width + at) * inputs + input]);
                const float *w = weights + (input * 9 + tap) * outputs + part.channel;
                EACH_LANE sum.of[i] += v * w[i];
            }
        }
        store(out + part.base + (size_t)row * outputs, sum);
    }
}

// The gradient of the weight over a slab of output pixels, [slabs, outputs, inputs, 3, 3]. A thread
// takes one output channel and one row of the window. The gradient of an output is
// grad_output * drop_path_mask * a + raw * b + c, or without `raw` grad_output * drop_path_mask.
KERNEL(stem_backward, 3 * STEM_MOST_OUTPUTS,
       (const Value *grad_output, const float *drop_path_mask, const Value *raw,
        const float *of_grad_output, const float *of_raw, const float *constant, const Value *x,
        float *sums, int height, int width, int inputs, int out_height, int out_width,
        int outputs, int pixels, int slab)) {
    int output = threadIdx.x % outputs, window_row = threadIdx.x / outputs;
    int area = out_height * out_width, end = min((int)(blockIdx.x + 1) * slab, pixels);
    float a = 1.0f, b = 0.0f, c = 0.0f, sum[3 * STEM_MOST_INPUTS];
    if (raw) a = of_grad_output[output], b = of_raw[output], c = constant[output];
    UNROLL for (int i = 0; i < 3 * STEM_MOST_INPUTS; i++) sum[i] = 0.0f;
    for (int pixel = blockIdx.x * slab; pixel < end; pixel++) {
        int image = pixel / area, place = pixel % area;
        size_t at = (size_t)pixel * outputs + output;
        float g = widened(grad_output[at]);
        if (drop_path_mask) g *= drop_path_mask[image];
        if (raw) g = g * a + (widened(raw[at]) * b + c);
        int y = place / out_width * 2 - 1 + window_row, left = place % out_width * 2 - 1;
        if (y < 0 || y >= height) continue;
        const Value *line = x + ((size_t)image * height + y) * width * inputs;
        UNROLL for (int input = 0; input < STEM_MOST_INPUTS; input++) {
            UNROLL for (int tap = 0; tap < 3; tap++) {
                int column = left + tap;
                if (input < inputs && column >= 0 && column < width)
                    sum[input * 3 + tap] += g * widened(line[(size_t)column * inputs + input]);
            }
        }
    }
    float *place = sums + ((size_t)blockIdx.x * outputs + output) * inputs * 9;
    UNROLL for (int input = 0; input < STEM_MOST_INPUTS; input++)
        UNROLL for (int tap = 0; tap < 3; tap++)
            if (input < inputs) place[input * 9 + window_row * 3 + tap] = sum[input * 3 + tap];
}
