// The pieces of a decode step that plain torch does slowly on a CPU, for bf16: products with few rows, attention that
// reads KV blocks where they lie, and the element-wise glue between them. Arithmetic is fp32, stores round to nearest
// even. Shapes are checked in kernels.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

using bf16 = uint16_t;

static inline float up(bf16 value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

static inline bf16 down(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<bf16>((bits >> 16) | 0x40);  // stays NaN
  return static_cast<bf16>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

// e to the x within two units of the last place, in a form that compilers turn into vectors; x beyond ±87 is cut there.
static inline float exponential(float x) {
  x = std::min(87.0f, std::max(-87.0f, x));
  const float n = std::nearbyint(x * 1.44269504f);
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return p * power;
}

#ifdef __AVX512F__
static inline __m512 up16(const bf16* from) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
#endif

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

extern "C" void add_norm(bf16* x, const bf16* added, const bf16* weight, bf16* out, int64_t n, int64_t h, float eps) {
  for (int64_t row = 0; row < n; row++) {
    bf16 *values = x + row * h, *to = out + row * h;
    float square = 0;
    if (added != nullptr) {
      const bf16* more = added + row * h;
#pragma omp simd
      for (int64_t i = 0; i < h; i++) values[i] = down(up(values[i]) + up(more[i]));
    }
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < h; i++) square += up(values[i]) * up(values[i]);
    const float scale = 1.0f / std::sqrt(square / h + eps);
#pragma omp simd
    for (int64_t i = 0; i < h; i++) to[i] = down(up(values[i]) * scale * up(weight[i]));
  }
}

// -- out[n, f] = silu(gate) · up, from [n, 2f]

extern "C" void gated(const bf16* gate_and_up, bf16* out, int64_t n, int64_t f, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 1)
  for (int64_t row = 0; row < n; row++) {
    const bf16 *gate = gate_and_up + row * 2 * f, *other = gate + f;
    bf16* to = out + row * f;
#pragma omp simd
    for (int64_t i = 0; i < f; i++) {
      const float value = up(gate[i]);
      to[i] = down(value / (1.0f + exponential(-value)) * up(other[i]));
    }
  }
}

#ifdef __AVX512F__
// Rows of one head lie apart from each other, which the processor does not foresee.
static inline void ahead(const bf16* rows, const int64_t* places, int64_t t, int64_t num) {
  const char* next = reinterpret_cast<const char*>(rows + places[std::min(t + 12, num - 1)]);
  _mm_prefetch(next, _MM_HINT_T0);
  _mm_prefetch(next + 64, _MM_HINT_T0);
}
#endif

// scores[g, t] = query[g] · key[t], and mixed[g] = Σ scores[g, t] · value[t], over keys and values where they lie.

static void score_all(const float* query, const bf16* keys, const int64_t* places, float* scores, int64_t num, int64_t groups,
                      int64_t d) {
#ifdef __AVX512F__
  if (d == 64 && groups <= 4) {
    __m512 q[4][4];
    for (int64_t g = 0; g < groups; g++)
      for (int j = 0; j < 4; j++) q[g][j] = _mm512_loadu_ps(query + g * 64 + j * 16);
    for (int64_t t = 0; t < num; t++) {
      ahead(keys, places, t, num);
      __m512 key[4];
      for (int j = 0; j < 4; j++) key[j] = up16(keys + places[t] + j * 16);
      for (int64_t g = 0; g < groups; g++) {
        const __m512 low = _mm512_fmadd_ps(q[g][1], key[1], _mm512_mul_ps(q[g][0], key[0]));
        const __m512 high = _mm512_fmadd_ps(q[g][3], key[3], _mm512_mul_ps(q[g][2], key[2]));
        scores[g * num + t] = _mm512_reduce_add_ps(_mm512_add_ps(low, high));
      }
    }
    return;
  }
#endif
  for (int64_t t = 0; t < num; t++) {
    const bf16* key = keys + places[t];
    for (int64_t g = 0; g < groups; g++) {
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < d; i++) sum += query[g * d + i] * up(key[i]);
      scores[g * num + t] = sum;
    }
  }
}

static void mix_all(const float* scores, const bf16* values, const int64_t* places, float* mixed, int64_t num, int64_t groups,
                    int64_t d) {
#ifdef __AVX512F__
  if (d == 64 && groups <= 4) {
    __m512 sums[4][4];
    for (auto& group : sums)
      for (auto& part : group) part = _mm512_setzero_ps();
    for (int64_t t = 0; t < num; t++) {
      ahead(values, places, t, num);
      __m512 value[4];
      for (int j = 0; j < 4; j++) value[j] = up16(values + places[t] + j * 16);
      for (int64_t g = 0; g < groups; g++) {
        const __m512 weight = _mm512_set1_ps(scores[g * num + t]);
        for (int j = 0; j < 4; j++) sums[g][j] = _mm512_fmadd_ps(weight, value[j], sums[g][j]);
      }
    }
    for (int64_t g = 0; g < groups; g++)
      for (int j = 0; j < 4; j++) _mm512_storeu_ps(mixed + g * 64 + j * 16, sums[g][j]);
    return;
  }
#endif
  for (int64_t t = 0; t < num; t++) {
    const bf16* value = values + places[t];
    for (int64_t g = 0; g < groups; g++) {
      const float weight = scores[g * num + t];
#pragma omp simd
      for (int64_t i = 0; i < d; i++) mixed[g * d + i] += weight * up(value[i]);
    }
  }
}

// -- One new token of each of n sequences: rotate q and k, store k and v in the token's slot, attend to the whole
//    context where its blocks lie. qkv [n, (heads + 2·kv_heads)·d]; keys, values [slots, kv_heads·d]; tables [n, width].

extern "C" void attend(const bf16* qkv, const bf16* cosines, const bf16* sines, const int64_t* positions,
                       const int64_t* tables, int64_t width, bf16* keys, bf16* values, bf16* out, int64_t n,
                       int64_t heads, int64_t kv_heads, int64_t d, int64_t block_size, int threads) {
  const int64_t groups = heads / kv_heads, half = d / 2, row_size = (heads + 2 * kv_heads) * d, stride = kv_heads * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t item = 0; item < n * kv_heads; item++) {
    const int64_t row = item / kv_heads, kv = item % kv_heads, last = positions[row];
    const bf16 *in = qkv + row * row_size, *c = cosines + row * half, *s = sines + row * half;
    const int64_t* table = tables + row * width;
    // Kept from call to call: a step of 32 rows comes here 2,880 times.
    thread_local std::vector<float> q, sums, scores, mixed;
    thread_local std::vector<int64_t> places;
    q.resize(groups * d);
    sums.resize(groups);
    scores.resize(groups * (last + 1));
    places.resize(last + 1);
    for (int64_t t = 0; t <= last; t += block_size) {
      const int64_t first = table[t / block_size] * block_size * stride + kv * d;
      for (int64_t i = 0; i < std::min(block_size, last + 1 - t); i++) places[t + i] = first + i * stride;
    }

    const bf16 *k = in + (heads + kv) * d, *v = in + (heads + kv_heads + kv) * d;
    bf16 *key = keys + places[last], *value = values + places[last];
    for (int64_t i = 0; i < half; i++) {
      const float left = up(k[i]), right = up(k[i + half]), co = up(c[i]), si = up(s[i]);
      key[i] = down(left * co - right * si);
      key[i + half] = down(right * co + left * si);
    }
    std::memcpy(value, v, d * sizeof(bf16));

    mixed.assign(groups * d, 0.0f);
    for (int64_t g = 0; g < groups; g++) {
      const bf16* from = in + (kv * groups + g) * d;
      for (int64_t i = 0; i < half; i++) {
        const float left = up(from[i]), right = up(from[i + half]), co = up(c[i]), si = up(s[i]);
        // Rounded as torch would, so that both paths read the same query.
        q[g * d + i] = up(down(left * co - right * si)) * scale;
        q[g * d + i + half] = up(down(right * co + left * si)) * scale;
      }
    }
    score_all(q.data(), keys, places.data(), scores.data(), last + 1, groups, d);
    for (int64_t g = 0; g < groups; g++) {
      float* score = scores.data() + g * (last + 1);
      float sum = 0, top = -INFINITY;
#pragma omp simd reduction(max : top)
      for (int64_t t = 0; t <= last; t++) top = std::max(top, score[t]);
#pragma omp simd reduction(+ : sum)
      for (int64_t t = 0; t <= last; t++) {
        score[t] = exponential(score[t] - top);
        sum += score[t];
      }
      sums[g] = 1.0f / sum;
    }
    mix_all(scores.data(), values, places.data(), mixed.data(), last + 1, groups, d);
    for (int64_t g = 0; g < groups; g++)
      for (int64_t i = 0; i < d; i++)
        out[row * heads * d + (kv * groups + g) * d + i] = down(mixed[g * d + i] * sums[g]);
  }
}
