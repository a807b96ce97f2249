/* Decoding on a CPU: prompts, then one token for each of many sequences, through a whole Qwen2-, Qwen3- or Llama-type decoder, without
 * Python in between.
 *
 * What makes it fast, next to a sequence of torch calls:
 *   - a thread takes its share of the sequences through all layers, and through several tokens, and meets the others only at the end; where
 *     sequences are few, the threads share the columns of each weight matrix instead (`Team`);
 *   - weights are packed once per call in the order in which they are read, queries, keys and values as one matrix, gate and up as one;
 *   - bfloat16 products on tiles (AMX) where the processor has them, else in vectors (AVX-512), sums always in float32; on other processors
 *     only the weights are bfloat16, which halves what is read;
 *   - keys are stored a vector of positions at a time, so that attention needs no reduction across lanes; a group's prompt is stored once;
 *   - sampling reads the logits where they lie.
 *
 * Every sum runs in an order that depends on the model alone, so what a sequence gets does not depend on its neighbours in the batch, on its
 * slot, or on the number of threads.
 *
 * It does not check its arguments: `decoder.py`, its only caller, does. Plain C with GNU vector types (GCC or Clang), for AVX2, AVX-512 and NEON.
 */
#include "common.h"

#define READ_ROWS 128 /* tokens of prompts that a team takes through all layers together */

typedef struct {
    int32_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary, use_bf16, qk_norm;
    float eps, scale;
} Shape;

/* A weight matrix (outputs x inputs), padded to multiples of BLOCK and packed for `multiply`. */
typedef struct {
    int32_t outputs, inputs;
    void *weight;
    float *bias;
} Linear;

typedef struct {
    float *attention_norm, *mlp_norm, *q_norm, *k_norm;
    Linear qkv, o, gate_up, down;
} Layer;

/* Activations of the sequences that one team works on. */
typedef struct {
    int32_t rows, first; /* first: the place of its first row among the sequences of the call */
    float *x, *qkv, *logits, *scores, *block;
    void *normed, *attended, *gated;
} Work;

typedef struct {
    Shape shape;
    int32_t narrow; /* weights in bfloat16, all else in float32 */
    size_t element, weight_element;
    int32_t width, normed_stride, attended_stride, gated_stride, tiles; /* width: hidden, padded */
    const float *embedding;
    float *norm;
    Layer *layers;
    Linear head;
    const float *cos, *sin;
    int32_t slots, capacity, prompts, prompt_capacity, threads;
    void *kv, *prompt_kv;
    size_t kv_bytes, prompt_kv_bytes;
    Work *works;
} Engine;

/* What `run` works on: arrays by slot, and how tokens are drawn. */
typedef struct {
    int32_t *tokens;  /* [slots][room], what each sequence has drawn */
    float *logprobs;  /* [slots][room] */
    int32_t *counts;  /* tokens drawn; all but the last are in the cache */
    int32_t *done;    /* 1 when the sequence has ended */
    const int32_t *prompts, *prompt_lengths;
    const int64_t *seeds;
    const float *temperatures;
    const int32_t *limits; /* the most tokens of each sequence */
    const int32_t *shown;  /* 1: the caller draws from the logits, and the call makes one step */
    const int32_t *stops;  /* [slots][stop_room], -1 where there is none */
    int32_t stop_room, room;
    float *logits; /* [n][vocabulary], for those that are shown */
} Draw;

/* Prompts to be read: arrays by token, those of a prompt in order. */
typedef struct {
    const int32_t *tokens, *positions, *prompts; /* prompts: places in the prompt store */
    const int32_t *outputs;                      /* the row of `logits` that a prompt's last token fills, for others -1 */
    float *logits;                               /* [outputs][vocabulary] */
} Read;

/* One vector of activations at `index`, in the precision that matrix products take. */
ALWAYS void store(const Engine *e, void *to, size_t index, vec value) {
    if (e->shape.use_bf16) store_bf16((bf16 *)to + index, value);
    else *(vec *)((float *)to + index) = value;
}

/* -------------------------------------------------------------------------------------------------------------------------- teams */

/* Threads that work on the same sequences. A team of one never waits. */
typedef struct {
    int32_t size;
    atomic_int arrived, round;
} Barrier;

typedef struct {
    Barrier *barrier;
    int32_t index, size;
} Team;

static void meet(const Team *team) {
    if (team->size == 1) return;
    Barrier *barrier = team->barrier;
    int round = atomic_load_explicit(&barrier->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == barrier->size - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->round, round + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&barrier->round, memory_order_acquire) == round; spins++)
        if (spins > 20000) sched_yield();
}

/* The share of `count` items that belongs to this member: [*begin, *end). */
static void share(const Team *team, int32_t count, int32_t *begin, int32_t *end) {
    *begin = (int32_t)((int64_t)count * team->index / team->size);
    *end = (int32_t)((int64_t)count * (team->index + 1) / team->size);
}

/* ---------------------------------------------------------------------------------------------------------------- matrix products */

typedef enum { STORE, ADD, GATE } Finish;

/* Where results go: STORE and ADD to floats, GATE (columns alternate between a vector of gate and one of up) to activations. */
typedef struct {
    Finish finish;
    void *to;
    int32_t stride;
} Target;

ALWAYS void finish_block(const Engine *e, const Linear *linear, const Target *target, const float *block, int32_t row, int32_t rows, int32_t column) {
    const vec bias0 = *(vec *)(linear->bias + column), bias1 = *(vec *)(linear->bias + column + LANES);
    for (int32_t r = 0; r < rows; r++) {
        vec first = *(vec *)(block + r * BLOCK) + bias0, second = *(vec *)(block + r * BLOCK + LANES) + bias1;
        if (target->finish == GATE) {
            vec gated = first / (splat(1.0f) + exponential(-first)) * second;
            store(e, target->to, (size_t)(row + r) * target->stride + column / 2, gated);
            continue;
        }
        vec *to = (vec *)((float *)target->to + (size_t)(row + r) * target->stride + column);
        if (target->finish == ADD) first += to[0], second += to[1];
        to[0] = first, to[1] = second;
    }
}

#if HAS_BF16
ALWAYS vec dot_pairs(vec sum, const void *pairs, uint32_t pair) {
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_loadu_si512(pairs), (__m512bh)_mm512_set1_epi32((int)pair));
}

ALWAYS void rows_bf16(const int count, const bf16 *a, int32_t stride, const bf16 *w, int32_t inputs, float *block) {
    const bf16 *w1 = w + (size_t)inputs * LANES;
    vec sums[8][2] = {};
    for (int32_t k = 0; k < inputs; k += 2)
        for (int r = 0; r < count; r++) {
            uint32_t pair;
            memcpy(&pair, a + (size_t)r * stride + k, 4);
            sums[r][0] = dot_pairs(sums[r][0], w + k * LANES, pair);
            sums[r][1] = dot_pairs(sums[r][1], w1 + k * LANES, pair);
        }
    for (int r = 0; r < count; r++) *(vec *)(block + r * BLOCK) = sums[r][0], *(vec *)(block + r * BLOCK + LANES) = sums[r][1];
}

static void block_pairs(const bf16 *a, int32_t stride, int32_t rows, const bf16 *w, int32_t inputs, float *block) {
    int32_t r = 0;
    for (; r + 8 <= rows; r += 8) rows_bf16(8, a + (size_t)r * stride, stride, w, inputs, block + r * BLOCK);
    for (; r < rows; r++) rows_bf16(1, a + (size_t)r * stride, stride, w, inputs, block + r * BLOCK);
}
#endif

static void block_any(const Engine *e, const void *a, int32_t stride, int32_t row, int32_t rows, const Linear *linear, int32_t column, float *block) {
    size_t at = (size_t)column * linear->inputs, from = (size_t)row * stride;
    if (e->narrow) {
        sum_block(rows, (const float *)a + from, (size_t)stride, 1, (const float *)linear->weight + at / 2, LANES, linear->inputs, block, BLOCK, 0, 1);
        return;
    }
    if (!e->shape.use_bf16) {
        block_f32((const float *)a + from, stride, rows, (const float *)linear->weight + at, linear->inputs, block);
        return;
    }
#if HAS_AMX
    if (e->tiles) {
        block_tiles((const bf16 *)a + from, stride, rows, (const bf16 *)linear->weight + at, linear->inputs, block);
        return;
    }
#endif
#if HAS_BF16
    block_pairs((const bf16 *)a + from, stride, rows, (const bf16 *)linear->weight + at, linear->inputs, block);
#endif
}

/* `a` (rows x inputs) times the transposed weight; each member of the team takes some columns. */
static void multiply(const Engine *e, const Team *team, const Work *work, const Linear *linear, const void *a, int32_t stride, Target target) {
    float *block = work->block + (size_t)team->index * BLOCK_ROWS * BLOCK;
    int32_t begin, end;
    share(team, linear->outputs / BLOCK, &begin, &end);
    for (int32_t column = begin * BLOCK; column < end * BLOCK; column += BLOCK)
        for (int32_t row = 0; row < work->rows; row += BLOCK_ROWS) {
            int32_t rows = work->rows - row < BLOCK_ROWS ? work->rows - row : BLOCK_ROWS;
            block_any(e, a, stride, row, rows, linear, column, block);
            finish_block(e, linear, &target, block, row, rows, column);
        }
}

/* ---------------------------------------------------------------------------------------------------------------------- attention */

/* Keys of a kv head: a vector of positions at a time, [position / LANES][dimension][LANES] in float32 and [position / LANES][dimension / 2][LANES][2]
 * in bfloat16. Values: [position][dimension], in bfloat16 [position / 2][dimension][2]. What lies behind a sequence's length must be finite. */
static void write_kv(const Engine *e, void *keys, void *values, int32_t position, const float *k, const float *v) {
    const int32_t dim = e->shape.head_dim;
    if (e->shape.use_bf16) {
        bf16 *to = (bf16 *)keys + (size_t)(position / LANES) * LANES * dim + position % LANES * 2;
        for (int32_t i = 0; i < dim; i += 2) to[i * LANES] = to_bf16(k[i]), to[i * LANES + 1] = to_bf16(k[i + 1]);
        bf16 *values_to = (bf16 *)values + (size_t)(position / 2) * 2 * dim + position % 2;
        for (int32_t i = 0; i < dim; i++) values_to[2 * i] = to_bf16(v[i]);
    } else {
        float *to = (float *)keys + (size_t)(position / LANES) * LANES * dim + position % LANES;
        for (int32_t i = 0; i < dim; i++) to[i * LANES] = k[i];
        memcpy((float *)values + (size_t)position * dim, v, (size_t)dim * 4);
    }
}

typedef struct {
    const void *keys, *values;
    int32_t length, at; /* at: where its scores begin */
} Segment;

ALWAYS void scores_f32(const int heads, const float *q, const float *keys, int32_t dim, float *scores, int32_t stride) {
    vec sums[4][2] = {};
    for (int32_t i = 0; i < dim; i += 2) {
        vec k0 = *(vec *)(keys + i * LANES), k1 = *(vec *)(keys + (i + 1) * LANES);
        for (int h = 0; h < heads; h++) sums[h][0] += splat(q[h * dim + i]) * k0, sums[h][1] += splat(q[h * dim + i + 1]) * k1;
    }
    for (int h = 0; h < heads; h++) *(vec *)(scores + (size_t)h * stride) = sums[h][0] + sums[h][1];
}

/* `wide` vectors of dimensions at once. */
ALWAYS void mix_f32(const int heads, const int wide, const float *p, int32_t stride, const float *values, int32_t dim, int32_t length, vec sums[4][4]) {
    for (int32_t t = 0; t < length; t++)
        for (int h = 0; h < heads; h++) {
            vec weight = splat(p[(size_t)h * stride + t]);
            for (int j = 0; j < wide; j++) sums[h][j] += weight * *(vec *)(values + (size_t)t * dim + j * LANES);
        }
}

#if HAS_BF16
ALWAYS void scores_bf16(const int heads, const uint32_t *q, const bf16 *keys, int32_t dim, float *scores, int32_t stride) {
    vec sums[4][2] = {};
    for (int32_t i = 0; i < dim / 2; i += 2)
        for (int h = 0; h < heads; h++) {
            sums[h][0] = dot_pairs(sums[h][0], keys + i * BLOCK, q[h * (dim / 2) + i]);
            sums[h][1] = dot_pairs(sums[h][1], keys + (i + 1) * BLOCK, q[h * (dim / 2) + i + 1]);
        }
    for (int h = 0; h < heads; h++) *(vec *)(scores + (size_t)h * stride) = sums[h][0] + sums[h][1];
}

/* `p` holds pairs of bfloat16 weights, one pair for two positions. */
ALWAYS void mix_bf16(const int heads, const int wide, const uint32_t *p, int32_t stride, const bf16 *values, int32_t dim, int32_t length, vec sums[4][4]) {
    for (int32_t t = 0; t < (length + 1) / 2; t++)
        for (int h = 0; h < heads; h++) {
            uint32_t pair = p[(size_t)h * stride + t];
            for (int j = 0; j < wide; j++) sums[h][j] = dot_pairs(sums[h][j], values + ((size_t)t * dim + j * LANES) * 2, pair);
        }
}
#endif

/* Dimensions [from, from + LANES * wide) of what some heads attend to, divided by the sums of their weights. */
ALWAYS void mix(const Engine *e, const int heads, const int wide, const float *scores, const float *sums, const Segment segments[2], int32_t from, void *to, size_t index) {
    const int32_t dim = e->shape.head_dim, stride = e->prompt_capacity + e->capacity + 2 * LANES;
    vec mixed[4][4] = {};
    for (int s = 0; s < 2; s++) {
        const Segment *segment = &segments[s];
        const float *p = scores + segment->at;
#if HAS_BF16
        if (e->shape.use_bf16) {
            mix_bf16(heads, wide, (const uint32_t *)p, stride, (const bf16 *)segment->values + 2 * from, dim, segment->length, mixed);
            continue;
        }
#endif
        mix_f32(heads, wide, p, stride, (const float *)segment->values + from, dim, segment->length, mixed);
    }
    for (int h = 0; h < heads; h++)
        for (int j = 0; j < wide; j++) store(e, to, index + (size_t)h * dim + from + j * LANES, mixed[h][j] / splat(sums[h]));
}

/* The scores of some heads over both segments become weights that are not yet divided by their sum, which is returned. In bfloat16 they are
 * rounded in place, two to a word, and the sum is that of the rounded ones. */
static float weigh(const Engine *e, float *scores, const Segment segments[2]) {
    vec highest = splat(-INFINITY);
    for (int s = 0; s < 2; s++) {
        float *at = scores + segments[s].at;
        int32_t length = segments[s].length;
        for (int32_t t = length; t < round_up(length, LANES); t++) at[t] = -INFINITY;
        for (int32_t t = 0; t < length; t += LANES) {
            vec x = *(vec *)(at + t);
            ivec higher = x > highest;
            highest = (vec)(((ivec)x & higher) | ((ivec)highest & ~higher));
        }
    }
    float top = highest[0];
    for (int i = 1; i < LANES; i++) top = highest[i] > top ? highest[i] : top;
    vec sum = {};
    for (int s = 0; s < 2; s++) {
        float *at = scores + segments[s].at;
        for (int32_t t = 0; t < segments[s].length; t += LANES) {
            vec weight = exponential(*(vec *)(at + t) - splat(top));
#if HAS_BF16
            if (e->shape.use_bf16) {
                __m256i rounded = (__m256i)_mm512_cvtneps_pbh((__m512)weight);
                weight = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16);
                _mm256_storeu_si256((__m256i *)((bf16 *)at + t), rounded);
                sum += weight;
                continue;
            }
#endif
            *(vec *)(at + t) = weight;
            sum += weight;
        }
    }
    return horizontal_sum(sum);
}

/* Up to four query heads of one kv head: `q` (heads x dim), already rotated and scaled; the result goes to `to` at `index`. */
ALWAYS void attend_heads(const Engine *e, const int heads, const float *q, const Segment segments[2], float *scores, void *to, size_t index) {
    const int32_t dim = e->shape.head_dim, stride = e->prompt_capacity + e->capacity + 2 * LANES;
    uint32_t pairs[4 * 256 / 2];
    if (e->shape.use_bf16)
        for (int32_t i = 0; i < heads * dim / 2; i++) pairs[i] = to_bf16(q[2 * i]) | (uint32_t)to_bf16(q[2 * i + 1]) << 16;
    for (int s = 0; s < 2; s++)
        for (int32_t t = 0; t < segments[s].length; t += LANES) {
            float *out = scores + segments[s].at + t;
            size_t at = (size_t)t * dim;
#if HAS_BF16
            if (e->shape.use_bf16) {
                scores_bf16(heads, pairs, (const bf16 *)segments[s].keys + at, dim, out, stride);
                continue;
            }
#endif
            scores_f32(heads, q, (const float *)segments[s].keys + at, dim, out, stride);
        }
    float sums[4];
    for (int h = 0; h < heads; h++) sums[h] = weigh(e, scores + (size_t)h * stride, segments);
    int32_t i = 0;
    for (; LANES == 16 && i + 4 * LANES <= dim; i += 4 * LANES) mix(e, heads, 4, scores, sums, segments, i, to, index);
    for (; i < dim; i += 2 * LANES) mix(e, heads, 2, scores, sums, segments, i, to, index);
}

static void normalise_head(float *x, int32_t dim, const float *weight, float eps) {
    float squares = 0;
    for (int32_t i = 0; i < dim; i++) squares += x[i] * x[i];
    float factor = 1.0f / sqrtf(squares / dim + eps);
    for (int32_t i = 0; i < dim; i++) x[i] = x[i] * factor * weight[i];
}

static void rotate(float *x, int32_t dim, const float *cosines, const float *sines) {
    int32_t half = dim / 2;
    for (int32_t i = 0; i < half; i++) {
        float first = x[i], second = x[i + half];
        x[i] = first * cosines[i] - second * sines[i];
        x[i + half] = second * cosines[i + half] + first * sines[i + half];
    }
}

static size_t kv_at(const Engine *e, int32_t layer, int32_t index, int32_t count, int32_t kv_head, int32_t capacity) {
    return (((size_t)layer * count + index) * e->shape.kv_heads + kv_head) * 2 * capacity * e->shape.head_dim * e->element;
}

/* Ask for memory before it is needed: a core waits for one stream after the other otherwise. */
ALWAYS void fetch(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)from + i, 0, 2);
}

static void fetch_keys(const Engine *e, const Draw *draw, int32_t layer, int32_t slot, int32_t kv_head) {
    fetch((char *)e->kv + kv_at(e, layer, slot, e->slots, kv_head, e->capacity), (size_t)(draw->counts[slot] - 1) * e->shape.head_dim * e->element);
}

static char *prompt_keys(const Engine *e, int32_t layer, int32_t prompt, int32_t kv_head) {
    return (char *)e->prompt_kv + kv_at(e, layer, prompt, e->prompts, kv_head, e->prompt_capacity);
}

static char *prompt_values(const Engine *e, char *keys) { return keys + (size_t)e->prompt_capacity * e->shape.head_dim * e->element; }

/* One kv head of one row at `position`: rotate its queries, its key and its value, and store the latter two as number `at`. */
static void enter(const Engine *e, const Work *work, int32_t layer, int32_t row, int32_t kv_head, int32_t position, char *keys, char *values, int32_t at) {
    const Shape *s = &e->shape;
    const int32_t dim = s->head_dim, group = s->heads / s->kv_heads;
    const float *cosines = e->cos + (size_t)position * dim, *sines = e->sin + (size_t)position * dim;
    const Layer *weights = &e->layers[layer];
    float *qkv = work->qkv + (size_t)row * weights->qkv.outputs;
    float *q = qkv + kv_head * group * dim, *k = qkv + (s->heads + kv_head) * dim, *v = k + s->kv_heads * dim;
    for (int32_t h = 0; h < group; h++) {
        if (s->qk_norm) normalise_head(q + h * dim, dim, weights->q_norm, s->eps);
        rotate(q + h * dim, dim, cosines, sines);
        for (int32_t i = 0; i < dim; i++) q[h * dim + i] *= s->scale;
    }
    if (s->qk_norm) normalise_head(k, dim, weights->k_norm, s->eps);
    rotate(k, dim, cosines, sines);
    write_kv(e, keys, values, at, k, v);
}

/* All query heads of one kv head of a row that has entered. */
static void attend(const Engine *e, const Work *work, int32_t layer, int32_t row, int32_t kv_head, const Segment segments[2], float *scores) {
    const int32_t dim = e->shape.head_dim, group = e->shape.heads / e->shape.kv_heads;
    const float *q = work->qkv + (size_t)row * e->layers[layer].qkv.outputs + kv_head * group * dim;
    size_t to = (size_t)row * e->attended_stride + (size_t)kv_head * group * dim;
    int32_t h = 0;
    for (; h + 4 <= group; h += 4) attend_heads(e, 4, q + h * dim, segments, scores, work->attended, to + (size_t)h * dim);
    for (; h + 3 <= group; h += 3) attend_heads(e, 3, q + h * dim, segments, scores, work->attended, to + (size_t)h * dim);
    for (; h + 2 <= group; h += 2) attend_heads(e, 2, q + h * dim, segments, scores, work->attended, to + (size_t)h * dim);
    for (; h < group; h++) attend_heads(e, 1, q + h * dim, segments, scores, work->attended, to + (size_t)h * dim);
}

/* The new token of each sequence, behind its prompt and what it has drawn. */
static void attend_slots(const Engine *e, const Team *team, const Work *work, int32_t layer, const Draw *draw, const int32_t *slots, float *scores) {
    const int32_t heads = e->shape.kv_heads;
    int32_t begin, end;
    share(team, work->rows * heads, &begin, &end);
    for (int32_t item = begin; item < end; item++) {
        const int32_t row = item / heads, kv_head = item % heads, slot = slots[row];
        if (item + 1 < end) fetch_keys(e, draw, layer, slots[(item + 1) / heads], (item + 1) % heads);
        const int32_t own = draw->counts[slot] - 1, length = draw->prompt_lengths[slot];
        char *mine = (char *)e->kv + kv_at(e, layer, slot, e->slots, kv_head, e->capacity);
        char *my_values = mine + (size_t)e->capacity * e->shape.head_dim * e->element;
        char *prompt = prompt_keys(e, layer, draw->prompts[slot], kv_head);
        fetch(my_values, (size_t)own * e->shape.head_dim * e->element);
        enter(e, work, layer, row, kv_head, length + own, mine, my_values, own);
        const Segment segments[2] = {{prompt, prompt_values(e, prompt), length, 0}, {mine, my_values, own + 1, round_up(length, LANES)}};
        attend(e, work, layer, row, kv_head, segments, scores);
    }
}

/* Tokens of prompts, each behind those before it in its prompt. All enter before one attends: the team shares them. */
static void attend_prompts(const Engine *e, const Team *team, const Work *work, int32_t layer, const Read *read, float *scores) {
    const int32_t heads = e->shape.kv_heads;
    int32_t begin, end;
    share(team, work->rows * heads, &begin, &end);
    for (int32_t item = begin; item < end; item++) {
        const int32_t row = work->first + item / heads, position = read->positions[row];
        char *keys = prompt_keys(e, layer, read->prompts[row], item % heads);
        enter(e, work, layer, item / heads, item % heads, position, keys, prompt_values(e, keys), position);
    }
    meet(team);
    for (int32_t item = begin; item < end; item++) {
        const int32_t row = work->first + item / heads, length = read->positions[row] + 1;
        char *keys = prompt_keys(e, layer, read->prompts[row], item % heads);
        const Segment segments[2] = {{keys, prompt_values(e, keys), length, 0}, {keys, keys, 0, round_up(length, LANES)}};
        attend(e, work, layer, item / heads, item % heads, segments, scores);
    }
}

/* ---------------------------------------------------------------------------------------------------------------------- the step */

static void normalise(const Engine *e, const Work *work, const Team *team, const float *weight) {
    int32_t begin, end, width = e->width;
    share(team, work->rows, &begin, &end);
    for (int32_t row = begin; row < end; row++) {
        const float *x = work->x + (size_t)row * width;
        vec squares = {};
        for (int32_t i = 0; i < width; i += LANES) squares += *(vec *)(x + i) * *(vec *)(x + i);
        vec factor = splat(1.0f / sqrtf(horizontal_sum(squares) / e->shape.hidden + e->shape.eps));
        for (int32_t i = 0; i < width; i += LANES)
            store(e, work->normed, (size_t)row * e->normed_stride + i, *(vec *)(x + i) * factor * *(vec *)(weight + i));
    }
    meet(team);
}

static uint64_t splitmix64(uint64_t state) {
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
    return state ^ (state >> 31);
}

/* The same number as `sampling.uniforms`. */
static float uniform(int64_t seed, int64_t position) {
    const uint64_t gamma = 0x9E3779B97F4A7C15u;
    uint64_t bits = splitmix64(splitmix64((uint64_t)seed + gamma) + (uint64_t)(position + 1) * gamma);
    return (float)(bits >> 40) * 0x1p-24f;
}

/* Draw from the softmax of `logits` (padded, and overwritten) by inverting its running sum; see `sampling.draw`. */
static int32_t draw_token(float *logits, int32_t vocabulary, float temperature, float at, float *logprob) {
    int32_t padded = round_up(vocabulary, BLOCK), best = 0;
    for (int32_t i = vocabulary; i < padded; i++) logits[i] = -INFINITY;
    vec highest = *(vec *)logits;
    for (int32_t i = LANES; i < padded; i += LANES) {
        vec x = *(vec *)(logits + i);
        ivec higher = x > highest;
        highest = (vec)(((ivec)x & higher) | ((ivec)highest & ~higher));
    }
    float top = highest[0];
    for (int i = 1; i < LANES; i++) top = highest[i] > top ? highest[i] : top;
    while (temperature <= 0 && best < vocabulary - 1 && logits[best] != top) best++;
    const vec factor = splat(temperature > 0 ? 1.0f / temperature : 1.0f), shift = splat(top);
    double total = 0;
    for (int32_t i = 0; i < padded; i += LANES) {
        vec mass = exponential((*(vec *)(logits + i) - shift) * factor);
        mass = (vec)((ivec)mass & (*(vec *)(logits + i) > splat(-INFINITY)));
        *(vec *)(logits + i) = mass;
        total += horizontal_sum(mass);
    }
    int32_t token = best;
    if (temperature > 0) {
        double target = at * total, before = 0;
        int32_t i = 0;
        for (; i < padded - LANES; i += LANES) {
            double after = before + horizontal_sum(*(vec *)(logits + i));
            if (after > target) break;
            before = after;
        }
        token = i;
        for (int32_t j = i; j < i + LANES && j < vocabulary; j++) {
            if (logits[j] > 0) token = j;
            before += logits[j];
            if (before > target) break;
        }
    }
    *logprob = (float)log(logits[token] / total);
    return token;
}

static void record(const Draw *draw, int32_t slot, int32_t token, float logprob) {
    int32_t count = draw->counts[slot]++;
    draw->tokens[(size_t)slot * draw->room + count] = token;
    draw->logprobs[(size_t)slot * draw->room + count] = logprob;
    int ended = count + 1 == draw->limits[slot] || !isfinite(logprob);
    for (int32_t i = 0; i < draw->stop_room; i++) ended |= draw->stops[(size_t)slot * draw->stop_room + i] == token;
    draw->done[slot] = ended;
}

/* What a team works on: the new tokens of sequences, or where `read` is not NULL tokens of prompts. */
typedef struct {
    const Draw *draw;
    const int32_t *slots;
    const Read *read;
} Input;

static void embed(const Engine *e, const Work *work, int32_t row, int32_t token) {
    memcpy(work->x + (size_t)row * e->width, e->embedding + (size_t)token * e->shape.hidden, (size_t)e->shape.hidden * 4);
}

static void through_layers(const Engine *e, const Team *team, Work *work, const Input *input) {
    float *scores = work->scores + (size_t)team->index * 4 * (e->prompt_capacity + e->capacity + 2 * LANES);
    for (int32_t i = 0; i < e->shape.layers; i++) {
        const Layer *layer = &e->layers[i];
        normalise(e, work, team, layer->attention_norm);
        multiply(e, team, work, &layer->qkv, work->normed, e->normed_stride, (Target){STORE, work->qkv, layer->qkv.outputs});
        meet(team);
        if (input->read) attend_prompts(e, team, work, i, input->read, scores);
        else attend_slots(e, team, work, i, input->draw, input->slots, scores);
        meet(team);
        multiply(e, team, work, &layer->o, work->attended, e->attended_stride, (Target){ADD, work->x, e->width});
        meet(team);
        normalise(e, work, team, layer->mlp_norm);
        multiply(e, team, work, &layer->gate_up, work->normed, e->normed_stride, (Target){GATE, work->gated, e->gated_stride});
        meet(team);
        multiply(e, team, work, &layer->down, work->gated, e->gated_stride, (Target){ADD, work->x, e->width});
        meet(team);
    }
}

static void find_logits(const Engine *e, const Team *team, Work *work) {
    normalise(e, work, team, e->norm);
    multiply(e, team, work, &e->head, work->normed, e->normed_stride, (Target){STORE, work->logits, e->head.outputs});
    meet(team);
}

static void step(const Engine *e, const Team *team, Work *work, const Draw *draw, const int32_t *slots) {
    const Shape *s = &e->shape;
    int32_t begin, end;
    share(team, work->rows, &begin, &end);
    for (int32_t row = begin; row < end; row++) embed(e, work, row, draw->tokens[(size_t)slots[row] * draw->room + draw->counts[slots[row]] - 1]);
    meet(team);
    through_layers(e, team, work, &(Input){draw, slots, NULL});
    find_logits(e, team, work);
    for (int32_t row = begin; row < end; row++) {
        const int32_t slot = slots[row];
        float logprob, *logits = work->logits + (size_t)row * e->head.outputs;
        if (draw->shown[slot]) {
            memcpy(draw->logits + (size_t)(work->first + row) * s->vocabulary, logits, (size_t)s->vocabulary * 4);
            continue;
        }
        float at = uniform(draw->seeds[slot], draw->counts[slot]);
        int32_t token = draw_token(logits, s->vocabulary, draw->temperatures[slot], at, &logprob);
        record(draw, slot, token, logprob);
    }
    meet(team);
}

/* The logits behind the prompts that end among the tokens of `work`: up to BLOCK rows at a time move to the front. */
static void store_ends(const Engine *e, const Team *team, Work *work, const Read *read) {
    const int32_t first = work->first, rows = work->rows;
    int32_t row = 0;
    while (row < rows) {
        int32_t ends[BLOCK], count = 0;
        for (; row < rows && count < BLOCK; row++)
            if (read->outputs[first + row] >= 0) ends[count++] = row;
        meet(team);
        if (team->index == 0) {
            for (int32_t i = 0; i < count; i++) memmove(work->x + (size_t)i * e->width, work->x + (size_t)ends[i] * e->width, (size_t)e->width * 4);
            work->rows = count;
        }
        meet(team);
        if (count == 0) return;
        find_logits(e, team, work);
        for (int32_t i = team->index; i < count; i += team->size)
            memcpy(read->logits + (size_t)read->outputs[first + ends[i]] * e->shape.vocabulary, work->logits + (size_t)i * e->head.outputs, (size_t)e->shape.vocabulary * 4);
    }
}

/* Tokens [begin, end) of prompts, READ_ROWS at a time: keys and values into the prompt store, logits behind the last token of each prompt. */
static void read_rows(const Engine *e, const Team *team, Work *work, const Read *read, int32_t begin, int32_t end) {
    for (int32_t first = begin; first < end; first += READ_ROWS) {
        const int32_t rows = end - first < READ_ROWS ? end - first : READ_ROWS;
        meet(team);
        if (team->index == 0) work->rows = rows, work->first = first;
        meet(team);
        for (int32_t row = team->index; row < rows; row += team->size) embed(e, work, row, read->tokens[first + row]);
        meet(team);
        through_layers(e, team, work, &(Input){NULL, NULL, read});
        store_ends(e, team, work, read);
    }
}

typedef struct {
    const Engine *engine;
    Team team;
    Work *work;
    const Read *read; /* where not NULL, the team reads its tokens [first, first + count), and draws nothing */
    const Draw *draw;
    int32_t *slots; /* all; the team's are [first, first + count) */
    int32_t first, count, steps;
    atomic_int *gate; /* 0: wait, 1: go, -1: go home */
} Job;

static void draw_steps(const Job *job) {
    int32_t live = job->count, slots[live > 0 ? live : 1];
    memcpy(slots, job->slots + job->first, (size_t)live * sizeof *slots);
    for (int32_t i = 0; i < job->steps && live > 0; i++) {
        if (job->team.index == 0) job->work->rows = live, job->work->first = job->first;
        meet(&job->team);
        step(job->engine, &job->team, job->work, job->draw, slots);
        int32_t kept = 0;
        for (int32_t j = 0; j < live; j++)
            if (!job->draw->done[slots[j]]) slots[kept++] = slots[j];
        live = kept;
    }
}

static void *work_on(void *argument) {
    Job *job = argument;
    int gate;
    while (!(gate = atomic_load_explicit(job->gate, memory_order_acquire))) sched_yield();
    if (gate < 0) return NULL;
#if HAS_AMX
    if (job->engine->tiles) tiles_on();
#endif
    if (job->read) read_rows(job->engine, &job->team, job->work, job->read, job->first, job->first + job->count);
    else draw_steps(job);
#if HAS_AMX
    if (job->engine->tiles) _tile_release();
#endif
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------------ what is called */

/* One thread for each job, all or none: if the system gives no more threads, one does the `whole` work, with the same result. */
static void do_jobs(Job *jobs, int32_t threads, Job whole, atomic_int *gate) {
    pthread_t ids[threads];
    int32_t started = 1;
    while (started < threads && pthread_create(&ids[started], NULL, work_on, &jobs[started]) == 0) started++;
    atomic_store_explicit(gate, started == threads ? 1 : -1, memory_order_release);
    if (started == threads) work_on(&jobs[0]);
    for (int32_t i = 1; i < started; i++) pthread_join(ids[i], NULL);
    if (started == threads) return;
    atomic_store(gate, 1);
    work_on(&whole);
}

/* Draw up to `steps` tokens for each of the `count` sequences in `slots`; one that ends is left alone. Teams of one thread each where every
 * thread has at least `rows_to_part` sequences, else one team of all. */
void dunwu_run(Engine *e, const Draw *draw, int32_t *slots, int32_t count, int32_t steps, int32_t rows_to_part) {
    int32_t threads = e->threads, together = count < threads * rows_to_part;
    Barrier barrier = {.size = threads};
    atomic_int gate = 0;
    Job jobs[threads];
    for (int32_t i = 0; i < threads; i++) {
        Team alone = {NULL, 0, 1}, all = {&barrier, i, threads};
        int32_t begin = (int32_t)((int64_t)count * i / threads), end = (int32_t)((int64_t)count * (i + 1) / threads);
        jobs[i] = together ? (Job){e, all, &e->works[0], NULL, draw, slots, 0, count, steps, &gate}
                           : (Job){e, alone, &e->works[i], NULL, draw, slots, begin, end - begin, steps, &gate};
    }
    do_jobs(jobs, threads, (Job){e, {NULL, 0, 1}, &e->works[0], NULL, draw, slots, 0, count, steps, &gate}, &gate);
}

/* Read prompts of `count` tokens in all into the prompt store. `parts` [threads + 1] says where each thread's prompts begin; NULL: one team
 * of all threads reads all of them. */
void dunwu_read(Engine *e, const Read *read, int32_t count, const int32_t *parts) {
    int32_t threads = e->threads;
    Barrier barrier = {.size = threads};
    atomic_int gate = 0;
    Job jobs[threads];
    for (int32_t i = 0; i < threads; i++) {
        Team alone = {NULL, 0, 1}, all = {&barrier, i, threads};
        jobs[i] = parts ? (Job){e, alone, &e->works[i], read, NULL, NULL, parts[i], parts[i + 1] - parts[i], 0, &gate}
                        : (Job){e, all, &e->works[0], read, NULL, NULL, 0, count, 0, &gate};
    }
    do_jobs(jobs, threads, (Job){e, {NULL, 0, 1}, &e->works[0], read, NULL, NULL, 0, count, 0, &gate}, &gate);
}

/* The first `count` tokens of one prompt, for another that begins alike. */
void dunwu_copy(Engine *e, int32_t from, int32_t to, int32_t count) {
    const size_t position = (size_t)e->shape.head_dim * e->element;
    for (int32_t layer = 0; layer < e->shape.layers; layer++)
        for (int32_t head = 0; head < e->shape.kv_heads; head++) {
            char *known = prompt_keys(e, layer, from, head), *keys = prompt_keys(e, layer, to, head);
            memcpy(keys, known, round_up(count, LANES) * position);
            memcpy(prompt_values(e, keys), prompt_values(e, known), round_up(count, 2) * position);
        }
}

/* Zeros in a slot and in a place of the prompt store: what is not finite there would reach what comes next. */
void dunwu_blank(Engine *e, int32_t slot, int32_t prompt) {
    const size_t position = 2 * (size_t)e->shape.head_dim * e->element;
    for (int32_t layer = 0; layer < e->shape.layers; layer++)
        for (int32_t head = 0; head < e->shape.kv_heads; head++) {
            memset((char *)e->kv + kv_at(e, layer, slot, e->slots, head, e->capacity), 0, e->capacity * position);
            memset(prompt_keys(e, layer, prompt, head), 0, e->prompt_capacity * position);
        }
}

static int allocate_linear(const Engine *e, Linear *linear, int32_t outputs, int32_t inputs) {
    linear->outputs = round_up(outputs, BLOCK), linear->inputs = round_up(inputs, BLOCK);
    linear->weight = allocate((size_t)linear->outputs * linear->inputs * e->weight_element);
    linear->bias = allocate((size_t)linear->outputs * 4);
    return linear->weight && linear->bias;
}

static void free_works(Engine *e) {
    for (int32_t i = 0; e->works && i < e->threads; i++) {
        Work *w = &e->works[i];
        release(w->x), release(w->qkv), release(w->logits), release(w->scores), release(w->block), release(w->normed), release(w->attended), release(w->gated);
    }
    free(e->works);
    if (e->kv) munmap(e->kv, e->kv_bytes);
    if (e->prompt_kv) munmap(e->prompt_kv, e->prompt_kv_bytes);
    e->works = NULL, e->kv = NULL, e->prompt_kv = NULL;
}

void dunwu_free(Engine *e) {
    free_works(e);
    for (int32_t i = 0; e->layers && i < e->shape.layers; i++) {
        Layer *l = &e->layers[i];
        release(l->attention_norm), release(l->mlp_norm), release(l->q_norm), release(l->k_norm);
        Linear *all[] = {&l->qkv, &l->o, &l->gate_up, &l->down};
        for (int j = 0; j < 4; j++) release(all[j]->weight), release(all[j]->bias);
    }
    release(e->head.weight), release(e->head.bias), release(e->norm), free(e->layers), free(e);
}

/* NULL where memory is short. */
Engine *dunwu_new(const Shape *shape, int32_t threads) {
    Engine *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->shape = *shape, e->threads = threads;
    e->narrow = shape->use_bf16 && !HAS_BF16, e->shape.use_bf16 = shape->use_bf16 && HAS_BF16;
    e->element = e->shape.use_bf16 ? 2 : 4, e->weight_element = shape->use_bf16 ? 2 : 4;
    e->width = round_up(shape->hidden, BLOCK);
    /* The odd line keeps the rows of a tile in different sets of the first-level cache. */
    e->normed_stride = e->width + BLOCK;
    e->attended_stride = round_up(shape->heads * shape->head_dim, BLOCK) + BLOCK;
    e->gated_stride = round_up(shape->intermediate, BLOCK) + BLOCK;
#if HAS_AMX
    e->tiles = e->shape.use_bf16 && amx_allowed();
#endif
    e->layers = calloc((size_t)shape->layers, sizeof *e->layers);
    e->norm = allocate((size_t)e->width * 4);
    int whole = e->layers && e->norm && allocate_linear(e, &e->head, shape->vocabulary, shape->hidden);
    int32_t q = shape->heads * shape->head_dim, kv = shape->kv_heads * shape->head_dim;
    for (int32_t i = 0; whole && i < shape->layers; i++) {
        Layer *l = &e->layers[i];
        l->attention_norm = allocate((size_t)e->width * 4), l->mlp_norm = allocate((size_t)e->width * 4);
        l->q_norm = allocate((size_t)shape->head_dim * 4), l->k_norm = allocate((size_t)shape->head_dim * 4);
        whole = l->attention_norm && l->mlp_norm && l->q_norm && l->k_norm && allocate_linear(e, &l->qkv, q + 2 * kv, shape->hidden) &&
                allocate_linear(e, &l->o, shape->hidden, q) && allocate_linear(e, &l->gate_up, 2 * round_up(shape->intermediate, LANES), shape->hidden) &&
                allocate_linear(e, &l->down, shape->hidden, shape->intermediate);
    }
    if (!whole) {
        dunwu_free(e);
        return NULL;
    }
    return e;
}

/* Room for that many sequences and prompts; 0 where memory is short. What was stored is gone. */
int32_t dunwu_reserve(Engine *e, int32_t slots, int32_t capacity, int32_t prompts, int32_t prompt_capacity) {
    free_works(e);
    e->slots = slots, e->capacity = round_up(capacity, LANES), e->prompts = prompts, e->prompt_capacity = round_up(prompt_capacity, LANES);
    size_t per_position = 2 * (size_t)e->shape.layers * e->shape.kv_heads * e->shape.head_dim * e->element;
    e->kv_bytes = per_position * e->slots * e->capacity, e->prompt_kv_bytes = per_position * e->prompts * e->prompt_capacity;
    e->kv = allocate_pages(e->kv_bytes), e->prompt_kv = allocate_pages(e->prompt_kv_bytes);
    e->works = calloc((size_t)e->threads, sizeof *e->works);
    int whole = e->kv && e->prompt_kv && e->works;
    for (int32_t i = 0; whole && i < e->threads; i++) {
        /* The first is used by a team of all, too; a tile may read rows behind the last. */
        size_t drawn = (size_t)round_up(slots / e->threads + 1 + (i == 0 ? slots : 0), BLOCK) + BLOCK;
        size_t rows = drawn < READ_ROWS + BLOCK ? READ_ROWS + BLOCK : drawn;
        Work *w = &e->works[i];
        w->x = allocate(rows * e->width * 4), w->qkv = allocate(rows * e->layers[0].qkv.outputs * 4);
        w->logits = allocate(drawn * e->head.outputs * 4);
        w->scores = allocate((size_t)e->threads * 4 * (e->prompt_capacity + e->capacity + 2 * LANES) * 4);
        w->block = allocate((size_t)e->threads * BLOCK_ROWS * BLOCK * 4);
        w->normed = allocate(rows * e->normed_stride * e->element), w->attended = allocate(rows * e->attended_stride * e->element);
        w->gated = allocate(rows * e->gated_stride * e->element);
        whole = w->x && w->qkv && w->logits && w->scores && w->block && w->normed && w->attended && w->gated;
    }
    return whole;
}

static Linear *linear_of(Engine *e, int32_t layer, int32_t kind) {
    if (layer < 0) return &e->head;
    Linear *all[] = {&e->layers[layer].qkv, &e->layers[layer].o, &e->layers[layer].gate_up, &e->layers[layer].down};
    return all[kind];
}

/* Pack rows of a weight (rows x inputs, contiguous) as outputs `at`, `at` + 1, ...; with `interleave`, as half `at` (0 or 1) of each block.
 * Layer -1 is the head. `at` is a multiple of 16, or a half. `bias` may be NULL. */
void dunwu_pack(Engine *e, int32_t layer, int32_t kind, int32_t at, int32_t interleave, int32_t rows, int32_t inputs, const float *weight, const float *bias) {
    Linear *linear = linear_of(e, layer, kind);
    const size_t padded = (size_t)linear->inputs;
    for (int32_t row = 0; row < rows; row += LANES) {
        const int32_t count = rows - row < LANES ? rows - row : LANES;
        const size_t n = (size_t)(interleave ? at * LANES + row / LANES * BLOCK : at + row);
        const float *from = weight + (size_t)row * inputs;
        for (int32_t i = 0; i < count; i++) linear->bias[n + i] = bias ? bias[row + i] : 0;
#if HAS_BF16
        if (e->shape.use_bf16) {
            pack_rows(from, inputs, count, linear->inputs, (bf16 *)linear->weight + n * padded);
            continue;
        }
#endif
        if (e->narrow) {
            bf16 *to = (bf16 *)linear->weight + n / BLOCK * BLOCK * padded + n % BLOCK / LANES;
            for (int32_t i = 0; i < count; i++)
                for (int32_t k = 0; k < inputs; k++) to[(size_t)k * BLOCK + 2 * i] = to_bf16(from[(size_t)i * inputs + k]);
            continue;
        }
        float *to = (float *)linear->weight + n / BLOCK * BLOCK * padded + n % BLOCK;
        for (int32_t i = 0; i < count; i++)
            for (int32_t k = 0; k < inputs; k++) to[(size_t)k * BLOCK + i] = from[(size_t)i * inputs + k];
    }
}

/* kind 0: norm before attention, 1: before the MLP, 2: of queries, 3: of keys; layer -1: the last norm. */
void dunwu_norm(Engine *e, int32_t layer, int32_t kind, const float *weight, int32_t count) {
    float *all[] = {NULL, NULL, NULL, NULL};
    if (layer >= 0) all[0] = e->layers[layer].attention_norm, all[1] = e->layers[layer].mlp_norm, all[2] = e->layers[layer].q_norm, all[3] = e->layers[layer].k_norm;
    memcpy(layer < 0 ? e->norm : all[kind], weight, (size_t)count * 4);
}

/* Borrowed until the next call: embedding (vocabulary x hidden), rotary tables (positions x head_dim). */
void dunwu_tables(Engine *e, const float *embedding, const float *cosines, const float *sines) {
    e->embedding = embedding, e->cos = cosines, e->sin = sines;
}

int32_t dunwu_has_bf16(void) { return HAS_BF16; }

int32_t dunwu_available(void) { return HAS_VECTORS; }
