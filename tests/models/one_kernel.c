/* Runs a kernel, with SCORE the scorer, else the decoder, on a small random model, and prints what it computes, one number a line:
 * test_other_processors.py compares processors. */
#ifdef SCORE
#include "score.c"
#else
#include "decode.c"
#endif
#include <stdio.h>

enum { LAYERS = 2, HIDDEN = 64, HEADS = 4, KV_HEADS = 2, DIM = 32, WIDE = 96, VOCABULARY = 100, POSITIONS = 80 };
enum { Q = HEADS * DIM, KV = KV_HEADS * DIM };

static float random_values[4000000];
static size_t taken;

static const float *some(size_t count) {
    const float *found = random_values + taken;
    taken += count;
    return found;
}

typedef struct {
    int32_t layer, kind, at, half, rows, inputs;
    const float *weight;
} Part;

static Part parts[LAYERS * 7 + 1];
static const float *norms[LAYERS * 2 + 1], *embedding;
static float cosines[POSITIONS * DIM], sines[POSITIONS * DIM];

static int make_model(void) {
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof random_values / 4; i++) state = state * 1664525u + 1013904223u, random_values[i] = ((float)(state >> 8) / 16777216.0f - 0.5f) * 0.4f;
    int count = 0;
    for (int32_t i = 0; i < LAYERS; i++) {
        int32_t kinds[7][4] = {{0, 0, 0, Q}, {0, Q, 0, KV}, {0, Q + KV, 0, KV}, {1, 0, 0, HIDDEN}, {2, 0, 1, WIDE}, {2, 1, 1, WIDE}, {3, 0, 0, HIDDEN}};
        for (int j = 0; j < 7; j++) {
            int32_t inputs = kinds[j][0] == 1 ? Q : kinds[j][0] == 3 ? WIDE : HIDDEN;
            parts[count++] = (Part){i, kinds[j][0], kinds[j][1], kinds[j][2], kinds[j][3], inputs, some((size_t)kinds[j][3] * inputs)};
        }
        norms[2 * i] = some(HIDDEN), norms[2 * i + 1] = some(HIDDEN);
    }
    parts[count++] = (Part){-1, 0, 0, 0, VOCABULARY, HIDDEN, some(VOCABULARY * HIDDEN)};
    norms[2 * LAYERS] = some(HIDDEN), embedding = some(VOCABULARY * HIDDEN);
    for (int32_t p = 0; p < POSITIONS; p++)
        for (int32_t i = 0; i < DIM; i++) {
            float angle = p / powf(100, (float)(i % (DIM / 2)) / (DIM / 2));
            cosines[p * DIM + i] = cosf(angle), sines[p * DIM + i] = sinf(angle);
        }
    return count;
}

static void print(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) printf("%.9g\n", values[i]);
}

#ifdef SCORE

/* A prompt of 20 tokens with two completions of 37 and 1 tokens, in one thread; log-probabilities, entropies, and every gradient. */
static void use(int count) {
    Shape shape = {LAYERS, HIDDEN, HEADS, KV_HEADS, DIM, WIDE, VOCABULARY, 1e-6f, 0.17f};
    Scorer *scorer = score_new(&shape, 1, 1);
    enum { PROMPT = 20, FIRST = 37, ROWS_ALL = PROMPT + FIRST, SCORES = FIRST + 2 };
    static int32_t tokens[ROWS_ALL], positions[ROWS_ALL], at[SCORES], targets[SCORES];
    for (int32_t i = 0; i < ROWS_ALL; i++) tokens[i] = i * 37 % VOCABULARY, positions[i] = i;
    Sequence sequences[2] = {{0, PROMPT, 0, 0}, {PROMPT, ROWS_ALL, 0, PROMPT}};
    for (int32_t i = 0; i < SCORES; i++) at[i] = i < SCORES - 1 ? PROMPT - 1 + i : PROMPT - 1, targets[i] = i * 11 % VOCABULARY;
    int32_t rows[2] = {0, ROWS_ALL}, both[2] = {0, 2}, scored[2] = {0, SCORES};
    float logprobs[SCORES], entropies[SCORES], slopes[SCORES], pulls[SCORES];
    for (int32_t i = 0; i < SCORES; i++) slopes[i] = 1.0f - 0.03f * i, pulls[i] = 0.1f * i;
    for (int i = 0; i < count; i++) score_pack(scorer, parts[i].layer, parts[i].kind, parts[i].at, parts[i].half, parts[i].rows, parts[i].weight, NULL);
    for (int32_t i = 0; i < LAYERS; i++) score_norm(scorer, i, 0, norms[2 * i]), score_norm(scorer, i, 1, norms[2 * i + 1]);
    score_norm(scorer, -1, 0, norms[2 * LAYERS]);
    score_tables(scorer, embedding, cosines, sines);
    score_reserve(scorer, ROWS_ALL, SCORES, ROWS_ALL);
    Batch batch = {.tokens = tokens, .positions = positions, .sequences = sequences, .at = at, .targets = targets, .row_parts = rows, .sequence_parts = both,
                   .scored_parts = scored, .inverse_temperature = 1.1f, .logprobs = logprobs, .entropies = entropies};
    score_forward(scorer, &batch);
    batch.logprobs_gradient = slopes, batch.entropies_gradient = pulls;
    score_backward(scorer, &batch);
    print(logprobs, SCORES), print(entropies, SCORES);
    static float gradient[VOCABULARY * HIDDEN + Q * WIDE * 2];
    for (int i = 0; i < count; i++) {
        memset(gradient, 0, sizeof gradient);
        score_weight_gradient(scorer, parts[i].layer, parts[i].kind, parts[i].at, parts[i].half, parts[i].rows, gradient, NULL);
        print(gradient, (size_t)parts[i].rows * parts[i].inputs);
    }
    memset(gradient, 0, sizeof gradient);
    score_embedding_gradient(scorer, gradient), print(gradient, VOCABULARY * HIDDEN);
    score_free(scorer);
}

#else

/* Five sequences behind two prompts, in two threads: the tokens drawn and their log-probabilities. */
static void use(int count) {
    Shape shape = {LAYERS, HIDDEN, HEADS, KV_HEADS, DIM, WIDE, VOCABULARY, 0, 0, 1e-6f, 0.17f};
    Engine *engine = dunwu_new(&shape, 2);
    for (int i = 0; i < count; i++) dunwu_pack(engine, parts[i].layer, parts[i].kind, parts[i].at, parts[i].half, parts[i].rows, parts[i].inputs, parts[i].weight, NULL);
    for (int32_t i = 0; i < LAYERS; i++) dunwu_norm(engine, i, 0, norms[2 * i], HIDDEN), dunwu_norm(engine, i, 1, norms[2 * i + 1], HIDDEN);
    dunwu_norm(engine, -1, 0, norms[2 * LAYERS], HIDDEN);
    enum { SLOTS = 5, DRAWN = 30 };
    dunwu_reserve(engine, SLOTS, DRAWN, 2, 19);
    dunwu_tables(engine, embedding, cosines, sines);
    int32_t tokens[30], positions[30], prompts[30], outputs[30];
    for (int32_t i = 0; i < 30; i++) tokens[i] = i * 7 % VOCABULARY, positions[i] = i % 19, prompts[i] = i / 19, outputs[i] = i == 18 ? 0 : i == 29 ? 1 : -1;
    static float logits[2 * VOCABULARY];
    dunwu_read(engine, &(Read){tokens, positions, prompts, outputs, logits}, 30, NULL);
    print(logits, 2 * VOCABULARY);
    static int32_t drawn[SLOTS * DRAWN], counts[SLOTS], done[SLOTS], of[SLOTS], lengths[SLOTS], slots[SLOTS], stops[1] = {-1};
    static int64_t seeds[SLOTS];
    static float logprobs[SLOTS * DRAWN];
    for (int32_t i = 0; i < SLOTS; i++) drawn[i * DRAWN] = 3 + i, counts[i] = 1, of[i] = i % 2, lengths[i] = i % 2 ? 11 : 19, slots[i] = i, seeds[i] = 40 + i;
    static float temperatures[SLOTS];
    static int32_t limits[SLOTS], shown[SLOTS];
    for (int32_t i = 0; i < SLOTS; i++) temperatures[i] = 0.9f, limits[i] = DRAWN;
    dunwu_run(engine, &(Draw){drawn, logprobs, counts, done, of, lengths, seeds, temperatures, limits, shown, stops, 0, DRAWN, NULL}, slots, SLOTS, DRAWN, 1);
    for (int32_t i = 0; i < SLOTS * DRAWN; i++) printf("%d\n", drawn[i]);
    print(logprobs, SLOTS * DRAWN);
    dunwu_free(engine);
}

#endif

int main(void) {
    use(make_model());
    return 0;
}
