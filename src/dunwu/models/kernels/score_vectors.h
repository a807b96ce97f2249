/* Products of float32 in vectors. Included by `score.c`. */

ALWAYS vec load_number(const float *from) { return *(vec *)from; }

ALWAYS void store_number(float *to, vec value) { *(vec *)to = value; }

static int products_allowed(void) { return 1; }

static void begin_products(void) {}

static void end_products(void) {}

static void block_product(const float *a, int32_t stride, int32_t rows, const float *w, int32_t inputs, float *block) { block_f32(a, stride, rows, w, inputs, block); }

/* Up to LANES rows of a weight as outputs `n`, `n` + 1, ... of the packed matrices. */
static void pack_weight(const Scorer *e, Linear *l, size_t n, int32_t count, const float *from) {
    const int32_t inputs = l->inputs;
    float *to = l->forward + n / BLOCK * BLOCK * inputs + n % BLOCK;
    for (int32_t i = 0; i < count; i++)
        for (int32_t k = 0; k < inputs; k++) to[(size_t)k * BLOCK + i] = from[(size_t)i * inputs + k];
    for (int32_t i = 0; e->trained && i < count; i++)
        for (int32_t k = 0; k < inputs; k += BLOCK) memcpy(l->backward + (size_t)k * l->outputs + (n + i) * BLOCK, from + (size_t)i * inputs + k, BLOCK * 4);
}

/* BLOCK columns together: [column / BLOCK][row][BLOCK]. */
static void pack_columns(const float *from, int32_t stride, int32_t rows, int32_t columns, float *to) {
    for (int32_t c = 0; c < columns; c += BLOCK)
        for (int32_t row = 0; row < rows; row++) memcpy(to + (size_t)c * rows + row * BLOCK, from + (size_t)row * stride + c, BLOCK * 4);
}

/* gradient (outputs x inputs) += slopes' * x, over the rows. */
static void add_weight_gradient(Work *w, const Linear *linear, float *gradient, const float *slopes, int32_t slopes_stride, const float *x, int32_t stride, int32_t rows) {
    const int32_t inputs = linear->inputs;
    for (int32_t top = 0; top < rows; top += ROWS) {
        int32_t count = rows - top < ROWS ? rows - top : ROWS;
        pack_columns(slopes + (size_t)top * slopes_stride, slopes_stride, count, linear->outputs, w->transposed);
        pack_columns(x + (size_t)top * stride, stride, count, inputs, w->pairs);
        for (int32_t n = 0; n < linear->outputs; n += BLOCK)
            for (int32_t k = 0; k < inputs; k += BLOCK)
                sum_block(BLOCK, w->transposed + (size_t)n * count, 1, BLOCK, w->pairs + (size_t)k * count, BLOCK, count, gradient + (size_t)n * inputs + k, inputs, 1, 0);
    }
}

static const float *key_values(const Scorer *e, const Sequence *s, int32_t key, int32_t keys, const float *column) {
    static const float nothing[256] = {0};
    return key < keys ? column + (size_t)key_row(s, key) * e->qkv_width : nothing;
}

/* Keys or values as the second factor of a product over the dimensions: [key / BLOCK][dimension][BLOCK]. */
static void tiles_of(const Scorer *e, const Sequence *s, int32_t keys, const float *column, float *to) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t key = 0; key < round_up(keys, 32); key++) {
        const float *from = key_values(e, s, key, keys, column);
        float *tile = to + (size_t)key / BLOCK * BLOCK * dim + key % BLOCK;
        for (int32_t i = 0; i < dim; i++) tile[i * BLOCK] = from[i];
    }
}

/* The same as the second factor of a product over the keys: [key][dimension]. */
static void pairs_of(const Scorer *e, const Sequence *s, int32_t keys, const float *column, float *to) {
    const size_t dim = (size_t)e->shape.head_dim;
    for (int32_t key = 0; key < round_up(keys, 32); key++) memcpy(to + key * dim, key_values(e, s, key, keys, column), dim * 4);
}

/* Rows of queries times tiles of keys: (TAKEN x keys) floats, `width` to a row; keys a multiple of 32. */
static void score_keys(const Scorer *e, const float *queries, int32_t stride, const float *tiles, int32_t keys, float *scores, int32_t width) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t key = 0; key < keys; key += BLOCK)
        sum_block(TAKEN, queries, (size_t)stride, 1, tiles + (size_t)key * dim, BLOCK, dim, scores + key, (size_t)width, 0, 0);
}

/* (TAKEN x keys) weights times keys or values: (TAKEN x dim) floats. */
static void mix_values(const Scorer *e, const float *weights, int32_t width, const float *values, int32_t keys, float *to) {
    const int32_t dim = e->shape.head_dim;
    for (int32_t i = 0; i < dim; i += BLOCK) sum_block(TAKEN, weights, (size_t)width, 1, values + i, (size_t)dim, keys, to + i, (size_t)dim, 0, 0);
}

/* Weights and slopes of two queries for some keys. */
ALWAYS void keep_slopes(const Work *w, int32_t query, int32_t key, int32_t width, const vec weights[2], const vec slopes[2]) {
    for (int32_t j = 0; j < 2; j++) {
        size_t at = (size_t)(query + j) * width + key;
        *(vec *)(w->weight_pairs + at) = weights[j], *(vec *)(w->slopes + at) = slopes[j];
    }
}

static const float *slopes_by_query(const Work *w) { return w->slopes; }

/* to (dim x keys) += the transpose of `from` (queries x dim) * weights (queries x keys) */
static void add_over_queries(const Scorer *e, const Work *w, const float *from, int32_t stride, const float *weights, int32_t count, int32_t keys, float *to) {
    const int32_t dim = e->shape.head_dim;
    const size_t width = (size_t)e->longest;
    (void)w;
    for (int32_t i = 0; i < dim; i += BLOCK)
        for (int32_t key = 0; key < keys; key += BLOCK) sum_block(BLOCK, from + i, 1, (size_t)stride, weights + key, width, count, to + i * width + key, width, 1, 0);
}
