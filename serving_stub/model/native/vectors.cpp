// Products on processors without matrix units that multiply pairs of bf16, or fours of bytes, in one instruction:
// y[n, m] = x[n, k] · w[m, k]ᵀ. Weights lie as in tiles.cpp: 32 features at a time, each step of k two tiles of 16
// features; a line of a tile is one vector of weights. Up to 12 rows are summed in registers at once, so a weight that
// has come from memory serves them all; what is left of it comes from the nearest caches.
#include "common.h"

#ifdef HAS_VECTORS
constexpr int64_t TILE = 1024, LINE = 64, FEATURES = 32, AHEAD = 16 * TILE;
// Weights are called into the second cache, never the first: there they would drive out the rows, at half the speed.
constexpr int64_t MOST = 12;

struct Bf16 {
  using Sum = __m512;
  static constexpr int64_t TOGETHER = 2;  // numbers of k in a line, for each feature
  static Sum none() { return _mm512_setzero_ps(); }
  static Sum plus(Sum a, Sum b) { return _mm512_add_ps(a, b); }
  static Sum multiply(Sum sum, int32_t x, __m512i w) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(x), (__m512bh)w);
  }
};

// Rows are unsigned, by 128 too large; what that adds to a feature's sum is known beforehand.
struct Int8 {
  using Sum = __m512i;
  static constexpr int64_t TOGETHER = 4;
  static Sum none() { return _mm512_setzero_si512(); }
  static Sum plus(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
  static Sum multiply(Sum sum, int32_t x, __m512i w) { return _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(x), w); }
};

struct Scales {
  const float *rows, *features;
  const int32_t* extra;
};

static void store(__m512 low, __m512 high, bf16* y, int64_t, int64_t, const Scales&) {
  _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

static void store(__m512i low, __m512i high, bf16* y, int64_t row, int64_t feature, const Scales& scales) {
  auto true_size = [&](__m512i sum, int64_t at) {
    const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_loadu_si512(scales.extra + at)));
    return _mm512_mul_ps(_mm512_mul_ps(whole, _mm512_set1_ps(scales.rows[row])), _mm512_loadu_ps(scales.features + at));
  };
  _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(true_size(high, feature + 16), true_size(low, feature)));
}

// ROWS rows and 32 features; x [k / TOGETHER, ROWS]. With few rows sums are kept apart by turns, or each multiplication
// would wait for the one before.
template <typename Kind, int ROWS>
static void block(const int32_t* x, const uint8_t* w, bf16* y, int64_t lines, int64_t m, int64_t row, int64_t feature,
                  const Scales& scales) {
  constexpr int TURNS = ROWS <= 2 ? 4 : ROWS <= 5 ? 2 : 1;
  typename Kind::Sum low[TURNS][ROWS], high[TURNS][ROWS];
  for (int turn = 0; turn < TURNS; turn++)
    for (int r = 0; r < ROWS; r++) low[turn][r] = high[turn][r] = Kind::none();
  for (int64_t line = 0; line < lines; line += 16, w += 2 * TILE, x += 16 * ROWS) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      _mm_prefetch(reinterpret_cast<const char*>(w + AHEAD + i * LINE), _MM_HINT_T1);
      _mm_prefetch(reinterpret_cast<const char*>(w + AHEAD + TILE + i * LINE), _MM_HINT_T1);
      const __m512i left = _mm512_loadu_si512(w + i * LINE), right = _mm512_loadu_si512(w + TILE + i * LINE);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        low[i % TURNS][r] = Kind::multiply(low[i % TURNS][r], x[i * ROWS + r], left);
        high[i % TURNS][r] = Kind::multiply(high[i % TURNS][r], x[i * ROWS + r], right);
      }
    }
  }
  for (int r = 0; r < ROWS; r++) {
    for (int turn = 1; turn < TURNS; turn++) {
      low[0][r] = Kind::plus(low[0][r], low[turn][r]);
      high[0][r] = Kind::plus(high[0][r], high[turn][r]);
    }
    store(low[0][r], high[0][r], y + r * m + feature, row + r, feature, scales);
  }
}

template <typename Kind, int ROWS = 1>
static void any_block(int64_t rows, const int32_t* x, const uint8_t* w, bf16* y, int64_t lines, int64_t m, int64_t row,
                      int64_t feature, const Scales& scales) {
  if (rows == ROWS) return block<Kind, ROWS>(x, w, y, lines, m, row, feature, scales);
  if constexpr (ROWS < MOST) any_block<Kind, ROWS + 1>(rows, x, w, y, lines, m, row, feature, scales);
}

static void pack_row(const bf16* from, int32_t* to, int64_t rows, int64_t k, Bf16, float*) {
  for (int64_t at = 0; at < k; at += 2, to += rows) std::memcpy(to, from + at, 4);
}

// Each row has a scale of its own, so what it becomes does not depend on its neighbours.
static void pack_row(const bf16* from, int32_t* to, int64_t rows, int64_t k, Int8, float* scale) {
  const __m512 factor = _mm512_set1_ps(to_whole(from, k, scale));
  alignas(16) uint8_t whole[16];
  for (int64_t at = 0; at < k; at += 16) {
    const __m512i number = _mm512_cvtps_epi32(_mm512_mul_ps(up16(from + at), factor));
    const __m128i bytes = _mm_xor_si128(_mm512_cvtsepi32_epi8(number), _mm_set1_epi8(static_cast<char>(0x80)));
    _mm_store_si128(reinterpret_cast<__m128i*>(whole), bytes);
    for (int i = 0; i < 16; i += 4, to += rows) std::memcpy(to, whole + i, 4);
  }
}

template <typename Kind>
static void linear(const bf16* x, const uint8_t* w, const float* scales, const int32_t* extra, bf16* y, int64_t n, int64_t k,
                   int64_t m, int threads) {
  const int64_t lines = k / Kind::TOGETHER, blocks = (n + MOST - 1) / MOST, group = 2 * lines * LINE;
  thread_local std::vector<int32_t> packed;
  thread_local std::vector<float> row_scales;
  packed.resize(n * lines);
  row_scales.resize(n);
  int32_t* const rows = packed.data();
  float* const worth = row_scales.data();
  auto first_of = [&](int64_t number) { return number * n / blocks; };
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t row = 0; row < n; row++) {
      int64_t number = row * blocks / n;
      while (first_of(number + 1) <= row) number++;
      const int64_t first = first_of(number), together = first_of(number + 1) - first;
      pack_row(x + row * k, rows + first * lines + row - first, together, k, Kind{}, worth + row);
    }
    const Scales all{worth, scales, extra};
#pragma omp for schedule(static)
    for (int64_t at = 0; at < m / FEATURES; at++)
      for (int64_t number = 0; number < blocks; number++) {
        const int64_t first = first_of(number), together = first_of(number + 1) - first;
        any_block<Kind>(together, rows + first * lines, w + at * group, y + first * m, lines, m, first, at * FEATURES, all);
      }
  }
}

extern "C" int vectors_ready() { return 1; }

extern "C" void vectors_bf16(const bf16* x, const uint8_t* w, bf16* y, int64_t n, int64_t k, int64_t m, int threads) {
  linear<Bf16>(x, w, nullptr, nullptr, y, n, k, m, threads);
}

extern "C" void vectors_int8(const bf16* x, const uint8_t* w, const float* scales, const int32_t* extra, bf16* y, int64_t n,
                             int64_t k, int64_t m, int threads) {
  linear<Int8>(x, w, scales, extra, y, n, k, m, threads);
}
#else
extern "C" int vectors_ready() { return 0; }
extern "C" void vectors_bf16() {}
extern "C" void vectors_int8() {}
#endif
