/* Log-probabilities of given tokens under a Qwen2- or Llama-type decoder, and the gradient of a loss on them. For CPUs with
 * AMX, AVX-512, AVX2 or NEON.
 *
 * The forward pass keeps what the backward pass needs; between them the caller computes its loss from the log-probabilities. Products are
 * bfloat16 on tiles where there are tiles, with sums in float32 (`score_tiles.h`), else float32 in vectors (`score_vectors.h`); the residual
 * stream, norms, softmax and all gradients of weights are float32.
 *
 * Sequences of tokens are concatenated without padding. A sequence may have a prefix, which is another sequence: a group's prompt is
 * computed once, and its gradient is the sum over its completions. Each thread has its own sequences (prefixes with
 * them) and its own gradients of the weights, which are added up in the order of the threads: one thread count, one result.
 *
 * It also compares the distributions with those of another model, a teacher, which has run the same batch; and it hands out what happens
 * inside the model, and takes gradients of that, for losses that are computed elsewhere.
 *
 * It does not check its arguments: `native_logprobs.py`, its only caller, does.
 */
#include "common.h"

#if HAS_AMX || HAS_VECTORS

#if HAS_AMX
typedef bf16 number; /* what products take */
#else
typedef float number;
#endif

#define ROWS 256    /* rows of a matrix product for which a panel of weights is read once */
#define QUERIES 128 /* queries of attention whose gradient is worked out together */
#define TAKEN 16    /* queries of attention that are worked out at once */
#define PANEL 1024  /* logits of a position that exist at once */
#define SCORED 512  /* positions whose logits are worked out together */

typedef struct {
    int32_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary;
    float eps, scale;
} Shape;

/* A weight (outputs x inputs), packed for products with it and with its transpose, and each thread's gradient of it. */
typedef struct {
    int32_t outputs, inputs;
    number *forward, *backward;
    float *bias, **gradient, **bias_gradient;
} Linear;

typedef struct {
    float *weight, **gradient;
} Norm;

typedef struct {
    Norm attention_norm, mlp_norm;
    Linear qkv, o, gate_up, down;
} Layer;

/* What a thread keeps of a layer for the backward pass, a row for each token. */
typedef struct {
    float *x, *middle, *lse; /* residual stream before attention and before the MLP; [heads] log of attention's sums */
    number *qkv, *attended, *gate_up;
} Kept;

/* The logits of a position seen so far: the largest, sums of mass = exp(logit - top) and of mass * (logit - top), the target's logit. */
typedef struct {
    float top, target;
    vec sum, weighted;
} Tally;

typedef struct {
    Kept *kept;
    float *x, *wide, *gradient, *block, *scores, *products, *keys_gradient, *values_gradient, *lse, *normed_gradient, *logits;
    number *narrow, *gated, *pairs, *transposed, *key_tiles, *value_tiles, *key_pairs, *value_pairs;
    number *weights, *slopes, *weight_pairs, *slope_pairs, *columns;
    Tally *tallies; /* [SCORED] */
} Work;

typedef struct {
    int32_t begin, end, prefix_begin, prefix_end;
} Sequence;

/* By layer, a row for each token; NULL where there is none. */
typedef struct {
    float *const *hidden; /* [layers + 1]: the embedding and the output of each layer, the last one normalised */
    float *const *qkv;    /* [layers]: queries and keys after rotation, values */
} States;

typedef struct Scorer Scorer;

typedef struct {
    const int32_t *tokens, *positions; /* by row */
    const Sequence *sequences;         /* prefixes before the sequences that use them */
    const int32_t *at, *targets;       /* scored: row whose next token is scored, and that token */
    const int32_t *row_parts, *sequence_parts, *scored_parts; /* threads + 1: where each thread's share begins */
    float inverse_temperature;
    float *logprobs, *entropies;                         /* NULL: nothing is scored */
    const float *logprobs_gradient, *entropies_gradient; /* the second may be NULL */
    Scorer *teacher;     /* has run the same batch, and keeps what it has computed; or NULL */
    int32_t reverse;     /* of KL(P || Q), or KL(Q || P), of the teacher's distributions P and those here, Q */
    float *divergences;  /* of the scored positions, with a teacher */
    const float *divergences_gradient;
    States states, slopes;                               /* what is wanted of the inside, and the gradient of it */
} Batch;

struct Scorer {
    Shape shape;
    int32_t threads, longest, qkv_width, wide_width;
    const float *embedding, *cos, *sin;
    float **embedding_gradient;
    Norm norm;
    Layer *layers;
    Linear *head; /* in panels */
    int32_t panels, trained;
    Work *works;
};

/* ---------------------------------------------------------------------------------------------------------------- matrix products */

#define PACKED (ROWS + 32) /* of each column, where rows are packed for a product over them */

/* The rows that a sequence's queries may see: its prefix, then its own. */
ALWAYS int32_t key_row(const Sequence *s, int32_t key) {
    int32_t before = s->prefix_end - s->prefix_begin;
    return key < before ? s->prefix_begin + key : s->begin + key - before;
}

#if HAS_AMX
#include "score_tiles.h"
#else
#include "score_vectors.h"
#endif

typedef enum { STORE, ADD, NARROW, GATE, GATE_BACK } Finish;

typedef struct {
    Finish finish;
    float *to;         /* STORE, ADD */
    const float *base; /* ADD: what is added to */
    number *narrow;    /* NARROW, GATE and GATE_BACK: gated values */
    number *gate_up;   /* GATE: written; GATE_BACK: read, and replaced by its gradient */
    int32_t stride, narrow_stride;
} Target;

/* Gate and up alternate a vector of columns at a time. */
static void finish_block(const Linear *linear, const Target *t, const float *block, int32_t row, int32_t rows, int32_t column, int with_bias) {
    vec bias0 = {}, bias1 = {};
    if (with_bias) bias0 = *(vec *)(linear->bias + column), bias1 = *(vec *)(linear->bias + column + LANES);
    for (int32_t r = 0; r < rows; r++) {
        vec first = *(vec *)(block + r * BLOCK) + bias0, second = *(vec *)(block + r * BLOCK + LANES) + bias1;
        size_t at = (size_t)(row + r) * t->stride + column, narrow_at = (size_t)(row + r) * t->narrow_stride + column;
        switch (t->finish) {
        case ADD:
            first += *(vec *)(t->base + at), second += *(vec *)(t->base + at + LANES); /* fall through */
        case STORE:
            *(vec *)(t->to + at) = first, *(vec *)(t->to + at + LANES) = second;
            break;
        case NARROW:
            store_number(t->narrow + narrow_at, first), store_number(t->narrow + narrow_at + LANES, second);
            break;
        case GATE:
            store_number(t->gate_up + at, first), store_number(t->gate_up + at + LANES, second);
            store_number(t->narrow + (size_t)(row + r) * t->narrow_stride + column / 2, first / (splat(1.0f) + exponential(-first)) * second);
            break;
        case GATE_BACK: {
            vec slopes[2] = {first, second};
            for (int j = 0; j < 2; j++) {
                number *gate_up = t->gate_up + (size_t)(row + r) * t->stride + 2 * (column + j * LANES);
                vec gate = load_number(gate_up), up = load_number(gate_up + LANES);
                vec sigmoid = splat(1.0f) / (splat(1.0f) + exponential(-gate)), silu = gate * sigmoid;
                store_number(t->narrow + narrow_at + j * LANES, silu * up);
                store_number(gate_up, slopes[j] * up * (sigmoid + silu - silu * sigmoid));
                store_number(gate_up + LANES, slopes[j] * silu);
            }
            break;
        }
        }
    }
}

/* `a` (rows x inputs) times a packed matrix with that many outputs. */
static void product(const Linear *linear, const number *packed, int32_t outputs, int32_t inputs, const number *a, int32_t stride, int32_t rows, float *block, int with_bias, Target target) {
    for (int32_t top = 0; top < rows; top += ROWS) {
        int32_t bottom = rows - top < ROWS ? rows : top + ROWS;
        for (int32_t column = 0; column < outputs; column += BLOCK)
            for (int32_t row = top; row < bottom; row += BLOCK_ROWS) {
                int32_t count = bottom - row < BLOCK_ROWS ? bottom - row : BLOCK_ROWS;
                block_product(a + (size_t)row * stride, stride, count, packed + (size_t)column * inputs, inputs, block);
                finish_block(linear, &target, block, row, count, column, with_bias);
            }
    }
}

static void forward(const Linear *l, const number *a, int32_t stride, int32_t rows, float *block, Target target) {
    product(l, l->forward, l->outputs, l->inputs, a, stride, rows, block, 1, target);
}

static void backward(const Linear *l, const number *a, int32_t stride, int32_t rows, float *block, Target target) {
    product(l, l->backward, l->inputs, l->outputs, a, stride, rows, block, 0, target);
}

static void narrow(const float *from, number *to, int32_t stride, int32_t rows, int32_t columns) {
    for (int32_t row = 0; row < rows; row++)
        for (int32_t c = 0; c < columns; c += LANES) store_number(to + (size_t)row * stride + c, *(vec *)(from + (size_t)row * columns + c));
}

/* -------------------------------------------------------------------------------------------------------------------------- norms */

static float inverse_rms(const float *x, int32_t width, float eps) {
    vec squares = {};
    for (int32_t i = 0; i < width; i += LANES) squares += *(vec *)(x + i) * *(vec *)(x + i);
    return 1.0f / sqrtf(horizontal_sum(squares) / width + eps);
}

static void normalise_row(const Scorer *e, const float *x, const float *weight, number *to) {
    vec factor = splat(inverse_rms(x, e->shape.hidden, e->shape.eps));
    for (int32_t i = 0; i < e->shape.hidden; i += LANES) store_number(to + i, *(vec *)(x + i) * factor * *(vec *)(weight + i));
}

static void normalise(const Scorer *e, const float *x, const float *weight, number *to, int32_t rows) {
    for (int32_t row = 0; row < rows; row++) normalise_row(e, x + (size_t)row * e->shape.hidden, weight, to + (size_t)row * e->shape.hidden);
}

/* to += gradient of a row before the norm, given that after it; the weight's gradient is added up. */
static void norm_back(const Scorer *e, const float *x, const Norm *norm, int32_t thread, const float *slope, float *to) {
    const int32_t width = e->shape.hidden;
    const float inverse = inverse_rms(x, width, e->shape.eps);
    vec sum = {};
    for (int32_t i = 0; i < width; i += LANES) {
        vec product = *(vec *)(x + i) * *(vec *)(slope + i);
        *(vec *)(norm->gradient[thread] + i) += product * splat(inverse);
        sum += product * *(vec *)(norm->weight + i);
    }
    const vec factor = splat(inverse), pull = splat(horizontal_sum(sum) * inverse * inverse * inverse / width);
    for (int32_t i = 0; i < width; i += LANES)
        *(vec *)(to + i) += *(vec *)(slope + i) * *(vec *)(norm->weight + i) * factor - *(vec *)(x + i) * pull;
}

/* ---------------------------------------------------------------------------------------------------------------------- attention */

ALWAYS vec hide_behind(vec x, int32_t key, int32_t visible) {
    static const int32_t lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ivec seen = *(ivec *)lanes + key < visible;
    return (vec)((ivec)x & seen);
}

static void attend(const Scorer *e, Work *w, const Kept *kept, const Sequence *s, int32_t kv_head) {
    const Shape *shape = &e->shape;
    const int32_t dim = shape->head_dim, group = shape->heads / shape->kv_heads, length = s->end - s->begin;
    const int32_t before = s->prefix_end - s->prefix_begin, keys = before + length, width = e->longest;
    const int32_t attended = shape->heads * dim;
    tiles_of(e, s, keys, kept->qkv + (shape->heads + kv_head) * dim, w->key_tiles);
    pairs_of(e, s, keys, kept->qkv + (shape->heads + shape->kv_heads + kv_head) * dim, w->value_pairs);
    for (int32_t head = kv_head * group; head < (kv_head + 1) * group; head++)
        for (int32_t query = 0; query < length; query += TAKEN) {
            int32_t rows = length - query < TAKEN ? length - query : TAKEN, seen = round_up(before + query + rows, 32);
            const size_t row = (size_t)s->begin + query;
            score_keys(e, kept->qkv + row * e->qkv_width + head * dim, e->qkv_width, w->key_tiles, seen, w->scores, width);
            float sums[TAKEN];
            for (int32_t r = 0; r < rows; r++) {
                float *scores = w->scores + (size_t)r * width, top = -INFINITY;
                int32_t visible = before + query + r + 1;
                vec highest = splat(-INFINITY), sum = {};
                for (int32_t key = 0; key < round_up(visible, LANES); key += LANES) {
                    vec x = *(vec *)(scores + key) * splat(shape->scale);
                    if (key + LANES > visible)
                        for (int i = visible - key; i < LANES; i++) x[i] = -INFINITY;
                    *(vec *)(scores + key) = x;
                    ivec higher = x > highest;
                    highest = (vec)(((ivec)x & higher) | ((ivec)highest & ~higher));
                }
                for (int i = 0; i < LANES; i++) top = highest[i] > top ? highest[i] : top;
                for (int32_t key = 0; key < seen; key += LANES) {
                    vec weight = key < visible ? hide_behind(exponential(*(vec *)(scores + key) - splat(top)), key, visible) : splat(0);
                    store_number(w->weights + (size_t)r * width + key, weight);
                    sum += weight;
                }
                sums[r] = horizontal_sum(sum);
                kept->lse[(row + r) * shape->heads + head] = top + logf(sums[r]);
            }
            mix_values(e, w->weights, width, w->value_pairs, seen, w->products);
            for (int32_t r = 0; r < rows; r++)
                for (int32_t i = 0; i < dim; i += LANES)
                    store_number(kept->attended + (row + r) * attended + head * dim + i, *(vec *)(w->products + r * dim + i) / splat(sums[r]));
        }
}

/* Weights and slopes of the queries from row `query` of the block that begins at `first`. */
static void slopes_of(const Scorer *e, Work *w, const Kept *kept, const Sequence *s, int32_t head, const number *outputs, int32_t first, int32_t query, int32_t count) {
    const Shape *shape = &e->shape;
    const int32_t dim = shape->head_dim, width = e->longest, before = s->prefix_end - s->prefix_begin, attended = shape->heads * dim;
    const int32_t seen = round_up(before + first + count, 32), rows = first + count - query < TAKEN ? first + count - query : TAKEN;
    const size_t row = (size_t)s->begin + query;
    score_keys(e, kept->qkv + row * e->qkv_width + head * dim, e->qkv_width, w->key_tiles, seen, w->scores, width);
    score_keys(e, outputs + row * attended + head * dim, attended, w->value_tiles, seen, w->products, width);
    float lse[TAKEN], mean[TAKEN];
    for (int32_t r = 0; r < rows; r++) {
        vec sum = {};
        for (int32_t i = 0; i < dim; i += LANES) {
            size_t at = (row + r) * attended + head * dim + i;
            sum += load_number(outputs + at) * load_number(kept->attended + at);
        }
        mean[r] = horizontal_sum(sum), lse[r] = kept->lse[(row + r) * shape->heads + head];
    }
    for (int32_t r = 0; r < TAKEN; r += 2)
        for (int32_t key = 0; key < seen; key += LANES) {
            vec weights[2] = {}, slopes[2] = {};
            for (int32_t j = 0; j < 2; j++) {
                int32_t visible = r + j < rows ? before + query + r + j + 1 : 0;
                if (key < visible) {
                    size_t at = (size_t)(r + j) * width + key;
                    weights[j] = hide_behind(exponential(*(vec *)(w->scores + at) * splat(shape->scale) - splat(lse[r + j])), key, visible);
                    slopes[j] = weights[j] * (*(vec *)(w->products + at) - splat(mean[r + j])) * splat(shape->scale);
                    slopes[j] = hide_behind(slopes[j], key, visible);
                }
            }
            keep_slopes(w, query - first + r, key, width, weights, slopes);
        }
}

/* Gradients of rotated queries and keys and of values, from that of the attended values (`outputs`); keys and values are added up. */
static void attend_back(const Scorer *e, Work *w, const Kept *kept, const Sequence *s, int32_t kv_head, const number *outputs, float *qkv_gradient) {
    const Shape *shape = &e->shape;
    const int32_t dim = shape->head_dim, group = shape->heads / shape->kv_heads, length = s->end - s->begin, attended = shape->heads * dim;
    const int32_t before = s->prefix_end - s->prefix_begin, keys = before + length, width = e->longest;
    const int32_t key_column = (shape->heads + kv_head) * dim, value_column = key_column + shape->kv_heads * dim;
    float mixed[TAKEN * 256];
    tiles_of(e, s, keys, kept->qkv + key_column, w->key_tiles), pairs_of(e, s, keys, kept->qkv + key_column, w->key_pairs);
    tiles_of(e, s, keys, kept->qkv + value_column, w->value_tiles);
    for (int32_t i = 0; i < dim; i++) {
        memset(w->keys_gradient + (size_t)i * width, 0, (size_t)round_up(keys, 32) * 4);
        memset(w->values_gradient + (size_t)i * width, 0, (size_t)round_up(keys, 32) * 4);
    }
    for (int32_t head = kv_head * group; head < (kv_head + 1) * group; head++)
        for (int32_t first = 0; first < length; first += QUERIES) {
            const int32_t count = length - first < QUERIES ? length - first : QUERIES, seen = round_up(before + first + count, 32);
            const size_t row = (size_t)s->begin + first;
            for (int32_t query = first; query < first + round_up(count, 32); query += TAKEN) slopes_of(e, w, kept, s, head, outputs, first, query, count);
            for (int32_t query = 0; query < count; query += TAKEN) {
                mix_values(e, w->slopes + (size_t)query * width, width, w->key_pairs, seen, mixed);
                for (int32_t r = 0; r < TAKEN && query + r < count; r++)
                    memcpy(qkv_gradient + (row + query + r) * e->qkv_width + head * dim, mixed + r * dim, (size_t)dim * 4);
            }
            add_over_queries(e, w, outputs + row * attended + head * dim, attended, w->weight_pairs, count, seen, w->values_gradient);
            add_over_queries(e, w, kept->qkv + row * e->qkv_width + head * dim, e->qkv_width, slopes_by_query(w), count, seen, w->keys_gradient);
        }
    for (int32_t key = 0; key < keys; key++) {
        float *to = qkv_gradient + (size_t)key_row(s, key) * e->qkv_width;
        for (int32_t i = 0; i < dim; i++) {
            to[key_column + i] += w->keys_gradient[(size_t)i * width + key];
            to[value_column + i] += w->values_gradient[(size_t)i * width + key];
        }
    }
}

/* Rotate queries and keys of a row by its position, or back. */
static void rotate(const Scorer *e, float *row, int32_t position, float direction) {
    const int32_t dim = e->shape.head_dim, half = dim / 2;
    const float *cosines = e->cos + (size_t)position * dim, *sines = e->sin + (size_t)position * dim;
    for (int32_t head = 0; head < e->shape.heads + e->shape.kv_heads; head++, row += dim)
        for (int32_t i = 0; i < half; i++) {
            float first = row[i], second = row[i + half];
            row[i] = first * cosines[i] - direction * second * sines[i];
            row[i + half] = second * cosines[i] + direction * first * sines[i];
        }
}

/* ------------------------------------------------------------------------------------------------------------------- both passes */

/* A thread's share: its own rows, sequences and scored positions; all indices below are relative to its first row. */
typedef struct {
    Scorer *e;
    const Batch *batch;
    int32_t thread, first_row, rows, first_sequence, sequences, first_scored, scored;
} Share;

static Share share_of(Scorer *e, const Batch *b, int32_t t) {
    return (Share){e, b, t, b->row_parts[t], b->row_parts[t + 1] - b->row_parts[t], b->sequence_parts[t], b->sequence_parts[t + 1] - b->sequence_parts[t],
                   b->scored_parts[t], b->scored_parts[t + 1] - b->scored_parts[t]};
}

static Sequence sequence_of(const Share *share, int32_t index) {
    Sequence s = share->batch->sequences[share->first_sequence + index];
    int32_t first = share->first_row;
    return (Sequence){s.begin - first, s.end - first, s.prefix_begin - first, s.prefix_end - first};
}

/* This share's rows of a state; NULL if there is none. */
static float *state_of(const Share *share, float *const *states, int32_t layer, int32_t width) {
    return states && states[layer] ? states[layer] + (size_t)share->first_row * width : NULL;
}

static void hand_out(const Share *share, float *const *states, int32_t layer, int32_t width, const float *from) {
    float *to = state_of(share, states, layer, width);
    if (to) memcpy(to, from, (size_t)share->rows * width * 4);
}

static void add_slopes(const Share *share, float *const *slopes, int32_t layer, int32_t width, float *to) {
    const float *from = state_of(share, slopes, layer, width);
    for (size_t i = 0; from && i < (size_t)share->rows * width; i += LANES) *(vec *)(to + i) += *(vec *)(from + i);
}

static void layer_forward(const Share *share, int32_t index) {
    Scorer *e = share->e;
    Work *w = &e->works[share->thread];
    const Layer *layer = &e->layers[index];
    const Shape *s = &e->shape;
    Kept *kept = &w->kept[index];
    const int32_t rows = share->rows, hidden = s->hidden, attended = s->heads * s->head_dim;
    float *next = index + 1 < s->layers ? w->kept[index + 1].x : w->x;
    normalise(e, kept->x, layer->attention_norm.weight, w->narrow, rows);
    forward(&layer->qkv, w->narrow, hidden, rows, w->block, (Target){STORE, .to = w->wide, .stride = e->qkv_width});
    for (int32_t row = 0; row < rows; row++) {
        float *qkv = w->wide + (size_t)row * e->qkv_width;
        rotate(e, qkv, share->batch->positions[share->first_row + row], 1.0f);
    }
    hand_out(share, share->batch->states.qkv, index, e->qkv_width, w->wide);
    narrow(w->wide, kept->qkv, e->qkv_width, rows, e->qkv_width);
    for (int32_t i = 0; i < share->sequences; i++) {
        Sequence sequence = sequence_of(share, i);
        for (int32_t head = 0; head < s->kv_heads; head++) attend(e, w, kept, &sequence, head);
    }
    forward(&layer->o, kept->attended, attended, rows, w->block, (Target){ADD, .to = kept->middle, .base = kept->x, .stride = hidden});
    normalise(e, kept->middle, layer->mlp_norm.weight, w->narrow, rows);
    forward(&layer->gate_up, w->narrow, hidden, rows, w->block,
            (Target){GATE, .narrow = w->gated, .gate_up = kept->gate_up, .stride = 2 * s->intermediate, .narrow_stride = s->intermediate});
    forward(&layer->down, w->gated, s->intermediate, rows, w->block, (Target){ADD, .to = next, .base = kept->middle, .stride = hidden});
}

static void layer_backward(const Share *share, int32_t index) {
    Scorer *e = share->e;
    Work *w = &e->works[share->thread];
    const Layer *layer = &e->layers[index];
    const Shape *s = &e->shape;
    const int32_t t = share->thread, rows = share->rows, hidden = s->hidden, attended = s->heads * s->head_dim;
    Kept *kept = &w->kept[index];
    narrow(w->gradient, w->narrow, hidden, rows, hidden);
    backward(&layer->down, w->narrow, hidden, rows, w->block,
             (Target){GATE_BACK, .narrow = w->gated, .gate_up = kept->gate_up, .stride = 2 * s->intermediate, .narrow_stride = s->intermediate});
    add_weight_gradient(w, &layer->down, layer->down.gradient[t], w->narrow, hidden, w->gated, s->intermediate, rows);
    normalise(e, kept->middle, layer->mlp_norm.weight, w->narrow, rows);
    add_weight_gradient(w, &layer->gate_up, layer->gate_up.gradient[t], kept->gate_up, 2 * s->intermediate, w->narrow, hidden, rows);
    backward(&layer->gate_up, kept->gate_up, 2 * s->intermediate, rows, w->block, (Target){STORE, .to = w->wide, .stride = hidden});
    for (int32_t row = 0; row < rows; row++) {
        size_t at = (size_t)row * hidden;
        norm_back(e, kept->middle + at, &layer->mlp_norm, t, w->wide + at, w->gradient + at);
    }
    narrow(w->gradient, w->narrow, hidden, rows, hidden);
    add_weight_gradient(w, &layer->o, layer->o.gradient[t], w->narrow, hidden, kept->attended, attended, rows);
    backward(&layer->o, w->narrow, hidden, rows, w->block, (Target){NARROW, .narrow = w->gated, .narrow_stride = attended});
    memset(w->wide, 0, (size_t)rows * e->qkv_width * 4);
    for (int32_t i = 0; i < share->sequences; i++) {
        Sequence sequence = sequence_of(share, i);
        for (int32_t head = 0; head < s->kv_heads; head++) attend_back(e, w, kept, &sequence, head, w->gated, w->wide);
    }
    add_slopes(share, share->batch->slopes.qkv, index, e->qkv_width, w->wide);
    for (int32_t row = 0; row < rows; row++) {
        float *slope = w->wide + (size_t)row * e->qkv_width;
        rotate(e, slope, share->batch->positions[share->first_row + row], -1.0f);
        for (int32_t i = 0; i < e->qkv_width; i += LANES) *(vec *)(layer->qkv.bias_gradient[t] + i) += *(vec *)(slope + i);
    }
    narrow(w->wide, kept->qkv, e->qkv_width, rows, e->qkv_width);
    normalise(e, kept->x, layer->attention_norm.weight, w->narrow, rows);
    add_weight_gradient(w, &layer->qkv, layer->qkv.gradient[t], kept->qkv, e->qkv_width, w->narrow, hidden, rows);
    backward(&layer->qkv, kept->qkv, e->qkv_width, rows, w->block, (Target){STORE, .to = w->wide, .stride = hidden});
    for (int32_t row = 0; row < rows; row++) {
        size_t at = (size_t)row * hidden;
        norm_back(e, kept->x + at, &layer->attention_norm, t, w->wide + at, w->gradient + at);
    }
}

/* The normalised output of the last layer, if it is wanted. */
static void hand_out_last(const Share *share) {
    const Scorer *e = share->e;
    const int32_t hidden = e->shape.hidden;
    const float *x = e->works[share->thread].x;
    float *to = state_of(share, share->batch->states.hidden, e->shape.layers, hidden);
    for (size_t row = 0; to && row < (size_t)share->rows; row++) {
        vec factor = splat(inverse_rms(x + row * hidden, hidden, e->shape.eps));
        for (size_t i = row * hidden; i < (row + 1) * hidden; i += LANES) *(vec *)(to + i) = *(vec *)(x + i) * factor * *(vec *)(e->norm.weight + i - row * hidden);
    }
}

static void last_back(const Share *share) {
    const Scorer *e = share->e;
    const int32_t hidden = e->shape.hidden;
    Work *w = &e->works[share->thread];
    const float *from = state_of(share, share->batch->slopes.hidden, e->shape.layers, hidden);
    for (size_t row = 0; from && row < (size_t)share->rows; row++)
        norm_back(e, w->x + row * hidden, &e->norm, share->thread, from + row * hidden, w->gradient + row * hidden);
}

/* Normalised rows of scored positions [first, first + count) of the share, in w->narrow. */
static void scored_rows(const Share *share, int32_t first, int32_t count) {
    const Scorer *e = share->e;
    Work *w = &e->works[share->thread];
    const int32_t hidden = e->shape.hidden;
    for (int32_t i = 0; i < count; i++) {
        int32_t row = share->batch->at[share->first_scored + first + i] - share->first_row;
        normalise_row(e, w->x + (size_t)row * hidden, e->norm.weight, w->narrow + (size_t)i * hidden);
    }
}

/* The logits of these rows in a panel, times the inverse temperature, in w->wide. */
static void logits_of(const Share *share, int32_t panel, int32_t count) {
    const Scorer *e = share->e;
    const Linear *l = &e->head[panel];
    Work *w = &e->works[share->thread];
    forward(l, w->narrow, e->shape.hidden, count, w->block, (Target){STORE, .to = w->wide, .stride = l->outputs});
    for (int32_t i = 0; i < count; i++) {
        float *logits = w->wide + (size_t)i * l->outputs;
        for (int32_t j = 0; j < l->outputs; j += LANES) *(vec *)(logits + j) *= splat(share->batch->inverse_temperature);
        for (int32_t j = e->shape.vocabulary - panel * PANEL; j < l->outputs; j++) logits[j] = -INFINITY;
    }
}

static void count_logits(Tally *tally, const float *logits, int32_t outputs) {
    float top = tally->top;
    vec highest = splat(top);
    for (int32_t j = 0; j < outputs; j += LANES) {
        vec x = *(vec *)(logits + j);
        ivec higher = x > highest;
        highest = (vec)(((ivec)x & higher) | ((ivec)highest & ~higher));
    }
    for (int j = 0; j < LANES; j++) top = highest[j] > top ? highest[j] : top;
    vec sum = tally->sum, weighted = tally->weighted;
    if (top > tally->top && tally->top > -INFINITY) {
        vec shift = splat(tally->top - top), factor = exponential(shift);
        weighted = (weighted + sum * shift) * factor, sum *= factor;
    }
    for (int32_t j = 0; j < outputs; j += LANES) {
        vec x = *(vec *)(logits + j) - splat(top), mass = exponential(x);
        x = (vec)((ivec)x & (x > splat(-INFINITY))), mass = (vec)((ivec)mass & (*(vec *)(logits + j) > splat(-INFINITY)));
        sum += mass, weighted += mass * x;
    }
    tally->top = top, tally->sum = sum, tally->weighted = weighted;
}

/* Tallies of scored positions [first, first + count), and w->lse. */
static void tally_logits(const Share *share, int32_t first, int32_t count) {
    const Scorer *e = share->e;
    Work *w = &e->works[share->thread];
    scored_rows(share, first, count);
    for (int32_t i = 0; i < count; i++) w->tallies[i] = (Tally){.top = -INFINITY};
    for (int32_t panel = 0; panel < e->panels; panel++) {
        const int32_t outputs = e->head[panel].outputs;
        logits_of(share, panel, count);
        for (int32_t i = 0; i < count; i++) {
            const float *logits = w->wide + (size_t)i * outputs;
            const int32_t target = share->batch->targets[share->first_scored + first + i];
            count_logits(&w->tallies[i], logits, outputs);
            if (target / PANEL == panel) w->tallies[i].target = logits[target % PANEL];
        }
    }
    for (int32_t i = 0; i < count; i++) w->lse[first + i] = w->tallies[i].top + logf(horizontal_sum(w->tallies[i].sum));
}

/* The teacher's side of a share: the same rows and positions. */
static Share taught(const Share *share) {
    Share teacher = *share;
    teacher.e = share->batch->teacher;
    return teacher;
}

/* The divergences of scored positions [first, first + count), whose tallies were taken last: a single panel is still there. */
static void diverge(const Share *share, int32_t first, int32_t count) {
    const Share teacher = taught(share);
    const Batch *b = share->batch;
    const Work *w = &share->e->works[share->thread], *v = &teacher.e->works[share->thread];
    float *found = b->divergences + share->first_scored + first;
    memset(found, 0, (size_t)count * 4);
    for (int32_t panel = 0; panel < share->e->panels; panel++) {
        const int32_t outputs = share->e->head[panel].outputs;
        if (share->e->panels > 1) logits_of(share, panel, count), logits_of(&teacher, panel, count);
        for (int32_t i = 0; i < count; i++) {
            const float *ours = w->wide + (size_t)i * outputs, *theirs = v->wide + (size_t)i * outputs;
            vec sum = {};
            for (int32_t j = 0; j < outputs; j += LANES) {
                vec q = *(vec *)(ours + j) - splat(w->lse[first + i]), p = *(vec *)(theirs + j) - splat(v->lse[first + i]);
                vec each = b->reverse ? exponential(q) * (q - p) : exponential(p) * (p - q);
                sum += (vec)((ivec)each & (q > splat(-INFINITY)));
            }
            found[i] += horizontal_sum(sum);
        }
    }
}

static void score(const Share *share) {
    Work *w = &share->e->works[share->thread];
    const Batch *b = share->batch;
    for (int32_t first = 0; first < share->scored; first += SCORED) {
        int32_t count = share->scored - first < SCORED ? share->scored - first : SCORED;
        tally_logits(share, first, count);
        for (int32_t i = 0; i < count; i++) {
            const Tally *tally = &w->tallies[i];
            const int32_t place = share->first_scored + first + i;
            float total = horizontal_sum(tally->sum);
            b->logprobs[place] = tally->target - w->lse[first + i];
            b->entropies[place] = logf(total) - horizontal_sum(tally->weighted) / total;
        }
        if (!b->teacher) continue;
        const Share teacher = taught(share);
        tally_logits(&teacher, first, count);
        diverge(share, first, count);
    }
}

/* Adds the gradient of the divergences to that of the logits in w->wide, which are given again in `logits`: q - p of KL(P || Q),
 * q (log q - log p - D) of D = KL(Q || P). */
static void add_slopes_of_divergence(const Share *share, int32_t panel, int32_t first, int32_t count, const float *logits) {
    const Share teacher = taught(share);
    const Batch *b = share->batch;
    const Work *w = &share->e->works[share->thread], *v = &teacher.e->works[share->thread];
    const int32_t outputs = share->e->head[panel].outputs;
    logits_of(&teacher, panel, count);
    for (int32_t i = 0; i < count; i++) {
        const int32_t place = share->first_scored + first + i;
        const float slope = b->divergences_gradient[place];
        for (int32_t j = 0; j < outputs; j += LANES) {
            size_t at = (size_t)i * outputs + j;
            vec q = *(vec *)(logits + at) - splat(w->lse[first + i]), p = *(vec *)(v->wide + at) - splat(v->lse[first + i]);
            vec each = b->reverse ? exponential(q) * (q - p - splat(b->divergences[place])) : exponential(q) - exponential(p);
            *(vec *)(w->wide + at) += (vec)((ivec)(splat(slope) * each) & (q > splat(-INFINITY)));
        }
    }
}

/* The logits in w->wide become their gradient: of the log-probability 1{target} - p, of the entropy H -p (log p + H). */
static void slopes_of_logits(const Share *share, int32_t panel, int32_t first, int32_t count) {
    const Batch *b = share->batch;
    Work *w = &share->e->works[share->thread];
    const int32_t outputs = share->e->head[panel].outputs;
    if (b->teacher) memcpy(w->logits, w->wide, (size_t)count * outputs * 4);
    for (int32_t i = 0; i < count; i++) {
        float *logits = w->wide + (size_t)i * outputs;
        const int32_t place = share->first_scored + first + i, target = b->targets[place];
        const float slope = b->logprobs_gradient[place] * b->inverse_temperature;
        const float pull = b->entropies_gradient ? b->entropies_gradient[place] * b->inverse_temperature : 0;
        for (int32_t j = 0; j < outputs; j += LANES) {
            vec logprob = *(vec *)(logits + j) - splat(w->lse[first + i]), mass = exponential(logprob);
            mass = (vec)((ivec)mass & (logprob > splat(-INFINITY))), logprob = (vec)((ivec)logprob & (logprob > splat(-INFINITY)));
            *(vec *)(logits + j) = -mass * (splat(slope) + splat(pull) * (logprob + splat(b->entropies[place])));
        }
        if (target / PANEL == panel) logits[target % PANEL] += slope;
    }
    if (b->teacher) add_slopes_of_divergence(share, panel, first, count, w->logits);
}

static void score_back(const Share *share) {
    Scorer *e = share->e;
    Work *w = &e->works[share->thread];
    const int32_t hidden = e->shape.hidden;
    memset(w->gradient, 0, (size_t)share->rows * hidden * 4);
    for (int32_t first = 0; first < share->scored; first += SCORED) {
        int32_t count = share->scored - first < SCORED ? share->scored - first : SCORED;
        scored_rows(share, first, count);
        if (share->batch->teacher) {
            const Share teacher = taught(share);
            scored_rows(&teacher, first, count);
        }
        memset(w->normed_gradient, 0, (size_t)count * hidden * 4);
        for (int32_t panel = 0; panel < e->panels; panel++) {
            const Linear *l = &e->head[panel];
            logits_of(share, panel, count);
            slopes_of_logits(share, panel, first, count);
            narrow(w->wide, w->gated, l->outputs, count, l->outputs);
            add_weight_gradient(w, l, l->gradient[share->thread], w->gated, l->outputs, w->narrow, hidden, count);
            backward(l, w->gated, l->outputs, count, w->block, (Target){ADD, .to = w->normed_gradient, .base = w->normed_gradient, .stride = hidden});
        }
        for (int32_t i = 0; i < count; i++) {
            size_t row = (size_t)(share->batch->at[share->first_scored + first + i] - share->first_row) * hidden;
            norm_back(e, w->x + row, &e->norm, share->thread, w->normed_gradient + (size_t)i * hidden, w->gradient + row);
        }
    }
}

static void forward_share(const Share *share) {
    Scorer *e = share->e;
    const int32_t hidden = e->shape.hidden;
    for (int32_t row = 0; row < share->rows; row++)
        memcpy(e->works[share->thread].kept[0].x + (size_t)row * hidden, e->embedding + (size_t)share->batch->tokens[share->first_row + row] * hidden, (size_t)hidden * 4);
    for (int32_t i = 0; i < e->shape.layers; i++) {
        hand_out(share, share->batch->states.hidden, i, hidden, e->works[share->thread].kept[i].x);
        layer_forward(share, i);
    }
    hand_out_last(share);
    if (share->batch->logprobs) score(share);
}

static void backward_share(const Share *share) {
    Scorer *e = share->e;
    const int32_t hidden = e->shape.hidden;
    score_back(share);
    last_back(share);
    for (int32_t i = e->shape.layers - 1; i >= 0; i--) {
        layer_backward(share, i);
        add_slopes(share, share->batch->slopes.hidden, i, hidden, e->works[share->thread].gradient);
    }
    for (int32_t row = 0; row < share->rows; row++) {
        float *to = e->embedding_gradient[share->thread] + (size_t)share->batch->tokens[share->first_row + row] * hidden;
        const float *from = e->works[share->thread].gradient + (size_t)row * hidden;
        for (int32_t i = 0; i < hidden; i += LANES) *(vec *)(to + i) += *(vec *)(from + i);
    }
}

typedef struct {
    Share share;
    int back;
} Job;

static void *work_on(void *argument) {
    Job *job = argument;
    begin_products();
    if (job->back) backward_share(&job->share);
    else forward_share(&job->share);
    end_products();
    return NULL;
}

static void run(Scorer *e, const Batch *batch, int back) {
    Job jobs[e->threads];
    pthread_t ids[e->threads];
    int started[e->threads];
    for (int32_t t = 0; t < e->threads; t++) jobs[t] = (Job){share_of(e, batch, t), back};
    for (int32_t t = 1; t < e->threads; t++) started[t] = pthread_create(&ids[t], NULL, work_on, &jobs[t]) == 0;
    work_on(&jobs[0]);
    for (int32_t t = 1; t < e->threads; t++) {
        if (started[t]) pthread_join(ids[t], NULL);
        else work_on(&jobs[t]);
    }
}

/* ------------------------------------------------------------------------------------------------------------------ what is called */

void score_forward(Scorer *e, const Batch *batch) { run(e, batch, 0); }

/* After `score_forward` on the same batch; once. */
void score_backward(Scorer *e, const Batch *batch) { run(e, batch, 1); }

static float **allocate_each(int32_t threads, size_t count) {
    float **all = calloc((size_t)threads, sizeof *all);
    for (int32_t t = 0; all && t < threads; t++)
        if (!(all[t] = allocate(count * 4))) return NULL;
    return all;
}

static int allocate_linear(const Scorer *e, Linear *l, int32_t outputs, int32_t inputs) {
    l->outputs = round_up(outputs, BLOCK), l->inputs = inputs;
    size_t count = (size_t)l->outputs * inputs;
    l->forward = allocate(count * sizeof(number)), l->bias = allocate((size_t)l->outputs * 4);
    if (!e->trained) return l->forward && l->bias;
    l->backward = allocate(count * sizeof(number));
    l->gradient = allocate_each(e->threads, count), l->bias_gradient = allocate_each(e->threads, (size_t)l->outputs);
    return l->forward && l->backward && l->bias && l->gradient && l->bias_gradient;
}

static int allocate_norm(const Scorer *e, Norm *n) {
    n->weight = allocate((size_t)e->shape.hidden * 4), n->gradient = allocate_each(e->threads, (size_t)e->shape.hidden);
    return n->weight && n->gradient;
}

static void free_each(float **all, int32_t threads) {
    for (int32_t t = 0; all && t < threads; t++) release(all[t]);
    free(all);
}

static void free_linear(const Scorer *e, Linear *l) {
    release(l->forward), release(l->backward), release(l->bias), free_each(l->gradient, e->threads), free_each(l->bias_gradient, e->threads);
}

/* Without a backward pass all layers write to the memory of one. */
static int32_t kept_layers(const Scorer *e) { return e->trained ? e->shape.layers : 1; }

static void free_works(Scorer *e) {
    for (int32_t t = 0; e->works && t < e->threads; t++) {
        Work *w = &e->works[t];
        for (int32_t i = 0; w->kept && i < kept_layers(e); i++) {
            Kept *k = &w->kept[i];
            release(k->x), release(k->middle), release(k->lse), release(k->qkv), release(k->attended), release(k->gate_up);
        }
        free(w->kept);
        void *all[] = {w->x, w->wide, w->gradient, w->block, w->scores, w->products, w->keys_gradient, w->values_gradient, w->lse, w->narrow, w->gated, w->pairs,
                       w->transposed, w->key_tiles, w->value_tiles, w->key_pairs, w->value_pairs, w->weights, w->slopes, w->weight_pairs, w->slope_pairs,
                       w->columns, w->normed_gradient, w->logits, w->tallies};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) release(all[i]);
    }
    free(e->works);
    e->works = NULL;
}

void score_free(Scorer *e) {
    free_works(e);
    for (int32_t i = 0; e->layers && i < e->shape.layers; i++) {
        Layer *l = &e->layers[i];
        Linear *all[] = {&l->qkv, &l->o, &l->gate_up, &l->down};
        for (int j = 0; j < 4; j++) free_linear(e, all[j]);
        Norm *norms[] = {&l->attention_norm, &l->mlp_norm};
        for (int j = 0; j < 2; j++) release(norms[j]->weight), free_each(norms[j]->gradient, e->threads);
    }
    for (int32_t i = 0; e->head && i < e->panels; i++) free_linear(e, &e->head[i]);
    free(e->head);
    release(e->norm.weight), free_each(e->norm.gradient, e->threads), free_each(e->embedding_gradient, e->threads);
    free(e->layers), free(e);
}

/* NULL if memory is short or the system does not allow the products. Without `trained`, there is no memory for gradients. */
Scorer *score_new(const Shape *shape, int32_t threads, int32_t trained) {
    if (!products_allowed()) return NULL;
    Scorer *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->shape = *shape, e->threads = threads, e->trained = trained;
    int32_t q = shape->heads * shape->head_dim, kv = shape->kv_heads * shape->head_dim;
    e->qkv_width = q + 2 * kv;
    e->wide_width = e->qkv_width > shape->hidden ? e->qkv_width : shape->hidden;
    e->layers = calloc((size_t)shape->layers, sizeof *e->layers);
    e->panels = (shape->vocabulary + PANEL - 1) / PANEL;
    e->head = calloc((size_t)e->panels, sizeof *e->head);
    if (trained) e->embedding_gradient = allocate_each(threads, (size_t)shape->vocabulary * shape->hidden);
    int whole = e->layers && e->head && (e->embedding_gradient || !trained) && allocate_norm(e, &e->norm);
    for (int32_t i = 0; whole && i < e->panels; i++) {
        int32_t rest = shape->vocabulary - i * PANEL;
        whole = allocate_linear(e, &e->head[i], rest < PANEL ? rest : PANEL, shape->hidden);
    }
    for (int32_t i = 0; whole && i < shape->layers; i++) {
        Layer *l = &e->layers[i];
        whole = allocate_norm(e, &l->attention_norm) && allocate_norm(e, &l->mlp_norm) && allocate_linear(e, &l->qkv, q + 2 * kv, shape->hidden) &&
                allocate_linear(e, &l->o, shape->hidden, q) && allocate_linear(e, &l->gate_up, 2 * shape->intermediate, shape->hidden) &&
                allocate_linear(e, &l->down, shape->hidden, shape->intermediate);
    }
    if (!whole) {
        score_free(e);
        return NULL;
    }
    return e;
}

/* Room for shares of that many rows and scored positions, and sequences (prefix included) of that length; 0 if memory is short. */
int32_t score_reserve(Scorer *e, int32_t most_rows, int32_t most_scored, int32_t longest) {
    free_works(e);
    const Shape *s = &e->shape;
    /* Tiles read and norms write up to a block after the last row. */
    const size_t each = sizeof(number), rows = (size_t)round_up(most_rows, ROWS) + 64, dim = (size_t)s->head_dim, width = (size_t)round_up(longest, 32) + 32;
    const size_t q = (size_t)s->heads * dim, hidden = (size_t)s->hidden, intermediate = (size_t)s->intermediate;
    const size_t scored = (size_t)round_up(most_scored < SCORED ? most_scored : SCORED, BLOCK) + BLOCK, logits = scored * PANEL;
    size_t widest = 2 * intermediate > PANEL ? 2 * intermediate : PANEL;
    if ((size_t)e->wide_width > widest) widest = (size_t)e->wide_width;
    e->longest = (int32_t)width;
    size_t wide = rows * e->wide_width;
    if (logits > wide) wide = logits;
    size_t gated = rows * (intermediate > q ? intermediate : q);
    if (logits > gated) gated = logits;
    e->works = calloc((size_t)e->threads, sizeof *e->works);
    int whole = e->works != NULL;
    for (int32_t t = 0; whole && t < e->threads; t++) {
        Work *w = &e->works[t];
        w->kept = calloc((size_t)s->layers, sizeof *w->kept);
        whole = w->kept != NULL;
        for (int32_t i = 0; whole && i < s->layers; i++) {
            Kept *k = &w->kept[i];
            if (i >= kept_layers(e)) {
                *k = w->kept[0];
                continue;
            }
            k->x = allocate(rows * hidden * 4), k->middle = allocate(rows * hidden * 4), k->lse = allocate(rows * s->heads * 4);
            k->qkv = allocate(rows * e->qkv_width * each), k->attended = allocate(rows * q * each), k->gate_up = allocate(rows * 2 * intermediate * each);
            whole = k->x && k->middle && k->lse && k->qkv && k->attended && k->gate_up;
        }
        w->x = allocate(rows * hidden * 4), w->wide = allocate(wide * 4), w->gradient = allocate(rows * hidden * 4), w->block = allocate(BLOCK_ROWS * BLOCK * 4);
        w->scores = allocate(TAKEN * width * 4), w->products = allocate(TAKEN * (width > dim ? width : dim) * 4);
        w->keys_gradient = allocate(dim * width * 4), w->values_gradient = allocate(dim * width * 4), w->lse = allocate((size_t)most_scored * 4);
        w->narrow = allocate((rows > scored ? rows : scored) * hidden * each), w->gated = allocate(gated * each);
        w->normed_gradient = allocate(scored * hidden * 4), w->logits = allocate(logits * 4), w->tallies = allocate(scored * sizeof *w->tallies);
        w->pairs = allocate((size_t)PACKED * widest * each), w->transposed = allocate((size_t)PACKED * widest * each);
        w->key_tiles = allocate(width * dim * each), w->value_tiles = allocate(width * dim * each);
        w->key_pairs = allocate(width * dim * each), w->value_pairs = allocate(width * dim * each);
        w->weights = allocate(TAKEN * width * each), w->slopes = allocate((QUERIES + 32) * width * each);
        w->weight_pairs = allocate((QUERIES + 32) * width * each), w->slope_pairs = allocate((QUERIES + 32) * width * each);
        w->columns = allocate(dim * QUERIES * each);
        whole = whole && w->x && w->wide && w->gradient && w->block && w->scores && w->products && w->keys_gradient && w->values_gradient && w->lse && w->narrow && w->gated &&
                w->pairs && w->transposed && w->key_tiles && w->value_tiles && w->key_pairs && w->value_pairs && w->weights && w->slopes && w->weight_pairs &&
                w->slope_pairs && w->columns && w->normed_gradient && w->logits && w->tallies;
    }
    return whole;
}

/* A weight, or the panel of the head that has output `*n`, which becomes its place there. */
static Linear *linear_of(Scorer *e, int32_t layer, int32_t kind, size_t *n) {
    if (layer < 0) {
        Linear *panel = &e->head[*n / PANEL];
        *n %= PANEL;
        return panel;
    }
    Linear *all[] = {&e->layers[layer].qkv, &e->layers[layer].o, &e->layers[layer].gate_up, &e->layers[layer].down};
    return all[kind];
}

static Norm *norm_of(Scorer *e, int32_t layer, int32_t kind) {
    return layer < 0 ? &e->norm : kind == 0 ? &e->layers[layer].attention_norm : &e->layers[layer].mlp_norm;
}

static size_t output_of(int32_t at, int32_t interleave, int32_t row) {
    return (size_t)(interleave ? at * LANES + row / LANES * BLOCK + row % LANES : at + row);
}

/* Rows of a weight (rows x inputs, contiguous) as outputs `at`, `at` + 1, ...; with `interleave`, as half `at` (0 or 1) of each block.
 * `at` is a multiple of 16, or a half. */
void score_pack(Scorer *e, int32_t layer, int32_t kind, int32_t at, int32_t interleave, int32_t rows, const float *weight, const float *bias) {
    for (int32_t row = 0; row < rows; row += LANES) {
        const int32_t count = rows - row < LANES ? rows - row : LANES;
        size_t n = output_of(at, interleave, row);
        Linear *l = linear_of(e, layer, kind, &n);
        const int32_t inputs = l->inputs;
        const float *from = weight + (size_t)row * inputs;
        for (int32_t i = 0; i < count; i++) l->bias[n + i] = bias ? bias[row + i] : 0;
        pack_weight(e, l, n, count, from);
    }
}

void score_norm(Scorer *e, int32_t layer, int32_t kind, const float *weight) { memcpy(norm_of(e, layer, kind)->weight, weight, (size_t)e->shape.hidden * 4); }

/* Borrowed until the next call: embedding (vocabulary x hidden), rotary tables (positions x head_dim). */
void score_tables(Scorer *e, const float *embedding, const float *cosines, const float *sines) { e->embedding = embedding, e->cos = cosines, e->sin = sines; }

/* The sum over the threads, in the memory of the first; the others start at 0 again. */
static float *sum_threads(float **from, int32_t threads, size_t at, size_t count) {
    float *sum = from[0] + at;
    for (int32_t t = 1; t < threads; t++) {
        for (size_t i = 0; i < count; i++) sum[i] += from[t][at + i];
        memset(from[t] + at, 0, count * 4);
    }
    return sum;
}

/* Moves that sum to where it is added. */
static void take(float **from, int32_t threads, size_t at, float *to, size_t count) {
    float *sum = sum_threads(from, threads, at, count);
    for (size_t i = 0; i < count; i++) to[i] += sum[i];
    memset(sum, 0, count * 4);
}

/* Adds the gradient of what `score_pack` was given with the same arguments; the next one starts at 0. `bias` may be NULL. */
void score_weight_gradient(Scorer *e, int32_t layer, int32_t kind, int32_t at, int32_t interleave, int32_t rows, float *weight, float *bias) {
    for (int32_t row = 0; row < rows; row++) {
        size_t n = output_of(at, interleave, row);
        Linear *l = linear_of(e, layer, kind, &n);
        take(l->gradient, e->threads, n * l->inputs, weight + (size_t)row * l->inputs, (size_t)l->inputs);
        if (bias) take(l->bias_gradient, e->threads, n, bias + row, 1);
    }
}

void score_norm_gradient(Scorer *e, int32_t layer, int32_t kind, float *weight) { take(norm_of(e, layer, kind)->gradient, e->threads, 0, weight, (size_t)e->shape.hidden); }

/* To `embedding`, or where it is NULL to the head's gradient: they are one weight. */
void score_embedding_gradient(Scorer *e, float *embedding) {
    const size_t hidden = (size_t)e->shape.hidden;
    for (size_t row = 0; row < (size_t)e->shape.vocabulary; row++) {
        float *to = embedding ? embedding + row * hidden : sum_threads(e->head[row / PANEL].gradient, e->threads, row % PANEL * hidden, hidden);
        take(e->embedding_gradient, e->threads, row * hidden, to, hidden);
    }
}

int32_t score_available(void) { return products_allowed(); }

int32_t score_number_bytes(void) { return sizeof(number); }

#else

#include <stdint.h>
int32_t score_available(void) { return 0; }

int32_t score_number_bytes(void) { return 0; }

#endif
