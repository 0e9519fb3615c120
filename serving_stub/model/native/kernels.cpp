// The pieces of a decode step that plain torch does slowly on a CPU, for bf16: products with few rows, and the
// element-wise glue between them. Arithmetic is fp32, stores round to nearest even. Shapes are checked in kernels.py.
#include "common.h"

// -- y[n, m] = x[n, k] · w[m, k]ᵀ for few rows n: each weight is read once, in the order in which it lies.

#ifdef __AVX512BF16__
template <int ROWS, int WEIGHTS>
static void product(const bf16* x, const bf16* w, bf16* y, int64_t k, int64_t m, int64_t column) {
  __m512 sums[WEIGHTS][ROWS];
  for (int i = 0; i < WEIGHTS; i++)
    for (int r = 0; r < ROWS; r++) sums[i][r] = _mm512_setzero_ps();
  for (int64_t at = 0; at < k; at += 32) {
    const __mmask32 mask = k - at >= 32 ? 0xffffffffu : (1u << (k - at)) - 1;
    __m512bh weights[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++)
      weights[i] = (__m512bh)_mm512_maskz_loadu_epi16(mask, w + (column + i) * k + at);
    for (int r = 0; r < ROWS; r++) {
      const __m512bh values = (__m512bh)_mm512_maskz_loadu_epi16(mask, x + r * k + at);
      for (int i = 0; i < WEIGHTS; i++) sums[i][r] = _mm512_dpbf16_ps(sums[i][r], weights[i], values);
    }
  }
  for (int i = 0; i < WEIGHTS; i++)
    for (int r = 0; r < ROWS; r++) y[r * m + column + i] = down(_mm512_reduce_add_ps(sums[i][r]));
}
#else
template <int ROWS, int WEIGHTS>
static void product(const bf16* x, const bf16* w, bf16* y, int64_t k, int64_t m, int64_t column) {
  for (int i = 0; i < WEIGHTS; i++)
    for (int r = 0; r < ROWS; r++) {
      const bf16 *weights = w + (column + i) * k, *values = x + r * k;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t at = 0; at < k; at++) sum += up(weights[at]) * up(values[at]);
      y[r * m + column + i] = down(sum);
    }
}
#endif

template <int ROWS>
static void columns(const bf16* x, const bf16* w, bf16* y, int64_t k, int64_t m, int64_t from, int64_t to) {
  constexpr int WEIGHTS = ROWS <= 4 ? 4 : 2;
  int64_t column = from;
  for (; column + WEIGHTS <= to; column += WEIGHTS) product<ROWS, WEIGHTS>(x, w, y, k, m, column);
  for (; column < to; column++) product<ROWS, 1>(x, w, y, k, m, column);
}

extern "C" void linear(const bf16* x, const bf16* w, bf16* y, int64_t n, int64_t k, int64_t m, int threads) {
  constexpr int64_t CHUNK = 64;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t from = 0; from < m; from += CHUNK) {
    const int64_t to = std::min(from + CHUNK, m);
    // A chunk of weights stays in the first-level cache for all rows.
    for (int64_t row = 0; row < n;) {
      const bf16* rows = x + row * k;
      bf16* out = y + row * m;
      switch (std::min<int64_t>(n - row, 8)) {
        case 1: columns<1>(rows, w, out, k, m, from, to); row += 1; break;
        case 2: columns<2>(rows, w, out, k, m, from, to); row += 2; break;
        case 3: columns<3>(rows, w, out, k, m, from, to); row += 3; break;
        case 4: columns<4>(rows, w, out, k, m, from, to); row += 4; break;
        case 5: columns<5>(rows, w, out, k, m, from, to); row += 5; break;
        case 6: columns<6>(rows, w, out, k, m, from, to); row += 6; break;
        case 7: columns<7>(rows, w, out, k, m, from, to); row += 7; break;
        default: columns<8>(rows, w, out, k, m, from, to); row += 8; break;
      }
    }
  }
}

// -- x[n, h] += added (when there is any); out = x / rms(x) · weight

extern "C" void add_norm(bf16* x, const bf16* added, const bf16* weight, bf16* out, int64_t n, int64_t h, float eps,
                         int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (n >= 8)
  for (int64_t row = 0; row < n; row++) {
    bf16 *values = x + row * h, *to = out + row * h;
    const bf16* more = added == nullptr ? nullptr : added + row * h;
    int64_t i = 0;
    float square = 0;
#ifdef __AVX512BF16__
    __m512 squares = _mm512_setzero_ps();
    for (; i + 16 <= h; i += 16) {
      if (more != nullptr) down16(_mm512_add_ps(up16(values + i), up16(more + i)), values + i);
      const __m512 value = up16(values + i);
      squares = _mm512_fmadd_ps(value, value, squares);
    }
    square = _mm512_reduce_add_ps(squares);
#endif
    for (; i < h; i++) {
      if (more != nullptr) values[i] = down(up(values[i]) + up(more[i]));
      square += up(values[i]) * up(values[i]);
    }
    const float scale = 1.0f / std::sqrt(square / h + eps);
    i = 0;
#ifdef __AVX512BF16__
    for (; i + 16 <= h; i += 16)
      down16(_mm512_mul_ps(_mm512_mul_ps(up16(values + i), _mm512_set1_ps(scale)), up16(weight + i)), to + i);
#endif
    for (; i < h; i++) to[i] = down(up(values[i]) * scale * up(weight[i]));
  }
}

// -- out[n, f] = silu(gate) · up, from [n, 2f]

extern "C" void gated(const bf16* gate_and_up, bf16* out, int64_t n, int64_t f, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 1)
  for (int64_t row = 0; row < n; row++) {
    const bf16 *gate = gate_and_up + row * 2 * f, *other = gate + f;
    bf16* to = out + row * f;
    int64_t i = 0;
#ifdef __AVX512BF16__
    const __m512 one = _mm512_set1_ps(1.0f);
    for (; i + 16 <= f; i += 16) {
      const __m512 value = up16(gate + i), power = exponentials(_mm512_min_ps(_mm512_sub_ps(_mm512_setzero_ps(), value), _mm512_set1_ps(87.0f)));
      down16(_mm512_mul_ps(_mm512_div_ps(value, _mm512_add_ps(one, power)), up16(other + i)), to + i);
    }
#endif
    for (; i < f; i++) {
      const float value = up(gate[i]);
      to[i] = down(value / (1.0f + exponential(-value)) * up(other[i]));
    }
  }
}
