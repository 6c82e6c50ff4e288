/* Rows that move (SPEC.md 3.4): which, how far, and what their biases do. The same for all kinds of weights in RAM. */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_INT8_MAX 127 /* of a weight that has moved */

/* (rate * mant) >> 17, 16 bits each: the upper word of a product, where that is one instruction. */
#if SDFA_THUMB1
#define SDFA_RATE_BITS 0
static inline uint32_t sdfa_times_rate(uint32_t rate, uint32_t mant) {
    return (rate * mant) >> 17;
}
#else
#define SDFA_RATE_BITS 15 /* that the rate is shifted by */
static inline uint32_t sdfa_times_rate(uint32_t rate, uint32_t mant) {
    return (uint32_t)(((uint64_t)rate * mant) >> 32);
}
#endif

/* A layer whose rows move. */
struct sdfa_rows {
    const struct sdfa_layer *layer;
    const struct sdfa_ratio *ratios;
    sdfa_i32 *bias;            /* int32[out_n] */
    int8_t *weights;           /* int8[out_n][in_n] */
    const int8_t *input, *end; /* int8[in_n] */
    int32_t zero_point;        /* of the input */
    uint32_t in_n, out_n;
    uint32_t rate; /* mantissa, shifted by SDFA_RATE_BITS */
    int32_t shift; /* of a step without a ratio */
};

#define SDFA_SHIFT_MAX 30 /* a smaller step than 2^-30 of the full one is none */

/* Layer l, whose steps are `extra` bits shorter than Q16. */
static inline struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l, int32_t extra) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_rate rate = sdfa_normalize_rate(s->rate_q24);
    struct sdfa_rows r;
    r.layer = layer;
    r.ratios = (const struct sdfa_ratio *)(const void *)(s->data + layer->ratio);
    SDFA_LOOP(r.ratios); /* or this sum is taken again for each row */
    r.bias = (sdfa_i32 *)(void *)(s->tail_ram + op->bias);
    r.weights = (int8_t *)s->tail_ram + op->weights;
    r.input = sdfa_values(s, op->op.in);
    r.end = r.input + op->in_n;
    r.zero_point = sdfa_tensor_at(s, op->op.in)->zero_point;
    r.in_n = op->in_n;
    r.out_n = op->out_n;
    r.rate = rate.mant << SDFA_RATE_BITS;
    r.shift = sdfa_row_shift(layer, rate.exp, 0) + extra;
    return r;
}

/* The step of row i, G of SPEC.md 3.4; 0: the row stays. extra: as above. */
static inline int32_t sdfa_row_step(const struct sdfa_rows *r, uint32_t *random, uint32_t i, int32_t delta,
                                    int32_t extra) {
    const struct sdfa_ratio *ratio = r->ratios + i;
    int32_t shift = r->shift - ratio->exp, full = delta * (int32_t)sdfa_times_rate(r->rate, ratio->mant);
    if (ratio->mant == 0) /* frozen */
        return 0;
    if (shift > SDFA_SHIFT_MAX) {           /* in two, so that sums stay inside 32 bits */
        if (shift > SDFA_SHIFT_MAX + extra) /* a step that is always 0 */
            return 0;
        full = (full + (int32_t)(sdfa_random(random) >> (32 + SDFA_SHIFT_MAX - shift))) >> (shift - SDFA_SHIFT_MAX);
        shift = SDFA_SHIFT_MAX;
    }
    return ((int32_t)(sdfa_random(random) >> (32 - shift)) - full) >> shift;
}

/* Any step, unit and bias: the product may have 39 bits (sdfa_rows.c). step: Q16. */
void sdfa_move_bias(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step, uint32_t random);

/* Rows that had a delta; those of them that stayed. */
static inline void sdfa_count_rows(struct sdfa *s, const struct sdfa_rows *r, uint32_t nonzero, uint32_t stayed) {
    s->stats.weights_nonzero += nonzero * r->in_n; /* at most the layer's weights, which are in memory */
    s->stats.weights_updated += (nonzero - stayed) * r->in_n;
}

#endif
