/* What the C sources share: vectors of floats as wide as a register, products of them, bfloat16, the exponential, tiles, memory. Plain C with
 * GNU vector types. */
#ifndef DUNWU_COMMON_H
#define DUNWU_COMMON_H
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#define HAS_BF16 1
#else
#define HAS_BF16 0
#endif
#if HAS_BF16 && defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#define HAS_AMX 1
#else
#define HAS_AMX 0
#endif

/* Floats to a vector, and rows of a matrix product that are summed at once: two vectors for each, as the registers allow. A vector wider than
 * a register would stay in memory, and torch would be several times as fast. */
#if defined(__AVX512F__)
#define HAS_VECTORS 1
#define LANES 16
#define SUMMED 8
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define HAS_VECTORS 1
#define LANES 4
#define SUMMED 8
#else
#if defined(__AVX2__) && defined(__FMA__)
#define HAS_VECTORS 1
#else
#define HAS_VECTORS 0
#endif
#define LANES 8
#define SUMMED 6
#endif
#define BLOCK (2 * LANES)                          /* columns of a block of a matrix product */
#define BLOCK_ROWS (32 / SUMMED * SUMMED) /* its rows, at most 32 */
#define ALWAYS static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t bf16;

static int32_t round_up(int32_t n, int32_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* Zeroed memory that takes no room before it is written to; its size stands on the page before it. */
static void *allocate(size_t bytes) {
    bytes = (bytes + 4095) / 4096 * 4096 + 2 * 4096;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    *(size_t *)memory = bytes;
    return memory + 4096;
}

static void release(void *memory) {
    char *start = (char *)memory - 4096;
    if (memory) munmap(start, *(size_t *)start);
}

/* Zeroed pages of the largest size there is: a cache is read from end to end at every token. */
static void *allocate_pages(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

ALWAYS vec splat(float value) { return value - (vec){}; }

ALWAYS float horizontal_sum(vec v) {
#if LANES == 16
    union { vec whole; v8 half[2]; } sixteen = {v};
    union { v8 whole; v4 half[2]; } eight = {sixteen.half[0] + sixteen.half[1]};
    v4 sums = eight.half[0] + eight.half[1];
#elif LANES == 8
    union { vec whole; v4 half[2]; } eight = {v};
    v4 sums = eight.half[0] + eight.half[1];
#else
    v4 sums = v;
#endif
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* e^x within 2 units in the last place; below -87 the result is 0 to within 1e-38. */
ALWAYS vec exponential(vec x) {
    const vec low = splat(-87.0f), high = splat(88.0f);
    ivec under = x < low, over = x > high;
    x = (vec)(((ivec)low & under) | ((ivec)high & over) | ((ivec)x & ~(under | over)));
    const vec magic = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to the nearest whole number */
    vec shifted = x * splat(1.44269504f) + magic;
    vec n = shifted - magic;
    vec r = x - n * splat(0.693359375f) - n * splat(-2.12194440e-4f);
    vec p = splat(1.9875691500e-4f);
    p = p * r + splat(1.3981999507e-3f);
    p = p * r + splat(8.3334519073e-3f);
    p = p * r + splat(4.1665795894e-2f);
    p = p * r + splat(1.6666665459e-1f);
    p = p * r + splat(5.0000001201e-1f);
    p = p * r * r + r + splat(1.0f);
    ivec exponent = ((ivec)shifted - (ivec)magic) << 23;
    return (vec)((ivec)p + exponent);
}

/* Column i of a block in bfloat16 is the lower half of the i-th of LANES words, column LANES + i the upper one. */
ALWAYS void load_block(const float *from, const int narrow, vec *first, vec *second) {
    if (narrow) {
        ivec words = *(ivec *)from;
        *first = (vec)(words << 16), *second = (vec)(words & -65536);
    } else *first = *(vec *)from, *second = *(vec *)(from + LANES);
}

/* A product of `count` rows and BLOCK columns goes to `to`, or is added to it: element (row, k) of the first factor is a[row * across + k * along], that of
 * the second is b[k * stride + column], or with `narrow` bfloat16 in the words b[k * stride + ...]. `count`, `add` and `narrow` are constants, and `across`
 * or `along` is 1. Sums over k run in order. */
ALWAYS void sum_rows(const int count, const float *a, size_t across, size_t along, const float *b, size_t stride, int32_t depth, float *to, size_t width, const int add, const int narrow) {
    vec sums[SUMMED][2] = {};
    for (int r = 0; add && r < count; r++) sums[r][0] = *(vec *)(to + r * width), sums[r][1] = *(vec *)(to + r * width + LANES);
    for (int32_t k = 0; k < depth; k++) {
        vec b0, b1;
        load_block(b + k * stride, narrow, &b0, &b1);
        for (int r = 0; r < count; r++) {
            vec value = splat(a[r * across + k * along]);
            sums[r][0] += value * b0;
            sums[r][1] += value * b1;
        }
    }
    for (int r = 0; r < count; r++) *(vec *)(to + r * width) = sums[r][0], *(vec *)(to + r * width + LANES) = sums[r][1];
}

ALWAYS void sum_block(int32_t rows, const float *a, size_t across, size_t along, const float *b, size_t stride, int32_t depth, float *to, size_t width, const int add, const int narrow) {
    int32_t parts = (rows + SUMMED - 1) / SUMMED;
    for (; parts > 0; parts--) {
        const int32_t count = (rows + parts - 1) / parts; /* about the same for each: few sums leave the units waiting */
        switch (count) {
#define CASE(n) case n: sum_rows(n, a, across, along, b, stride, depth, to, width, add, narrow); break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if SUMMED > 6
            CASE(7) CASE(8)
#endif
#undef CASE
        }
        rows -= count, a += count * across, to += count * width;
    }
}

/* Rows of `a` times a matrix packed BLOCK columns together. */
static void block_f32(const float *a, int32_t stride, int32_t rows, const float *w, int32_t inputs, float *block) {
    sum_block(rows, a, (size_t)stride, 1, w, BLOCK, inputs, block, BLOCK, 0, 0);
}

static bf16 to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

#if HAS_BF16
ALWAYS void store_bf16(bf16 *to, vec value) { _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)value)); }
#else
ALWAYS void store_bf16(bf16 *to, vec value) { for (int i = 0; i < LANES; i++) to[i] = to_bf16(value[i]); }
#endif

#if HAS_AMX
static int amx_allowed(void) { return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */) == 0; }

static void tiles_on(void) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config __attribute__((aligned(64))) = {.palette = 1};
    for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = 16;
    _tile_loadconfig(&config);
}

static void block_tiles(const bf16 *a, int32_t stride, int32_t rows, const bf16 *w, int32_t inputs, float *block) {
    const bf16 *w1 = w + (size_t)inputs * LANES;
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    if (rows > LANES) {
        for (int32_t k = 0; k < inputs; k += 32) {
            _tile_loadd(4, a + k, stride * 2);
            _tile_loadd(6, w + k * LANES, 64);
            _tile_loadd(7, w1 + k * LANES, 64);
            _tile_loadd(5, a + (size_t)LANES * stride + k, stride * 2);
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(2, block + LANES * BLOCK, BLOCK * 4); _tile_stored(3, block + LANES * BLOCK + LANES, BLOCK * 4);
    } else {
        for (int32_t k = 0; k < inputs; k += 32) {
            _tile_loadd(4, a + k, stride * 2);
            _tile_loadd(6, w + k * LANES, 64);
            _tile_loadd(7, w1 + k * LANES, 64);
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        }
    }
    _tile_stored(0, block, BLOCK * 4); _tile_stored(1, block + LANES, BLOCK * 4);
}
#endif

#if HAS_BF16
/* Sixteen rows of sixteen 32-bit words become columns. */
static void transpose16(const uint32_t *from, size_t from_stride, uint32_t *to, size_t to_stride) {
    __m512i r[16], s[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(from + i * from_stride);
    for (int i = 0; i < 16; i += 2) s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]), s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]), r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]), r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        s[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88), s[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        s[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88), s[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(to + i * to_stride, _mm512_shuffle_i32x4(s[i], s[i + 8], 0x88));
        _mm512_storeu_si512(to + (i + 8) * to_stride, _mm512_shuffle_i32x4(s[i], s[i + 8], 0xdd));
        _mm512_storeu_si512(to + (i + 4) * to_stride, _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0x88));
        _mm512_storeu_si512(to + (i + 12) * to_stride, _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0xdd));
    }
}

/* Sixteen floats as bfloat16 in the low halves of sixteen words. */
ALWAYS __m512i widen(const float *from) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from))); }

/* Up to sixteen rows of floats as the second factor of a product over their columns: [column / 2][16][2]; rows that are missing are 0.
 * `padded` columns, a multiple of 32; those after `columns` are 0. */
static void pack_rows(const float *from, int32_t columns, int32_t rows, int32_t padded, bf16 *to) {
    uint32_t words[16 * 16];
    float edge[32];
    for (int32_t k = 0; k < padded; k += 32) {
        memset(words, 0, sizeof words);
        for (int32_t i = 0; i < rows; i++) {
            const float *row = from + (size_t)i * columns + k;
            if (k + 32 > columns) {
                memset(edge, 0, sizeof edge);
                if (k < columns) memcpy(edge, row, (size_t)(columns - k) * 4);
                row = edge;
            }
            _mm512_storeu_si512(words + i * 16, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + LANES), _mm512_loadu_ps(row)));
        }
        transpose16(words, 16, (uint32_t *)to + (size_t)k * 8, 16);
    }
}
#endif
#endif
