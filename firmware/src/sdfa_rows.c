/* Which rows of a layer move, how far, and what their biases do (SPEC.md 3.4): the same for all kinds of weights. */
#include "sdfa_update.h"

struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l) {
    struct sdfa_rows r;
    r.layer = sdfa_layer_at(s, l);
    r.op = sdfa_layer_op(s, l);
    r.ratio = (const struct sdfa_ratio *)(const void *)(s->data + r.layer->ratio);
    r.input = sdfa_values(s, r.op->op.in);
    r.zero_point = sdfa_tensor_at(s, r.op->op.in)->zero_point;
    r.rate = sdfa_normalize_rate(s->rate_q24);
    return r;
}

/* Rounded stochastically; 0 where the row is frozen or its step would always be 0. */
static int32_t rounded_step(struct sdfa *s, const struct sdfa_rows *r, const struct sdfa_ratio *ratio, int32_t delta) {
    int32_t shift = sdfa_row_shift(r->layer, r->rate.exp, ratio->exp);
    int32_t full = delta * (int32_t)((r->rate.mant * ratio->mant) >> 17);
    if (ratio->mant == 0 || shift > 30)
        return 0;
    return ((int32_t)(sdfa_random(&s->random) >> (32 - shift)) - full) >> shift;
}

int32_t sdfa_row_step(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t delta) {
    int32_t step;
    if (delta == 0)
        return 0;
    s->stats.weights_nonzero += r->op->in_n;
    step = rounded_step(s, r, r->ratio + i, delta);
    if (step)
        s->stats.weights_updated += r->op->in_n;
    return step;
}

int64_t sdfa_bias_step(struct sdfa *s, const struct sdfa_layer *layer, int32_t step) {
    uint32_t shift = (uint32_t)(16 - layer->bias_exp);
    uint64_t random = sdfa_random(&s->random);
    uint64_t dither = shift <= 32 ? (random << shift) >> 32 : random << (shift - 32);
    return ((int64_t)step * layer->bias_mant + (int64_t)dither) >> shift;
}

void sdfa_row_moved(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int64_t bias_step,
                    const struct sdfa_tally *t) {
    sdfa_i32 *bias = (sdfa_i32 *)(void *)(s->tail_ram + r->op->bias) + i;
    int64_t b = *bias + bias_step - (int64_t)r->zero_point * (int32_t)t->sum;
    if (b > SDFA_BIAS_MAX || b < -SDFA_BIAS_MAX) {
        s->stats.saturated_weights++;
        b = b > 0 ? SDFA_BIAS_MAX : -SDFA_BIAS_MAX;
    }
    *bias = (int32_t)b;
    s->stats.moved += t->moved;
    s->stats.saturated_weights += t->stopped;
}
