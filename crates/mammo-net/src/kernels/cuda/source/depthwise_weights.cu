// The gradient of the weight of a depthwise convolution.
//
// A block takes 32 channels (blockIdx.x) and every gridDim.y-th tile of outputs, from number
// blockIdx.y on. It loads the activated inputs under the tile as the forward pass does. A thread
// takes two channels, one row of the window and a quarter of the rows of the tile. Along a row of
// outputs it shifts a row of inputs through registers. Each block stores its sums once:
// [gridDim.y, kernel * kernel, channels].

#define COUPLES (WIDE / 2)
#define QUARTERS 4
#define WEIGHT_THREADS(KERNEL_SIDE) (COUPLES * (KERNEL_SIDE) * QUARTERS)

DEVICE Couple couple(const Value *from) { return *(const Couple *)from; }

template <int STRIDE> struct WeightTile {
    static const int width = STRIDE == 1 ? 16 : 8;
    static const int height = STRIDE == 1 && VALUE_BITS == 16 ? 16 : 8;
};

template <int KERNEL_SIDE, int STRIDE>
DEVICE void weight_gradient(const Value *x, const float *scale, const float *shift,
                            const Value *grad_output, float *sums, int batch, int height, int width,
                            int channels, int out_height, int out_width) {
    typedef WeightTile<STRIDE> T;
    const int threads = WEIGHT_THREADS(KERNEL_SIDE), taps = KERNEL_SIDE * KERNEL_SIDE;
    const int rows = UNDER(T::height), columns = UNDER(T::width);
    // An odd pitch, so that two rows of the window fall on different banks.
    const int pitch = columns | 1;
    SHARED __align__(16) Value held[rows * pitch * WIDE];
    int side = threadIdx.x % COUPLES * 2, window_row = threadIdx.x / COUPLES % KERNEL_SIDE;
    int quarter = threadIdx.x / (COUPLES * KERNEL_SIDE);
    int channel = blockIdx.x * WIDE + side;
    bool present = channel < channels;
    float sum[2][KERNEL_SIDE];
    UNROLL for (int k = 0; k < KERNEL_SIDE; k++) sum[0][k] = sum[1][k] = 0.0f;

    int across = (out_width + T::width - 1) / T::width;
    int of_image = across * ((out_height + T::height - 1) / T::height);
    for (int tile = blockIdx.y; tile < batch * of_image; tile += gridDim.y) {
        int image = tile / of_image, place = tile % of_image;
        int first_y = place / across * T::height, first_x = place % across * T::width;
        SYNC();
        load_tile<rows, columns, pitch, threads>(
            x + (size_t)image * height * width * channels, scale, shift,
            first_y * STRIDE - KERNEL_SIDE / 2, first_x * STRIDE - KERNEL_SIDE / 2, height, width,
            blockIdx.x * WIDE, channels, held);
        SYNC();
        ROLLED for (int r = 0; r < T::height / QUARTERS; r++) {
            int row = quarter * (T::height / QUARTERS) + r, y = first_y + row;
            if (!present || y >= out_height) continue;
            const Value *line = held + (row * STRIDE + window_row) * pitch * WIDE + side;
            size_t pixel = ((size_t)image * out_height + y) * out_width + first_x;
            const Value *gradients = grad_output + pixel * channels + channel;
            float window[2][KERNEL_SIDE];
            UNROLL for (int k = 0; k < KERNEL_SIDE - STRIDE; k++) {
                Couple v = couple(line + k * WIDE);
                window[0][k] = low(v);
                window[1][k] = high(v);
            }
            UNROLL for (int o = 0; o < T::width; o++) {
                UNROLL for (int k = KERNEL_SIDE - STRIDE; k < KERNEL_SIDE; k++) {
                    Couple v = couple(line + (o * STRIDE + k) * WIDE);
                    window[0][k] = low(v);
                    window[1][k] = high(v);
                }
                if (first_x + o < out_width) {
                    Couple g = couple(gradients + (size_t)o * channels);
                    UNROLL for (int k = 0; k < KERNEL_SIDE; k++) {
                        sum[0][k] += low(g) * window[0][k];
                        sum[1][k] += high(g) * window[1][k];
                    }
                }
                UNROLL for (int k = 0; k < KERNEL_SIDE - STRIDE; k++) {
                    window[0][k] = window[0][k + STRIDE];
                    window[1][k] = window[1][k + STRIDE];
                }
            }
        }
    }

    float *room = (float *)held;
    SYNC();
    UNROLL for (int k = 0; k < KERNEL_SIDE; k++) {
        float *to = room + ((quarter * KERNEL_SIDE + window_row) * KERNEL_SIDE + k) * WIDE + side;
        to[0] = sum[0][k];
        to[1] = sum[1][k];
    }
    SYNC();
    for (int at = threadIdx.x; at < taps * WIDE; at += threads) {
        int place = blockIdx.x * WIDE + at % WIDE;
        if (place >= channels) continue;
        float total = 0.0f;
        UNROLL for (int q = 0; q < QUARTERS; q++) total += room[q * taps * WIDE + at];
        sums[((size_t)blockIdx.y * taps + at / WIDE) * channels + place] = total;
    }
}

#define WEIGHTS(name, KERNEL_SIDE, STRIDE)                                                         \
    KERNEL(name, WEIGHT_THREADS(KERNEL_SIDE),                                                      \
           (const Value *x, const float *scale, const float *shift, const Value *grad_output,      \
            float *sums, int batch, int height, int width, int channels, int out_height,           \
            int out_width)) {                                                                      \
        weight_gradient<KERNEL_SIDE, STRIDE>(x, scale, shift, grad_output, sums, batch, height,    \
                                             width, channels, out_height, out_width);              \
    }
WEIGHTS(depthwise_weights_3_1, 3, 1)
WEIGHTS(depthwise_weights_3_2, 3, 2)
WEIGHTS(depthwise_weights_5_1, 5, 1)
WEIGHTS(depthwise_weights_5_2, 5, 2)
