/* Rows that move (SPEC.md 3.4): which, how far, and what their biases do. The same for all kinds of weights in RAM. */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_INT8_MAX 127 /* of a weight that has moved */

/* A row's move. */
struct sdfa_move {
    uint32_t random; /* state of the generator */
    int32_t step;    /* per unit of activation: G of SPEC.md 3.4; not 0 */
};

/* A layer while its rows move. */
struct sdfa_rows {
    struct sdfa_move move;
    const struct sdfa_layer *layer;
    int8_t *weights;     /* int8[N][in_n] */
    const int8_t *input; /* int8[in_n] */
    uint32_t in_n;
    int32_t zero_point; /* of the input */
    sdfa_i32 *bias;     /* int32[N] */
    uint32_t fractions; /* distance from a weight to its fraction */
};

/* Moves the weights of row i by move.step, and counts what they did. */
typedef void sdfa_move_row(struct sdfa *s, struct sdfa_rows *r, uint32_t i);

#define SDFA_SHIFT_MAX 30 /* a smaller step than 2^-30 of the full one is none */

static inline struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    struct sdfa_rows r;
    r.move.random = s->random;
    r.move.step = 0;
    r.layer = sdfa_layer_at(s, l);
    r.weights = (int8_t *)s->tail_ram + op->weights;
    r.input = sdfa_values(s, op->op.in);
    r.in_n = op->in_n;
    r.zero_point = sdfa_tensor_at(s, op->op.in)->zero_point;
    r.bias = (sdfa_i32 *)(void *)(s->tail_ram + op->bias);
    r.fractions = sdfa_fractions_at(op) - op->weights;
    return r;
}

/* G, rounded stochastically, of a row whose step is full / 2^shift. */
static inline int32_t sdfa_rounded_step(struct sdfa_move *m, int32_t full, int32_t shift) {
    if (shift > SDFA_SHIFT_MAX) { /* in two, so that sums stay inside 32 bits */
        full = (full + (int32_t)(sdfa_random(&m->random) >> (32 + SDFA_SHIFT_MAX - shift))) >> (shift - SDFA_SHIFT_MAX);
        shift = SDFA_SHIFT_MAX;
    }
    return ((int32_t)(sdfa_random(&m->random) >> (32 - shift)) - full) >> shift;
}

/* Any step, unit and bias: the product may have 39 bits (sdfa_rows.c). step: Q16. */
void sdfa_move_far_bias(struct sdfa *s, const struct sdfa_layer *layer, sdfa_i32 *bias, int32_t step, uint32_t random);

/* The change in the bias's own units. The usual way leaves `extra` bits out that are 0. */
static inline void sdfa_move_bias(struct sdfa *s, struct sdfa_rows *r, sdfa_i32 *bias, int32_t extra) {
    const uint32_t max = SDFA_BIAS_MAX, random = sdfa_random(&r->move.random);
    uint32_t less = (uint32_t)(16 - extra - r->layer->bias_exp);
    int32_t step = r->move.step, b = *bias;
    if (SDFA_LIKELY((uint32_t)step + (1u << 14) < 1u << 15 && less - 1u < 30u && (uint32_t)b + max <= 2 * max)) {
        b += (step * r->layer->bias_mant + (int32_t)(random >> (32 - less))) >> less;
        if (SDFA_LIKELY((uint32_t)b + max <= 2 * max)) {
            *bias = b;
            return;
        }
    }
    sdfa_move_far_bias(s, r->layer, bias, step * (1 << extra), random);
}

/* Moves the rows of layer l, whose deltas are d: biases here, weights by `move`. extra: bits that steps are shorter than
 * Q16. Inline, so that `move` becomes a part of it. */
static inline void sdfa_move_rows(struct sdfa *s, uint32_t l, const sdfa_i16 *d, int32_t extra, sdfa_move_row *move) {
    struct sdfa_rows r = sdfa_rows_of(s, l);
    const struct sdfa_rate rate = sdfa_normalize_rate(s->rate_q24);
    const struct sdfa_ratio *ratios = (const struct sdfa_ratio *)(const void *)(s->data + r.layer->ratio);
    int32_t shift = sdfa_row_shift(r.layer, rate.exp, 0);
    uint32_t nonzero = 0, updated = 0; /* rows */
    for (const sdfa_i16 *at = d, *end = d + sdfa_layer_op(s, l)->out_n; at != end;) {
        int32_t delta = *at++;
        uint32_t i;
        const struct sdfa_ratio *ratio;
        if (!delta)
            continue;
        i = (uint32_t)(at - d) - 1u;
        ratio = ratios + i;
        nonzero++;
        if (ratio->mant == 0 || shift - ratio->exp > SDFA_SHIFT_MAX) /* frozen, or a step that is always 0 */
            continue;
        r.move.step =
            sdfa_rounded_step(&r.move, delta * (int32_t)((rate.mant * ratio->mant) >> 17), shift - ratio->exp + extra);
        if (!r.move.step)
            continue;
        updated++;
        sdfa_move_bias(s, &r, r.bias + i, extra);
        move(s, &r, i);
    }
    s->random = r.move.random;
    s->stats.weights_nonzero += nonzero * r.in_n; /* at most the layer's weights, which are in memory */
    s->stats.weights_updated += updated * r.in_n;
}

#endif
