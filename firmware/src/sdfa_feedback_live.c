/* Live feedback for the last hidden layer (SPEC.md 3.2): of the outputs that have an error, a neuron listens to the k
 * that it has the strongest weights to at present. Neurons at a clamp, which do not move, are not looked at.
 *
 * Scratch: the list of those outputs stands in the kept accumulators, which nobody reads after the error. */
#include "sdfa_internal.h"

#define K_MAX 8u

static int check(const struct sdfa *s, uint32_t l) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *last = sdfa_layer_op(s, l + 1);
    if (layer->k == 0 || layer->k > K_MAX || layer->flags > SDFA_LIVE_CENTRED ||
        !sdfa_in_data(s, sdfa_layer_at(s, l + 1)->sigma, last->out_n, 2) ||
        !sdfa_disjoint(sdfa_learning_of(s)->delta, 2u * last->in_n, last->acc, 4u * last->out_n))
        return SDFA_ERR_LEARNING;
    return SDFA_ERR_OK;
}

/* An output that has an error. */
struct SDFA_ALIAS source {
    uint16_t sigma, output;
};

/* All of them, n. in_n: neurons, which is from one output's weights to the next. k: how many a neuron listens to. */
struct heard {
    const struct source *list;
    uint32_t n, in_n, k;
    const sdfa_i16 *e;
};

static uint32_t list_errors(const struct sdfa *s, struct source *list, const sdfa_i16 *e, const sdfa_u16 *sigma) {
    uint32_t n = 0;
    for (uint32_t c = 0; c < s->class_n; c++)
        if (e[c]) {
            list[n].sigma = sigma[c];
            list[n++].output = (uint16_t)c;
        }
    return n;
}

#define ROUND (1 << 11)

/* A weight in 1/8 of the largest channel's unit, less a centre that is in `offset`; at most 4096 in size, whatever
 * sigma is. */
static inline int32_t value(const struct heard *h, const int8_t *w, const struct source *from, int32_t offset) {
    return (w[from->output * h->in_n] * (int32_t)from->sigma + offset) >> 12;
}

static inline int32_t size_of(int32_t v) {
    return v < 0 ? -v : v;
}

static int32_t sum_all(const struct heard *h, const int8_t *w) {
    int32_t sum = 0;
    for (const struct source *from = h->list, *end = from + h->n; from != end; from++)
        sum += value(h, w, from, ROUND) * h->e[from->output];
    return sum;
}

/* What makes `value` subtract the mean. */
static int32_t centre(const struct heard *h, const int8_t *w, int32_t reciprocal) {
    int32_t sum = 0;
    for (const struct source *from = h->list, *end = from + h->n; from != end; from++)
        sum += value(h, w, from, ROUND);
    return ROUND - (((sum * reciprocal + (1 << 15)) >> 16) * (1 << 12));
}

/* The two largest, or the one, in registers; among equals the first. n > k. */
static int32_t sum_two(const struct heard *h, const int8_t *w, int32_t offset) {
    const struct source *from = h->list, *end = from + h->n, *first = from, *second = from;
    int32_t largest = size_of(value(h, w, from, offset)), next = -1, sum;
    while (++from != end) {
        int32_t size = size_of(value(h, w, from, offset));
        if (size <= next)
            continue;
        if (size > largest) {
            next = largest, second = first;
            largest = size, first = from;
        } else {
            next = size, second = from;
        }
    }
    sum = value(h, w, first, offset) * h->e[first->output];
    return h->k == 1 ? sum : sum + value(h, w, second, offset) * h->e[second->output];
}

/* The k largest, with a list of those found so far, the largest first; among equals the first. n > k. */
static int32_t sum_more(const struct heard *h, const int8_t *w, int32_t offset) {
    int32_t size[K_MAX + 1], part[K_MAX + 1], sum = 0;
    uint32_t found = 0;
    for (const struct source *from = h->list, *end = from + h->n; from != end; from++) {
        int32_t v = value(h, w, from, offset), v_size = size_of(v);
        uint32_t at = found;
        for (; at && v_size > size[at - 1]; at--) {
            size[at] = size[at - 1];
            part[at] = part[at - 1];
        }
        size[at] = v_size;
        part[at] = v * h->e[from->output];
        found += found < h->k;
    }
    while (found)
        sum += part[--found];
    return sum;
}

static int32_t sum_strongest(const struct heard *h, const int8_t *w, int32_t reciprocal) {
    int32_t offset = reciprocal ? centre(h, w, reciprocal) : ROUND;
    return h->k <= 2 ? sum_two(h, w, offset) : sum_more(h, w, offset);
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l), *last = sdfa_layer_op(s, l + 1);
    const sdfa_u16 *sigma = (const sdfa_u16 *)(const void *)(s->data + sdfa_layer_at(s, l + 1)->sigma);
    struct source *list = (struct source *)(void *)sdfa_kept(s);
    const struct heard h = {list, list_errors(s, list, above, sigma), last->in_n, layer->k, above};
    const int8_t *w = (const int8_t *)s->tail_ram + last->weights, *out = sdfa_values(s, op->op.out);
    int32_t lo = op->act_min, hi = op->act_max;
    int32_t reciprocal = layer->flags & SDFA_LIVE_CENTRED && h.n > h.k ? (int32_t)(65536u / h.n) : 0;
    for (const int8_t *end = w + h.in_n; w != end; w++, out++, d++) {
        int32_t sum = 0;
        if (*out > lo && *out < hi)
            sum = h.n > h.k ? sum_strongest(&h, w, reciprocal) : sum_all(&h, w);
        *d = sdfa_sat16((sum + (1 << 10)) >> 11);
    }
}

const struct sdfa_feedback sdfa_feedback_live = {check, deltas};
