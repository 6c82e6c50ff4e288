/* One learning step (SPEC.md 3.2 - 3.4): deltas from the old weights, then updates in place. */
#include "sdfa_internal.h"

#define WEIGHT_MAX 127
#define BIAS_MAX   (1 << 30)

/* A layer while its rows are updated. */
struct rows {
    const struct sdfa_layer *layer;
    const struct sdfa_dense_op *op;
    const struct sdfa_ratio *ratio;
    const int8_t *input;
    int32_t zero_point;
    struct sdfa_rate rate;
};

static struct rows rows_of(const struct sdfa *s, uint32_t l) {
    struct rows r;
    r.layer = sdfa_layer_at(s, l);
    r.op = sdfa_layer_op(s, l);
    r.ratio = (const struct sdfa_ratio *)(const void *)(s->data + r.layer->ratio);
    r.input = sdfa_values(s, r.op->op.in);
    r.zero_point = sdfa_tensor_at(s, r.op->op.in)->zero_point;
    r.rate = sdfa_normalize_rate(s->rate_q24);
    return r;
}

/* Step of a row per unit of activation, Q16, rounded stochastically; 0: leave the row alone. */
static int32_t row_step(struct sdfa *s, const struct rows *r, uint32_t i, int32_t delta) {
    int32_t shift = sdfa_row_shift(r->layer, r->rate.exp, r->ratio[i].exp);
    int32_t full = delta * (int32_t)((r->rate.mant * r->ratio[i].mant) >> 17);
    if (r->ratio[i].mant == 0 || shift > 30)
        return 0;
    return ((int32_t)(sdfa_random(&s->random) >> (32 - shift)) - full) >> shift;
}

/* Change of the bias in its own units, rounded stochastically. */
static int64_t bias_step(struct sdfa *s, const struct sdfa_layer *layer, int32_t step) {
    uint32_t shift = (uint32_t)(16 - layer->bias_exp);
    uint64_t random = sdfa_random(&s->random);
    uint64_t dither = shift <= 32 ? (random << shift) >> 32 : random << (shift - 32);
    return ((int64_t)step * layer->bias_mant + (int64_t)dither) >> shift;
}

/* What happened to a row's weights: sum of changes, sum of their sizes, weights that the clamp stopped. */
struct tally {
    uint32_t sum, moved, stopped;
};

static void move_weight(int8_t *w, int32_t change, struct tally *t) {
    int32_t old = *w, v = old + change;
    if (v > WEIGHT_MAX || v < -WEIGHT_MAX) {
        t->stopped++;
        v = v > 0 ? WEIGHT_MAX : -WEIGHT_MAX;
    }
    *w = (int8_t)v;
    t->sum += (uint32_t)(v - old);
    t->moved += (uint32_t)(v < old ? old - v : v - old);
}

/* One weight; offset: what is added to step * q before the fraction is cut off. */
static inline void update_weight(int8_t *w, int32_t step, int32_t q, uint32_t offset, struct tally *t) {
    int32_t change = (int32_t)((uint32_t)(step * q) + offset) >> 16;
    if (change)
        move_weight(w, change, t);
}

/* All weights of a row. One random word serves four of them, in turns of 8 bits. */
static struct tally update_weights(struct sdfa *s, const struct rows *r, int8_t *w, int32_t step) {
    struct tally t = {0, 0, 0};
    const int8_t *q = r->input;
    uint32_t base = (uint32_t)(-step * r->zero_point), state = s->random, n = r->op->in_n, random;
    for (; n >= 4; n -= 4, q += 4, w += 4) {
        random = sdfa_random(&state);
        update_weight(w, step, q[0], base + (uint16_t)random, &t);
        update_weight(w + 1, step, q[1], base + (uint16_t)(random >> 8), &t);
        update_weight(w + 2, step, q[2], base + (random >> 16), &t);
        update_weight(w + 3, step, q[3], base + (uint16_t)(random >> 24 | random << 8), &t);
    }
    if (n)
        for (random = sdfa_random(&state); n; n--, random = random >> 8 | random << 24)
            update_weight(w++, step, *q++, base + (uint16_t)random, &t);
    s->random = state;
    return t;
}

static void update_row(struct sdfa *s, const struct rows *r, uint32_t i, int32_t step) {
    sdfa_i32 *bias = (sdfa_i32 *)(void *)(s->tail_ram + r->op->bias) + i;
    int64_t b = *bias + bias_step(s, r->layer, step);
    struct tally t = update_weights(s, r, (int8_t *)s->tail_ram + r->op->weights + i * r->op->in_n, step);
    b -= (int64_t)r->zero_point * (int32_t)t.sum;
    if (b > BIAS_MAX || b < -BIAS_MAX) {
        t.stopped++;
        b = b > 0 ? BIAS_MAX : -BIAS_MAX;
    }
    *bias = (int32_t)b;
    s->stats.moved += t.moved;
    s->stats.saturated_weights += t.stopped;
}

static void update_layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    const struct rows r = rows_of(s, l);
    for (uint32_t i = 0; i < r.op->out_n; i++) {
        int32_t step;
        if (d[i] == 0)
            continue;
        s->stats.weights_nonzero += r.op->in_n;
        step = row_step(s, &r, i, d[i]);
        if (step == 0)
            continue;
        s->stats.weights_updated += r.op->in_n;
        update_row(s, &r, i, step);
    }
}

/* f': no error passes an output that stands at a clamp. */
static void mask_deltas(struct sdfa *s, uint32_t l, sdfa_i16 *d) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    for (uint32_t i = 0; i < op->out_n; i++) {
        if (out[i] >= op->act_max)
            s->stats.saturated_activations++;
        if (out[i] >= op->act_max || out[i] <= op->act_min)
            d[i] = 0;
    }
}

static void count_logits(struct sdfa *s, uint32_t l) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    for (uint32_t i = 0; i < op->out_n; i++)
        s->stats.saturated_logits += out[i] == -128 || out[i] == 127;
}

/* All updates, from the output layer's deltas d down to the first layer that learns. */
static void update_layers(struct sdfa *s, sdfa_i16 *d) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_feedback *feedback = s->kernels->feedback[g->feedback == SDFA_FEEDBACK_BP];
    sdfa_i16 *buffer = (sdfa_i16 *)(void *)(s->arena + g->delta);
    uint32_t first = 0, turn = sdfa_delta_len(s);
    while (first < g->layer_n && !sdfa_learns(s, first))
        first++;
    for (uint32_t l = g->layer_n; l-- > first;) {
        sdfa_i16 *below = buffer + ((l & 1u) && g->layer_n > 2 ? turn : 0u);
        if (l > first && (g->feedback == SDFA_FEEDBACK_BP || sdfa_learns(s, l - 1))) {
            feedback->deltas(s, l - 1, below, d);
            mask_deltas(s, l - 1, below);
        }
        if (sdfa_learns(s, l))
            update_layer(s, l, d);
        d = below;
    }
}

int sdfa_step(struct sdfa *s, const void *answer) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    sdfa_i16 *e;
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (!s->ready)
        return SDFA_ERR_ORDER;
    s->ready = 0;
    s->stats.steps++;
    e = (sdfa_i16 *)(void *)(s->arena + g->error);
    count_logits(s, g->layer_n - 1u);
    if (s->kernels->loss[g->loss]->error(s, e, answer))
        update_layers(s, e);
    return SDFA_ERR_OK;
}
