/* Which rows of a layer move, how far, and what their biases do (SPEC.md 3.4): the same for all kinds of weights. */
#include "sdfa_update.h"

#define SHIFT_MAX 30 /* a smaller step than 2^-30 of the full one is none */

static struct sdfa_rows rows_of(const struct sdfa *s, uint32_t l) {
    struct sdfa_rows r;
    r.layer = sdfa_layer_at(s, l);
    r.op = sdfa_layer_op(s, l);
    r.input = sdfa_values(s, r.op->op.in);
    r.zero_point = sdfa_tensor_at(s, r.op->op.in)->zero_point;
    r.first = 0;
    while (l--)
        r.first += sdfa_layer_op(s, l)->out_n;
    return r;
}

/* G, rounded stochastically, of a row whose step is full / 2^shift. */
static inline int32_t rounded_step(struct sdfa *s, int32_t full, int32_t shift) {
    if (shift > SHIFT_MAX) { /* in two, so that sums stay inside 32 bits */
        full = (full + (int32_t)(sdfa_random(&s->random) >> (32 + SHIFT_MAX - shift))) >> (shift - SHIFT_MAX);
        shift = SHIFT_MAX;
    }
    return ((int32_t)(sdfa_random(&s->random) >> (32 - shift)) - full) >> shift;
}

/* Any step and unit: the product may have 39 bits. */
static int64_t long_bias_step(int64_t step, uint32_t mant, uint32_t shift, uint64_t random) {
    uint64_t dither = shift <= 32 ? (random << shift) >> 32 : random << (shift - 32);
    return (step * mant + (int64_t)dither) >> shift;
}

/* The change in the bias's own units. The fast way leaves `extra` bits out that are 0. */
static inline int64_t bias_step(uint32_t random, const struct sdfa_layer *layer, int32_t step, int32_t extra) {
    uint32_t shift = (uint32_t)(16 - layer->bias_exp), less = shift - (uint32_t)extra;
    if ((uint32_t)step + (1u << 14) >= 1u << 15 || less - 1u >= 30u)
        return long_bias_step(step * (1 << extra), layer->bias_mant, shift, random);
    return (step * layer->bias_mant + (int32_t)(random >> (32 - less))) >> less;
}

static inline void move_bias(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step, int32_t extra) {
    sdfa_i32 *bias = (sdfa_i32 *)(void *)(s->tail_ram + r->op->bias) + i;
    int64_t b = *bias + bias_step(sdfa_random(&s->random), r->layer, step, extra);
    if (b > SDFA_BIAS_MAX || b < -SDFA_BIAS_MAX) {
        s->stats.saturated_weights++;
        b = b > 0 ? SDFA_BIAS_MAX : -SDFA_BIAS_MAX;
    }
    *bias = (int32_t)b;
}

void sdfa_move_rows(struct sdfa *s, uint32_t l, const sdfa_i16 *d, int32_t extra, sdfa_move_row *move) {
    const struct sdfa_rows r = rows_of(s, l);
    const struct sdfa_rate rate = sdfa_normalize_rate(s->rate_q24);
    const struct sdfa_ratio *ratio = (const struct sdfa_ratio *)(const void *)(s->data + r.layer->ratio);
    int32_t shift = sdfa_row_shift(r.layer, rate.exp, 0);
    uint32_t nonzero = 0, updated = 0; /* rows */
    for (uint32_t i = 0, n = r.op->out_n; i < n; i++) {
        int32_t step;
        if (!d[i])
            continue;
        nonzero++;
        if (ratio[i].mant == 0 || shift - ratio[i].exp > SHIFT_MAX) /* frozen, or a step that is always 0 */
            continue;
        step = rounded_step(s, d[i] * (int32_t)((rate.mant * ratio[i].mant) >> 17), shift - ratio[i].exp + extra);
        if (!step)
            continue;
        updated++;
        move_bias(s, &r, i, step, extra);
        move(s, &r, i, step);
    }
    s->stats.weights_nonzero += nonzero * r.op->in_n; /* at most the layer's weights, which are in memory */
    s->stats.weights_updated += updated * r.op->in_n;
}
