// Products on a processor's matrix units (AMX), for bf16 weights and for 8-bit ones: y[n, m] = x[n, k] · w[m, k]ᵀ.
// Weights lie as tiles of 1 KiB in the order in which they are read (kernels.py packs them): 32 features at a time, each
// step of k two tiles of 16 features. Rows are copied into tiles too, 16 at a time, with zeros where there is none.
// Source: Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter "Intel Advanced Matrix Extensions".
#include "common.h"

#ifdef HAS_TILES
#include <sys/syscall.h>
#include <type_traits>
#include <unistd.h>

constexpr int64_t TILE = 1024, ROWS = 16, FEATURES = 16;
constexpr int64_t AHEAD = 4 * TILE;

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

struct Bf16 {
  using Sum = float;
  static constexpr int64_t PER_STEP = 32;
};

struct Int8 {
  using Sum = int32_t;
  static constexpr int64_t PER_STEP = 64;
};

#define MULTIPLY(to, rows, weights)                             \
  do {                                                          \
    if constexpr (std::is_same_v<Kind, Bf16>)                   \
      _tile_dpbf16ps(to, rows, weights);                        \
    else                                                        \
      _tile_dpbssd(to, rows, weights);                          \
  } while (0)

static inline void fetch(const uint8_t* tiles) {
  for (int64_t at = 0; at < 2 * TILE; at += 64) _mm_prefetch(reinterpret_cast<const char*>(tiles + AHEAD + at), _MM_HINT_T0);
}

// 16 rows and twice 32 features.
template <typename Kind>
static void block_16(const uint8_t* x, const uint8_t* w, const uint8_t* v, int64_t steps, typename Kind::Sum* sums) {
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t step = 0; step < steps; step++, x += TILE, w += 2 * TILE, v += 2 * TILE) {
    fetch(w);
    fetch(v);
    _tile_loadd(0, x, 64);
    _tile_loadd(1, w, 64);
    MULTIPLY(4, 0, 1);
    _tile_loadd(2, w + TILE, 64);
    MULTIPLY(5, 0, 2);
    _tile_loadd(3, v, 64);
    MULTIPLY(6, 0, 3);
    _tile_loadd(1, v + TILE, 64);
    MULTIPLY(7, 0, 1);
  }
  _tile_stored(4, sums, 64);
  _tile_stored(5, sums + 256, 64);
  _tile_stored(6, sums + 512, 64);
  _tile_stored(7, sums + 768, 64);
}

// 16 or 32 rows and 32 features; of 16 rows the lower half of *sums* is left alone.
template <typename Kind>
static void block_32(const uint8_t* x, const uint8_t* y, const uint8_t* w, int64_t steps, typename Kind::Sum* sums) {
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t step = 0; step < steps; step++, x += TILE, y += TILE, w += 2 * TILE) {
    fetch(w);
    _tile_loadd(0, x, 64);
    _tile_loadd(2, w, 64);
    MULTIPLY(4, 0, 2);
    _tile_loadd(3, w + TILE, 64);
    MULTIPLY(5, 0, 3);
    _tile_loadd(1, y, 64);
    MULTIPLY(6, 1, 2);
    MULTIPLY(7, 1, 3);
  }
  _tile_stored(4, sums, 64);
  _tile_stored(5, sums + 256, 64);
  _tile_stored(6, sums + 512, 64);
  _tile_stored(7, sums + 768, 64);
}

static void pack_row(const bf16* from, uint8_t* tiles, int64_t k, Bf16, float*) {
  for (int64_t at = 0; at < k; at += 32) std::memcpy(tiles + at / 32 * TILE, from + at, 64);
}

// Each row has a scale of its own, so what it becomes does not depend on its neighbours.
static void pack_row(const bf16* from, uint8_t* tiles, int64_t k, Int8, float* scale) {
  const __m512 factor = _mm512_set1_ps(to_whole(from, k, scale));
  for (int64_t at = 0; at < k; at += 16) {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(up16(from + at), factor));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tiles + at / 64 * TILE + at % 64), _mm512_cvtsepi32_epi8(whole));
  }
}

static void store(const float* sums, bf16* y, float, const float*) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(sums)));
}

static void store(const int32_t* sums, bf16* y, float row_scale, const float* feature_scales) {
  const __m512 whole = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums));
  const __m512 scaled = _mm512_mul_ps(_mm512_mul_ps(whole, _mm512_set1_ps(row_scale)), _mm512_loadu_ps(feature_scales));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), (__m256i)_mm512_cvtneps_pbh(scaled));
}

template <typename Kind>
static void linear(const bf16* x, const uint8_t* w, const float* scales, bf16* y, int64_t n, int64_t k, int64_t m, int threads) {
  using Sum = typename Kind::Sum;
  const int64_t steps = k / Kind::PER_STEP, blocks = (n + ROWS - 1) / ROWS, groups = m / (2 * FEATURES);
  const int64_t row_block = steps * TILE, group = 2 * steps * TILE;
  thread_local std::vector<uint8_t> packed;
  thread_local std::vector<float> row_scales;
  packed.resize(blocks * row_block + 64);
  row_scales.resize(blocks * ROWS);
  uint8_t* const tiles = packed.data() + (64 - reinterpret_cast<uintptr_t>(packed.data()) % 64) % 64;
  float* const rows = row_scales.data();
  if (n % ROWS) std::memset(tiles + (blocks - 1) * row_block, 0, row_block);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t row = 0; row < n; row++)
      pack_row(x + row * k, tiles + row / ROWS * row_block + row % ROWS * 64, k, Kind{}, rows + row);
    const TileConfig config;
    _tile_loadconfig(&config);
    alignas(64) Sum sums[4 * 256];
    auto keep = [&](const Sum* part, int64_t block, int64_t feature) {
      for (int64_t row = block * ROWS; row < std::min(n, (block + 1) * ROWS); row++, part += FEATURES)
        store(part, y + row * m + feature, rows[row], scales + feature);
    };
    if (blocks == 1) {
#pragma omp for schedule(static)
      for (int64_t at = 0; at < groups / 2; at++) {
        const uint8_t* const first = w + 2 * at * group;
        block_16<Kind>(tiles, first, first + group, steps, sums);
        for (int64_t i = 0; i < 4; i++) keep(sums + i * 256, 0, (at * 4 + i) * FEATURES);
      }
      if (groups % 2) {
#pragma omp single
        {
          block_32<Kind>(tiles, tiles, w + (groups - 1) * group, steps, sums);
          for (int64_t i = 0; i < 2; i++) keep(sums + i * 256, 0, (groups * 2 - 2 + i) * FEATURES);
        }
      }
    } else {
#pragma omp for schedule(static)
      for (int64_t at = 0; at < groups; at++)
        for (int64_t block = 0; block < blocks; block += 2) {
          const int64_t other = std::min(block + 1, blocks - 1);
          block_32<Kind>(tiles + block * row_block, tiles + other * row_block, w + at * group, steps, sums);
          for (int64_t i = 0; i < (other > block ? 4 : 2); i++) keep(sums + i * 256, block + i / 2, (at * 2 + i % 2) * FEATURES);
        }
    }
    _tile_release();
  }
}

// Asks the kernel for the use of the tiles; 1 if it grants it.
extern "C" int tiles_ready() {
  constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

extern "C" void tiles_bf16(const bf16* x, const uint8_t* w, bf16* y, int64_t n, int64_t k, int64_t m, int threads) {
  linear<Bf16>(x, w, nullptr, y, n, k, m, threads);
}

extern "C" void tiles_int8(const bf16* x, const uint8_t* w, const float* scales, bf16* y, int64_t n, int64_t k, int64_t m,
                           int threads) {
  linear<Int8>(x, w, scales, y, n, k, m, threads);
}
#else
extern "C" int tiles_ready() { return 0; }
extern "C" void tiles_bf16() {}
extern "C" void tiles_int8() {}
#endif
