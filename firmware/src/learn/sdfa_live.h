/* Live feedback for the last hidden layer (SPEC.md 3.2): of the outputs that have an error, a neuron listens to the k
 * that it has the strongest weights to at present. Neurons at a clamp, which do not move, are not looked at.
 *
 * Here is what its two forms share; which outputs a neuron picks is theirs.
 *
 * Scratch: the list of those outputs stands in the kept accumulators, which nobody reads after the error. */
#ifndef SDFA_LIVE_H
#define SDFA_LIVE_H

#include "sdfa_internal.h"

#define SDFA_LIVE_K_MAX 8u

/* For both checks; it does not look at k. */
SDFA_COLD static inline int sdfa_live_ok(const struct sdfa *s, uint32_t l) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *last = sdfa_layer_op(s, l + 1);
    uint32_t deltas_len = 2u * sdfa_delta_len(s) * (l ? 2u : 1u);
    return layer->flags <= SDFA_LIVE_CENTRED && sdfa_in_data(s, layer[1].sigma, last->out_n, 2) &&
           sdfa_disjoint(sdfa_learning_of(s)->delta, deltas_len, last->acc, 4u * last->out_n);
}

/* An output that has an error. */
struct SDFA_ALIAS sdfa_source {
    uint16_t sigma, output;
};

/* All of them, at least one. in_n: neurons, which is from one output's weights to the next. k: how many a neuron listens
 * to. */
struct sdfa_heard {
    const struct sdfa_source *list, *end;
    uint32_t in_n, k;
    const sdfa_i16 *e;
    int32_t second; /* -1 if it listens to two, else 0 */
};

/* Neuron *w's sum, less a centre that is in `offset`. */
typedef int32_t sdfa_live_sum(const struct sdfa_heard *h, const int8_t *w, int32_t offset);

static inline struct sdfa_source *sdfa_live_list(const struct sdfa *s, struct sdfa_source *to, const sdfa_i16 *e,
                                                 const sdfa_u16 *sigma) {
    uint32_t c = 0, n = s->class_n;
    do
        if (e[c]) {
            to->sigma = sigma[c];
            to++->output = (uint16_t)c;
        }
    while (++c != n);
    return to;
}

#define SDFA_LIVE_ROUND (1 << 11)

/* A weight in 1/8 of the largest channel's unit, less a centre that is in `offset`; at most 4096 in size, whatever
 * sigma is. */
static inline int32_t sdfa_live_value(const struct sdfa_heard *h, const int8_t *w, struct sdfa_source from,
                                      int32_t offset) {
    return (w[from.output * h->in_n] * (int32_t)from.sigma + offset) >> 12;
}

static inline int32_t sdfa_live_size(int32_t v) {
    return v < 0 ? -v : v;
}

/* What makes sdfa_live_value subtract the mean. */
static inline int32_t sdfa_live_centre(const struct sdfa_heard *h, const int8_t *w, int32_t reciprocal) {
    const struct sdfa_source *from = h->list;
    int32_t sum = 0;
    do
        sum += sdfa_live_value(h, w, *from++, SDFA_LIVE_ROUND);
    while (from != h->end);
    return SDFA_LIVE_ROUND - (((sum * reciprocal + (1 << 15)) >> 16) * (1 << 12));
}

/* The deltas, as in struct sdfa_feedback. */
static inline void sdfa_live_deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above,
                                    sdfa_live_sum *sum_of) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l), *last = sdfa_layer_op(s, l + 1);
    const sdfa_u16 *sigma = (const sdfa_u16 *)(const void *)(s->data + layer[1].sigma);
    struct sdfa_source *list = (struct sdfa_source *)(void *)(s->arena + last->acc);
    const struct sdfa_heard h = {list,           sdfa_live_list(s, list, above, sigma), last->in_n, layer->k, above,
                                 -(layer->k > 1)};
    const int8_t *w = (const int8_t *)s->tail_ram + last->weights, *out = sdfa_values(s, op->op.out);
    int32_t lo = op->act_min; /* at the other clamp there are few: all that are at one are masked later */
    uint32_t n = (uint32_t)(h.end - list);
    int32_t reciprocal = layer->flags && n > h.k ? (int32_t)sdfa_divide(65536, n) : 0;
    for (const int8_t *end = w + h.in_n; w != end; w++, out++, d++) {
        int16_t delta = 0;
        if (*out > lo) {
            int32_t offset = reciprocal ? sdfa_live_centre(&h, w, reciprocal) : SDFA_LIVE_ROUND;
            delta = sdfa_limit16((sum_of(&h, w, offset) + (1 << 10)) >> 11);
        }
        *d = delta;
    }
}

#endif
