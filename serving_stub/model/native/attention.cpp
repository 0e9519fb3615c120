// Attention of one new token a sequence, over keys and values where they lie in their blocks. Shapes are in kernels.py.
#include "common.h"

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

static void turn(const bf16* from, const bf16* cosines, const bf16* sines, int64_t half, bf16* to) {
  int64_t i = 0;
#ifdef __AVX512BF16__
  for (; i + 16 <= half; i += 16) {
    const __m512 left = up16(from + i), right = up16(from + i + half), co = up16(cosines + i), si = up16(sines + i);
    down16(_mm512_fnmadd_ps(right, si, _mm512_mul_ps(left, co)), to + i);
    down16(_mm512_fmadd_ps(left, si, _mm512_mul_ps(right, co)), to + i + half);
  }
#endif
  for (; i < half; i++) {
    const float left = up(from[i]), right = up(from[i + half]), co = up(cosines[i]), si = up(sines[i]);
    to[i] = down(left * co - right * si);
    to[i + half] = down(right * co + left * si);
  }
}

static void attend_anywhere(const bf16* q, const bf16* keys, const bf16* values, const int64_t* table, int64_t stride, int64_t num,
                            int64_t groups, int64_t d, int64_t block_size, float scale, bf16* out) {
  thread_local std::vector<float> query, scores, mixed;
  thread_local std::vector<int64_t> places;
  query.resize(groups * d);
  scores.resize(groups * num);
  places.resize(num);
  mixed.assign(groups * d, 0.0f);
  for (int64_t t = 0; t < num; t++) places[t] = (table[t / block_size] * block_size + t % block_size) * stride;
  for (int64_t i = 0; i < groups * d; i++) query[i] = up(q[i]) * scale;
  score_all(query.data(), keys, places.data(), scores.data(), num, groups, d);
  for (int64_t g = 0; g < groups; g++) {
    float* score = scores.data() + g * num;
    float sum = 0, top = -INFINITY;
    for (int64_t t = 0; t < num; t++) top = score[t] > top ? score[t] : top;
#pragma omp simd reduction(+ : sum)
    for (int64_t t = 0; t < num; t++) {
      score[t] = exponential(score[t] - top);
      sum += score[t];
    }
#pragma omp simd
    for (int64_t t = 0; t < num; t++) score[t] /= sum;
  }
  mix_all(scores.data(), values, places.data(), mixed.data(), num, groups, d);
  for (int64_t i = 0; i < groups * d; i++) out[i] = down(mixed[i]);
}

#ifdef HAS_VECTORS
// By blocks of 16 tokens, with keys, values and weights multiplied as pairs of bf16.

constexpr int64_t BLOCK = 16;
constexpr float LOWEST = -3.0e38f;

// Weights e to the (score - largest) · scale, which become bf16; answers one over their sum.
static float weigh(const float* scores, bf16* weights, int64_t room, float scale) {
  __m512 top = _mm512_set1_ps(LOWEST), sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < room; t += 16) top = _mm512_max_ps(top, _mm512_loadu_ps(scores + t));
  const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(top)), factor = _mm512_set1_ps(scale);
  for (int64_t t = 0; t < room; t += 16) {
    const __m512 weight = exponentials(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(scores + t), largest), factor));
    sum = _mm512_add_ps(sum, weight);
    down16(weight, weights + t);
  }
  return 1.0f / _mm512_reduce_add_ps(sum);
}

// The sums of 16 vectors, each over its 16 lanes, in their order.
static inline __m512 sums_of(const __m512* all) {
  __m512 four[4];
  for (int i = 0; i < 4; i++) {
    const __m512 *v = all + 4 * i;
    const __m512 first = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    const __m512 second = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    four[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(first), _mm512_castps_pd(second)));
    four[i] = _mm512_add_ps(four[i], _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(first), _mm512_castps_pd(second))));
  }
  // Each lane of 128 bits holds four vectors' sums over that lane; the lanes are what is left to add.
  const __m512 low = _mm512_add_ps(_mm512_shuffle_f32x4(four[0], four[1], 0x88), _mm512_shuffle_f32x4(four[0], four[1], 0xdd));
  const __m512 high = _mm512_add_ps(_mm512_shuffle_f32x4(four[2], four[3], 0x88), _mm512_shuffle_f32x4(four[2], four[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
}

// Calls what lies at 16 tokens' places for, *width* numbers of each.
template <_mm_hint HINT>
static inline void call_for(const bf16* block, int64_t stride, int64_t width) {
  for (int64_t i = 0; i < BLOCK; i++)
    for (int64_t at = 0; at < width; at += 32) _mm_prefetch(reinterpret_cast<const char*>(block + i * stride + at), HINT);
}

// scores[h * room + t] = query[h] · key[t] for *heads* KV heads that lie side by side, each with its groups; query
// [heads * groups, 32 * PARTS]. From num on they are so low that they have no weight. A block's keys are read in the
// order in which they lie, whoever they belong to, and meanwhile the next block and this one's values are on their way.
template <int PARTS>
static void score_vectors(const bf16* query, const bf16* keys, const bf16* values, const int64_t* table, int64_t stride,
                          float* scores, int64_t num, int64_t room, int64_t groups, int64_t heads) {
  constexpr int64_t D = 32 * PARTS;
  call_for<_MM_HINT_T1>(keys + table[0] * BLOCK * stride, stride, heads * D);
  for (int64_t t = 0; t < num; t += BLOCK) {
    const bf16* key = keys + table[t / BLOCK] * BLOCK * stride;
    if (t + BLOCK < num) call_for<_MM_HINT_T1>(keys + table[t / BLOCK + 1] * BLOCK * stride, stride, heads * D);
    call_for<_MM_HINT_T1>(values + table[t / BLOCK] * BLOCK * stride, stride, heads * D);
    const __mmask16 seen = num - t >= BLOCK ? 0xffff : (1u << (num - t)) - 1;
    for (int64_t h = 0; h < heads * groups; h++) {
      const bf16* own = key + h / groups * D;
      __m512bh q[PARTS];
      for (int part = 0; part < PARTS; part++) q[part] = (__m512bh)_mm512_loadu_si512(query + h * D + part * 32);
      __m512 products[BLOCK];
#pragma GCC unroll 16
      for (int64_t i = 0; i < BLOCK; i++) {
        products[i] = _mm512_setzero_ps();
        for (int part = 0; part < PARTS; part++)
          products[i] = _mm512_dpbf16_ps(products[i], q[part], (__m512bh)_mm512_loadu_si512(own + i * stride + part * 32));
      }
      _mm512_storeu_ps(scores + h * room + t, _mm512_mask_mov_ps(_mm512_set1_ps(LOWEST), seen, sums_of(products)));
    }
  }
}

#ifdef HAS_TILES
// With matrix units: a block is one tile of keys for each 32 dimensions, as it lies.
static void configure(int64_t groups) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes_per_row[16] = {};
    uint8_t rows[16] = {};
  } config;
  for (int tile = 0; tile < 7; tile++) {
    config.rows[tile] = 16;
    config.bytes_per_row[tile] = static_cast<uint16_t>(tile == 0 || tile == 5 ? 64 : 4 * groups);
  }
  _tile_loadconfig(&config);
}

// scores[g * room + t] = query[g] · key[t]; query [groups, 32 * PARTS], paired [PARTS, 16, groups, 2]. From num on they
// are so low that they have no weight.
template <int PARTS>
static void score_blocks(const bf16* paired, const bf16* keys, const int64_t* table, int64_t stride, float* scores, int64_t num,
                         int64_t room, int64_t groups) {
  alignas(64) float block[BLOCK * 16];
  const int64_t part = 32 * groups, width = 4 * groups, bytes = stride * 2;
  _tile_loadd(1, paired, width);
  _tile_loadd(2, paired + part, width);
  if constexpr (PARTS == 4) {
    _tile_loadd(3, paired + 2 * part, width);
    _tile_loadd(4, paired + 3 * part, width);
  }
  const __m512i lanes = _mm512_mullo_epi32(
      _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(static_cast<int>(groups)));
  for (int64_t t = 0; t < num; t += BLOCK) {
    const bf16* key = keys + table[t / BLOCK] * BLOCK * stride;
    if (t + BLOCK < num) {
      const bf16* next = keys + table[t / BLOCK + 1] * BLOCK * stride;
      for (int64_t i = 0; i < BLOCK; i++)
        for (int64_t at = 0; at < PARTS * 32; at += 32)
          _mm_prefetch(reinterpret_cast<const char*>(next + i * stride + at), _MM_HINT_T0);
    }
    _tile_zero(6);
    _tile_loadd(0, key, bytes);
    _tile_dpbf16ps(6, 0, 1);
    _tile_loadd(5, key + 32, bytes);
    _tile_dpbf16ps(6, 5, 2);
    if constexpr (PARTS == 4) {
      _tile_loadd(0, key + 64, bytes);
      _tile_dpbf16ps(6, 0, 3);
      _tile_loadd(5, key + 96, bytes);
      _tile_dpbf16ps(6, 5, 4);
    }
    _tile_stored(6, block, width);
    const __mmask16 seen = num - t >= BLOCK ? 0xffff : (1u << (num - t)) - 1;
    for (int64_t g = 0; g < groups; g++)
      _mm512_storeu_ps(scores + g * room + t, _mm512_mask_i32gather_ps(_mm512_set1_ps(LOWEST), seen, lanes, block + g, 4));
  }
}

#endif

// out[g] = shares[g] · Σ weight[g * room + t] · value[t], two tokens at a time; weights are zero from num on.
template <int PARTS, int GROUPS>
static void mix_blocks(const bf16* weights, const bf16* values, const int64_t* table, int64_t stride, const float* shares,
                       bf16* out, int64_t num, int64_t room) {
  alignas(64) int16_t order[2][32];
  for (int i = 0; i < 16; i++)
    for (int half = 0; half < 2; half++) {
      order[half][2 * i] = static_cast<int16_t>(half * 16 + i);
      order[half][2 * i + 1] = static_cast<int16_t>(half * 16 + i + 32);
    }
  const __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
  __m512 sums[GROUPS][2 * PARTS];
  for (auto& group : sums)
    for (auto& sum : group) sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < num; t += BLOCK) {
    const bf16* value = values + table[t / BLOCK] * BLOCK * stride;
    const bf16* next = values + table[t + BLOCK < num ? t / BLOCK + 1 : t / BLOCK] * BLOCK * stride;
    for (int64_t i = 0; i < std::min(BLOCK, num - t); i += 2) {
      // The last token's partner has no weight, but must be a number.
      const bf16 *one = value + i * stride, *two = t + i + 1 < num ? one + stride : one;
      for (int64_t at = 0; at < PARTS * 32; at += 32) {
        _mm_prefetch(reinterpret_cast<const char*>(next + i * stride + at), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(next + (i + 1) * stride + at), _MM_HINT_T0);
      }
      __m512bh pairs[2 * PARTS];
      for (int part = 0; part < PARTS; part++) {
        const __m512i first = _mm512_loadu_si512(one + part * 32), second = _mm512_loadu_si512(two + part * 32);
        pairs[2 * part] = (__m512bh)_mm512_permutex2var_epi16(first, low, second);
        pairs[2 * part + 1] = (__m512bh)_mm512_permutex2var_epi16(first, high, second);
      }
      for (int g = 0; g < GROUPS; g++) {
        int32_t both;
        std::memcpy(&both, weights + g * room + t + i, 4);
        const __m512bh weight = (__m512bh)_mm512_set1_epi32(both);
        for (int part = 0; part < 2 * PARTS; part++) sums[g][part] = _mm512_dpbf16_ps(sums[g][part], weight, pairs[part]);
      }
    }
  }
  for (int g = 0; g < GROUPS; g++)
    for (int part = 0; part < 2 * PARTS; part++) {
      down16(_mm512_mul_ps(sums[g][part], _mm512_set1_ps(shares[g])), out + g * PARTS * 32 + part * 16);
    }
}

template <int PARTS>
static void mix_groups(const bf16* weights, const bf16* values, const int64_t* table, int64_t stride, const float* shares,
                       bf16* out, int64_t num, int64_t room, int64_t groups) {
  for (int64_t g = 0; g < groups;) {
    const bf16* from = weights + g * room;
    const float* share = shares + g;
    bf16* to = out + g * PARTS * 32;
    switch (std::min<int64_t>(groups - g, PARTS == 2 ? 4 : 2)) {
      case 1: mix_blocks<PARTS, 1>(from, values, table, stride, share, to, num, room); g += 1; break;
      case 2: mix_blocks<PARTS, 2>(from, values, table, stride, share, to, num, room); g += 2; break;
      case 3: mix_blocks<PARTS, 3>(from, values, table, stride, share, to, num, room); g += 3; break;
      default: mix_blocks<PARTS, 4>(from, values, table, stride, share, to, num, room); g += 4; break;
    }
  }
}

// What one row needs to work in.
struct Room {
  std::vector<bf16> paired, weights;
  std::vector<float> scores;
};

// One row's query heads [heads * groups, 32 * PARTS] of *heads* KV heads that lie side by side.
template <int PARTS>
static void attend_by_blocks(const bf16* q, const bf16* keys, const bf16* values, const int64_t* table, int64_t stride, int64_t num,
                             int64_t groups, int64_t heads, float scale, bf16* out, [[maybe_unused]] int has_tiles, Room& room) {
  constexpr int64_t D = 32 * PARTS;
  const int64_t padded = (num + BLOCK - 1) / BLOCK * BLOCK;
  room.scores.resize(heads * groups * padded);
  room.weights.resize(groups * padded);
#ifdef HAS_TILES
  if (has_tiles) {
    room.paired.resize(groups * D);
    for (int64_t h = 0; h < heads; h++) {
      const bf16* own = q + h * groups * D;
      for (int64_t g = 0; g < groups; g++)
        for (int64_t pair = 0; pair < D / 2; pair++) std::memcpy(&room.paired[(pair * groups + g) * 2], own + g * D + pair * 2, 4);
      score_blocks<PARTS>(room.paired.data(), keys + h * D, table, stride, room.scores.data() + h * groups * padded, num, padded,
                          groups);
    }
  } else
#endif
    score_vectors<PARTS>(q, keys, values, table, stride, room.scores.data(), num, padded, groups, heads);
  for (int64_t h = 0; h < heads; h++) {
    float shares[16];
    for (int64_t g = 0; g < groups; g++)
      shares[g] = weigh(room.scores.data() + (h * groups + g) * padded, room.weights.data() + g * padded, padded, scale);
    mix_groups<PARTS>(room.weights.data(), values + h * D, table, stride, shares, out + h * groups * D, num, padded, groups);
  }
}
#endif

extern "C" void attend(const bf16* qkv, const bf16* cosines, const bf16* sines, const int64_t* positions,
                       const int64_t* tables, int64_t width, bf16* keys, bf16* values, bf16* out, int64_t n,
                       int64_t heads, int64_t kv_heads, int64_t d, int64_t block_size, [[maybe_unused]] int has_tiles, int threads) {
  const int64_t groups = heads / kv_heads, half = d / 2, row_size = (heads + 2 * kv_heads) * d, stride = kv_heads * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
#ifdef HAS_VECTORS
  const bool by_blocks = block_size == BLOCK && (d == 64 || d == 128) && groups <= 16;
#endif
  // A row's heads lie side by side: one thread reads them all, unless there are too few rows to share out.
  const int64_t together = n >= 2 * threads ? kv_heads : 1;
#pragma omp parallel num_threads(threads)
  {
    // Kept from call to call: a step of 32 rows comes here 960 times.
    thread_local std::vector<bf16> q;
    q.resize(together * groups * d);
#ifdef HAS_VECTORS
    thread_local Room room;
#endif
#ifdef HAS_TILES
    if (by_blocks && has_tiles) configure(groups);
#endif
#pragma omp for schedule(dynamic)
    for (int64_t item = 0; item < n * kv_heads / together; item++) {
      const int64_t row = item * together / kv_heads, first = item * together % kv_heads, last = positions[row], num = last + 1;
      const bf16 *in = qkv + row * row_size, *c = cosines + row * half, *s = sines + row * half;
      const int64_t* table = tables + row * width;
      const int64_t newest = (table[last / block_size] * block_size + last % block_size) * stride;
      bf16* const to = out + (row * heads + first * groups) * d;
      for (int64_t kv = first; kv < first + together; kv++) {
        turn(in + (heads + kv) * d, c, s, half, keys + newest + kv * d);
        std::memcpy(values + newest + kv * d, in + (heads + kv_heads + kv) * d, d * sizeof(bf16));
      }
      // Rounded as torch would, so that both paths read the same query.
      for (int64_t h = 0; h < together * groups; h++) turn(in + (first * groups + h) * d, c, s, half, q.data() + h * d);
#ifdef HAS_VECTORS
      if (by_blocks) {
        (d == 64 ? attend_by_blocks<2> : attend_by_blocks<4>)(q.data(), keys + first * d, values + first * d, table, stride, num,
                                                              groups, together, scale, to, has_tiles, room);
        continue;
      }
#endif
      for (int64_t h = 0; h < together; h++)
        attend_anywhere(q.data() + h * groups * d, keys + (first + h) * d, values + (first + h) * d, table, stride, num, groups, d,
                        block_size, scale, to + h * groups * d);
    }
#ifdef HAS_TILES
    if (by_blocks && has_tiles) _tile_release();
#endif
  }
}
