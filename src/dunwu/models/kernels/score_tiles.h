/* Products of bfloat16 on tiles (AMX), sums in float32. Included by `score.c`. */

ALWAYS vec load_number(const bf16 *from) {
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16);
}

ALWAYS void store_number(bf16 *to, vec value) { store_bf16(to, value); }

static int products_allowed(void) { return amx_allowed(); }

static void begin_products(void) { tiles_on(); }

static void end_products(void) { _tile_release(); }

static void block_product(const bf16 *a, int32_t stride, int32_t rows, const bf16 *w, int32_t inputs, float *block) { block_tiles(a, stride, rows, w, inputs, block); }

/* Up to sixteen rows of a weight as outputs `n`, `n` + 1, ... of the packed matrices. */
static void pack_weight(const Scorer *e, Linear *l, size_t n, int32_t count, const float *from) {
    const int32_t inputs = l->inputs;
    pack_rows(from, inputs, count, inputs, l->forward + n * inputs);
    for (int32_t k = 0; e->trained && k < inputs; k += LANES)
        for (int32_t i = 0; i < LANES; i += 2) {
            __m512i first = i < count ? widen(from + (size_t)i * inputs + k) : (__m512i){}, second = i + 1 < count ? widen(from + (size_t)(i + 1) * inputs + k) : (__m512i){};
            _mm512_storeu_si512(l->backward + (size_t)k * l->outputs + (n + i) * LANES, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
        }
}

/* Rows two by two: [row / 2][column][2]; rows after the last are 0, up to a multiple of 32. */
static void pair_rows(const bf16 *from, int32_t stride, int32_t rows, int32_t columns, bf16 *to) {
    for (int32_t row = 0; row < round_up(rows, 32); row += 2)
        for (int32_t c = 0; c < columns; c += LANES) {
            __m512i first = {}, second = {};
            if (row < rows) first = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from + (size_t)row * stride + c)));
            if (row + 1 < rows) second = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from + (size_t)(row + 1) * stride + c)));
            _mm512_storeu_si512(to + ((size_t)row / 2 * columns + c) * 2, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
        }
}

/* From pairs of rows to [column][row], rows padded to a multiple of 32; `stride` in elements. */
static void columns_of_pairs(const bf16 *pairs, int32_t rows, int32_t columns, bf16 *to, int32_t stride) {
    for (int32_t row = 0; row < round_up(rows, 32); row += 32)
        for (int32_t c = 0; c < columns; c += LANES)
            transpose16((const uint32_t *)pairs + (size_t)row / 2 * columns + c, columns, (uint32_t *)(to + (size_t)c * stride + row), stride / 2);
}

/* gradient (outputs x inputs) += slopes' * x, over the rows. */
static void add_weight_gradient(Work *w, const Linear *linear, float *gradient, const bf16 *slopes, int32_t slopes_stride, const bf16 *x, int32_t stride, int32_t rows) {
    const int32_t inputs = linear->inputs;
    for (int32_t top = 0; top < rows; top += ROWS) {
        int32_t count = rows - top < ROWS ? rows - top : ROWS;
        pair_rows(slopes + (size_t)top * slopes_stride, slopes_stride, count, linear->outputs, w->pairs);
        columns_of_pairs(w->pairs, count, linear->outputs, w->transposed, PACKED);
        pair_rows(x + (size_t)top * stride, stride, count, inputs, w->pairs);
        for (int32_t n = 0; n < linear->outputs; n += BLOCK)
            for (int32_t k = 0; k < inputs; k += BLOCK) {
                float *to = gradient + (size_t)n * inputs + k;
                _tile_loadd(0, to, inputs * 4); _tile_loadd(1, to + LANES, inputs * 4);
                _tile_loadd(2, to + (size_t)LANES * inputs, inputs * 4); _tile_loadd(3, to + (size_t)LANES * inputs + LANES, inputs * 4);
                for (int32_t row = 0; row < count; row += 32) {
                    const bf16 *a = w->transposed + (size_t)n * PACKED + row, *b = w->pairs + ((size_t)row / 2 * inputs + k) * 2;
                    _tile_loadd(4, a, PACKED * 2); _tile_loadd(6, b, inputs * 4);
                    _tile_loadd(7, b + 2 * LANES, inputs * 4); _tile_loadd(5, a + LANES * PACKED, PACKED * 2);
                    _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
                }
                _tile_stored(0, to, inputs * 4); _tile_stored(1, to + LANES, inputs * 4);
                _tile_stored(2, to + (size_t)LANES * inputs, inputs * 4); _tile_stored(3, to + (size_t)LANES * inputs + LANES, inputs * 4);
            }
    }
}

static const uint32_t *word_row(const Sequence *s, int32_t key, int32_t keys, const bf16 *column, int32_t stride) {
    static const uint32_t nothing[128] = {0};
    return key < keys ? (const uint32_t *)(column + (size_t)key_row(s, key) * stride) : nothing;
}

/* Keys or values as the second factor of a product over the dimensions: [key / 16][dimension / 2][16][2]. */
static void tiles_of(const Scorer *e, const Sequence *s, int32_t keys, const bf16 *column, bf16 *to) {
    const int32_t words = e->shape.head_dim / 2;
    uint32_t gathered[16 * 16];
    for (int32_t key = 0; key < round_up(keys, 32); key += 16)
        for (int32_t word = 0; word < words; word += 16) {
            for (int32_t i = 0; i < 16; i++) memcpy(gathered + i * 16, word_row(s, key + i, keys, column, e->qkv_width) + word, 64);
            transpose16(gathered, 16, (uint32_t *)to + (size_t)key * words + word * 16, 16);
        }
}

/* The same as the second factor of a product over the keys: [key / 2][dimension][2]. */
static void pairs_of(const Scorer *e, const Sequence *s, int32_t keys, const bf16 *column, bf16 *to) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t key = 0; key < round_up(keys, 32); key += 2) {
        const bf16 *first = (const bf16 *)word_row(s, key, keys, column, e->qkv_width), *second = (const bf16 *)word_row(s, key + 1, keys, column, e->qkv_width);
        for (int32_t i = 0; i < dim; i += LANES) {
            __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(first + i)));
            __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(second + i)));
            _mm512_storeu_si512(to + ((size_t)key / 2 * dim + i) * 2, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

/* Sixteen rows of queries times tiles of keys: (16 x keys) floats, `width` to a row; keys a multiple of 32. */
static void score_keys(const Scorer *e, const bf16 *queries, int32_t stride, const bf16 *tiles, int32_t keys, float *scores, int32_t width) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t key = 0; key < keys; key += 32) {
        _tile_zero(0); _tile_zero(1);
        for (int32_t i = 0; i < dim; i += 32) {
            _tile_loadd(4, queries + i, stride * 2);
            _tile_loadd(6, tiles + (size_t)key * dim + i * 16, 64); _tile_loadd(7, tiles + (size_t)(key + 16) * dim + i * 16, 64);
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        }
        _tile_stored(0, scores + key, width * 4); _tile_stored(1, scores + key + 16, width * 4);
    }
}

/* (16 x keys) weights times pairs of keys or values: (16 x dim) floats. */
static void mix_values(const Scorer *e, const bf16 *weights, int32_t width, const bf16 *pairs, int32_t keys, float *to) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t i = 0; i < dim; i += 32) {
        _tile_zero(0); _tile_zero(1);
        for (int32_t key = 0; key < keys; key += 32) {
            const bf16 *b = pairs + ((size_t)key / 2 * dim + i) * 2;
            _tile_loadd(4, weights + key, width * 2);
            _tile_loadd(6, b, dim * 4); _tile_loadd(7, b + 32, dim * 4);
            _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        }
        _tile_stored(0, to + i, dim * 4); _tile_stored(1, to + i + 16, dim * 4);
    }
}

/* Weights and slopes of two queries for some keys: rows for products over keys, pairs of rows for products over queries. */
ALWAYS void keep_slopes(const Work *w, int32_t query, int32_t key, int32_t width, const vec weights[2], const vec slopes[2]) {
    __m512i wide_weights[2], wide_slopes[2];
    for (int32_t j = 0; j < 2; j++) {
        __m256i narrow_slope = (__m256i)_mm512_cvtneps_pbh((__m512)slopes[j]);
        _mm256_storeu_si256((__m256i *)(w->slopes + (size_t)(query + j) * width + key), narrow_slope);
        wide_weights[j] = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)weights[j])), wide_slopes[j] = _mm512_cvtepu16_epi32(narrow_slope);
    }
    size_t at = ((size_t)query / 2 * width + key) * 2;
    _mm512_storeu_si512(w->weight_pairs + at, _mm512_or_si512(wide_weights[0], _mm512_slli_epi32(wide_weights[1], 16)));
    _mm512_storeu_si512(w->slope_pairs + at, _mm512_or_si512(wide_slopes[0], _mm512_slli_epi32(wide_slopes[1], 16)));
}

static const bf16 *slopes_by_query(const Work *w) { return w->slope_pairs; }

/* to (dim x keys) += the transpose of `from` (queries x dim) * pairs (queries x keys) */
static void add_over_queries(const Scorer *e, const Work *w, const bf16 *from, int32_t stride, const bf16 *pairs, int32_t count, int32_t keys, float *to) {
    const int32_t dim = e->shape.head_dim, width = e->longest, queries = round_up(count, 32);
    pair_rows(from, stride, count, dim, w->pairs);
    columns_of_pairs(w->pairs, count, dim, w->columns, QUERIES);
    for (int32_t i = 0; i < dim; i += 32)
        for (int32_t key = 0; key < keys; key += 16) {
            float *at = to + (size_t)i * width + key;
            _tile_loadd(0, at, width * 4); _tile_loadd(1, at + (size_t)16 * width, width * 4);
            for (int32_t query = 0; query < queries; query += 32) {
                const bf16 *a = w->columns + (size_t)i * QUERIES + query;
                _tile_loadd(6, pairs + ((size_t)query / 2 * width + key) * 2, width * 4);
                _tile_loadd(4, a, QUERIES * 2); _tile_loadd(5, a + 16 * QUERIES, QUERIES * 2);
                _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 5, 6);
            }
            _tile_stored(0, at, width * 4); _tile_stored(1, at + (size_t)16 * width, width * 4);
        }
}
