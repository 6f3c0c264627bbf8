// cublasGemmEx on the host, for f32 and bf16 matrices; numbers are those of cublas_api.h.
#include <stdint.h>
#include <string.h>

#include <vector>

enum { R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, INVALID_VALUE = 7 };

static float widened(const void *from, size_t at, int type) {
    if (type == R_32F) return ((const float *)from)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)from)[at] << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static void put(void *to, size_t at, int type, float x) {
    if (type == R_32F) {
        ((float *)to)[at] = x;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &x, 4);
    ((uint16_t *)to)[at] = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

// [rows, columns] by rows, from a matrix kept by columns, transposed if told.
static std::vector<float> taken(const void *from, int type, int rows, int columns, int step,
                                bool transposed) {
    std::vector<float> out((size_t)rows * columns);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            out[(size_t)r * columns + c] =
                widened(from, transposed ? (size_t)r * step + c : (size_t)c * step + r, type);
    return out;
}

extern "C" {

int cublasCreate_v2(void **handle) { return *handle = (void *)1, 0; }
int cublasDestroy_v2(void *) { return 0; }
int cublasSetStream_v2(void *, void *) { return 0; }
int cublasSetMathMode(void *, int) { return 0; }

int cublasGemmEx(void *, int turn_a, int turn_b, int m, int n, int k, const void *alpha,
                 const void *a, int a_type, int lda, const void *b, int b_type, int ldb,
                 const void *beta, void *c, int c_type, int ldc, int compute, int) {
    bool known = (a_type == R_32F || a_type == R_16BF) && b_type == a_type &&
                 (c_type == R_32F || c_type == a_type) && compute == COMPUTE_32F;
    bool fits = m > 0 && n > 0 && k > 0 && lda >= (turn_a ? k : m) && ldb >= (turn_b ? n : k) &&
                ldc >= m;
    if (!known || !fits) return INVALID_VALUE;
    float scale = *(const float *)alpha, kept = *(const float *)beta;
    std::vector<float> left = taken(a, a_type, m, k, lda, turn_a);
    // By columns, so that both are read along k.
    std::vector<float> right = taken(b, b_type, n, k, ldb, !turn_b);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            const float *x = &left[(size_t)i * k], *y = &right[(size_t)j * k];
            float sums[8] = {};
            int l = 0;
            for (; l + 8 <= k; l += 8)
                for (int p = 0; p < 8; p++) sums[p] += x[l + p] * y[l + p];
            for (; l < k; l++) sums[0] += x[l] * y[l];
            float sum = ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
                        ((sums[2] + sums[6]) + (sums[3] + sums[7]));
            size_t at = (size_t)j * ldc + i;
            // With beta 0 what was there is not read: it may be NaN.
            put(c, at, c_type, scale * sum + (kept == 0 ? 0 : kept * widened(c, at, c_type)));
        }
    return 0;
}
}
