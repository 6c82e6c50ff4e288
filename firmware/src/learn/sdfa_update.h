/* Rows that move (SPEC.md 3.4): which, how far, and what their biases do. The same for all kinds of weights in RAM. */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_INT8_MAX 127  /* of a weight that has moved */
#define SDFA_STEP_MAX 4095 /* of a row of int8 weights */

/* A row's move. */
struct sdfa_move {
    uint32_t random; /* state of the generator */
    int32_t step;    /* per unit of activation: G of SPEC.md 3.4; not 0 */
};

/* A layer while its rows move. at: behind the present row's delta. */
struct sdfa_rows {
    const struct sdfa_layer *layer;
    const struct sdfa_ratio *ratios;
    const sdfa_i16 *second, *at, *end; /* deltas */
    uint32_t rate, nonzero, updated;   /* mantissa; rows that have a delta, that move */
    int32_t shift;                     /* of a row without a ratio */
    int32_t bias_room;                 /* steps between - and + this, Q(16 - extra), move a bias in 32 bits */
    int32_t bias_mant;
    uint32_t bias_shift; /* of these */
    sdfa_i32 *bias;      /* int32[N] */
    int8_t *weights;     /* int8[N][in_n] */
    const int8_t *input; /* int8[in_n] */
    uint32_t in_n;
    int32_t zero_point; /* of the input */
};

#define SDFA_SHIFT_MAX 30 /* a smaller step than 2^-30 of the full one is none */

/* Layer l, whose deltas are d, before its first row. extra: bits that steps are shorter than Q16. */
static inline struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l, const sdfa_i16 *d, int32_t extra) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_rate rate = sdfa_normalize_rate(s->rate_q24);
    struct sdfa_rows r;
    r.layer = layer;
    r.ratios = (const struct sdfa_ratio *)(const void *)(s->data + layer->ratio);
    SDFA_LOOP(r.ratios); /* or this sum is taken again for each row */
    r.at = d;
    r.second = d + 1;
    r.end = d + op->out_n;
    r.rate = rate.mant;
    r.nonzero = r.updated = 0;
    r.shift = sdfa_row_shift(layer, rate.exp, 0);
    r.bias_shift = (uint32_t)(16 - extra - layer->bias_exp);
    r.bias_mant = layer->bias_mant;
    r.bias_room = r.bias_shift - 1u < 30u ? 1 << 14 : 0;
    r.bias = (sdfa_i32 *)(void *)(s->tail_ram + op->bias);
    r.weights = (int8_t *)s->tail_ram + op->weights;
    r.input = sdfa_values(s, op->op.in);
    r.in_n = op->in_n;
    r.zero_point = sdfa_tensor_at(s, op->op.in)->zero_point;
    return r;
}

/* G, rounded stochastically, of a row whose step is full / 2^shift. */
static inline int32_t sdfa_rounded_step(uint32_t *random, int32_t full, int32_t shift) {
    if (shift > SDFA_SHIFT_MAX) { /* in two, so that sums stay inside 32 bits */
        full = (full + (int32_t)(sdfa_random(random) >> (32 + SDFA_SHIFT_MAX - shift))) >> (shift - SDFA_SHIFT_MAX);
        shift = SDFA_SHIFT_MAX;
    }
    return ((int32_t)(sdfa_random(random) >> (32 - shift)) - full) >> shift;
}

/* Any step, unit and bias: the product may have 39 bits (sdfa_rows.c). step: Q16. */
void sdfa_move_far_bias(struct sdfa *s, const struct sdfa_layer *layer, sdfa_i32 *bias, int32_t step, uint32_t random);

/* The change in the bias's own units. The usual way leaves `extra` bits out that are 0. */
static inline void sdfa_move_bias(struct sdfa *s, const struct sdfa_rows *r, sdfa_i32 *bias, int32_t step,
                                  uint32_t random, int32_t extra) {
    const uint32_t max = SDFA_BIAS_MAX;
    int32_t b = *bias;
    if (SDFA_LIKELY((uint32_t)(step + r->bias_room) < 2u * (uint32_t)r->bias_room && (uint32_t)b + max <= 2 * max)) {
        b += (step * r->bias_mant + (int32_t)(random >> (32 - r->bias_shift))) >> r->bias_shift;
        if (SDFA_LIKELY((uint32_t)b + max <= 2 * max)) {
            *bias = b;
            return;
        }
    }
    sdfa_move_far_bias(s, r->layer, bias, step * (1 << extra), random);
}

/* Goes to the next row that moves, and moves its bias. Returns whether there is one; then its weights start at *w, and m
 * says how they move. */
static inline int sdfa_next_row(struct sdfa *s, struct sdfa_rows *r, struct sdfa_move *m, int8_t **w, int32_t extra) {
    for (;;) {
        const sdfa_i16 *at = r->at;
        const struct sdfa_ratio *ratio;
        int32_t delta, shift;
        uint32_t i;
        do {
            if (at == r->end)
                return 0;
            delta = *at++;
        } while (!delta);
        SDFA_LOOP(at); /* or the loop works out what only rows with a delta need */
        r->at = at;
        r->nonzero++;
        i = (uint32_t)(at - r->second);
        ratio = r->ratios + i;
        shift = r->shift - ratio->exp;
        if (ratio->mant == 0 || shift > SDFA_SHIFT_MAX) /* frozen, or a step that is always 0 */
            continue;
        m->step = sdfa_rounded_step(&m->random, delta * (int32_t)((r->rate * ratio->mant) >> 17), shift + extra);
        if (extra)
            m->step = sdfa_clamp(m->step, -SDFA_STEP_MAX, SDFA_STEP_MAX);
        if (!m->step)
            continue;
        r->updated++;
        sdfa_move_bias(s, r, r->bias + i, m->step, sdfa_random(&m->random), extra);
        *w = r->weights + i * r->in_n;
        return 1;
    }
}

static inline void sdfa_rows_end(struct sdfa *s, const struct sdfa_rows *r, const struct sdfa_move *m) {
    s->random = m->random;
    s->stats.weights_nonzero += r->nonzero * r->in_n; /* at most the layer's weights, which are in memory */
    s->stats.weights_updated += r->updated * r->in_n;
}

#endif
