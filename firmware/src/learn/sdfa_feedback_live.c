/* Live feedback for the last hidden layer (SPEC.md 3.2): of the outputs that have an error, a neuron listens to the k
 * that it has the strongest weights to at present. Neurons at a clamp, which do not move, are not looked at.
 *
 * Scratch: the list of those outputs stands in the kept accumulators, which nobody reads after the error. */
#include "sdfa_internal.h"

#define K_MAX 8u

SDFA_COLD static int check(const struct sdfa *s, uint32_t l) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *last = sdfa_layer_op(s, l + 1);
    uint32_t deltas_len = 2u * sdfa_delta_len(s) * (l ? 2u : 1u);
    if (layer->k == 0 || layer->k > K_MAX || layer->flags > SDFA_LIVE_CENTRED ||
        !sdfa_in_data(s, sdfa_layer_at(s, l + 1)->sigma, last->out_n, 2) ||
        !sdfa_disjoint(sdfa_learning_of(s)->delta, deltas_len, last->acc, 4u * last->out_n))
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

/* What makes `value` subtract the mean. */
static int32_t centre(const struct heard *h, const int8_t *w, int32_t reciprocal) {
    int32_t sum = 0;
    for (const struct source *from = h->list, *end = from + h->n; from != end; from++)
        sum += value(h, w, from, ROUND);
    return ROUND - (((sum * reciprocal + (1 << 15)) >> 16) * (1 << 12));
}

/* The two largest, or the one, in registers; among equals the first. */
static inline int32_t sum_two(const struct heard *h, const int8_t *w, int32_t offset) {
    const struct source *from = h->list, *end = from + h->n;
    int32_t v = value(h, w, from, offset), largest = size_of(v), next = -1;
    int32_t first = v * h->e[from->output], second = 0; /* of the sum */
    while (++from != end) {
        int32_t size;
        v = value(h, w, from, offset);
        size = size_of(v);
        if (size <= next)
            continue;
        next = size;
        second = v * h->e[from->output];
        if (size > largest) {
            next = largest, largest = size;
            v = first, first = second, second = v;
        }
    }
    return h->k == 1 ? first : first + second;
}

/* The k largest, with a list of those found so far, the largest first; among equals the first. */
SDFA_COLD static int32_t sum_more(const struct heard *h, const int8_t *w, int32_t offset) {
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

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l), *last = sdfa_layer_op(s, l + 1);
    const sdfa_u16 *sigma = (const sdfa_u16 *)(const void *)(s->data + sdfa_layer_at(s, l + 1)->sigma);
    struct source *list = (struct source *)(void *)sdfa_kept(s);
    const struct heard h = {list, list_errors(s, list, above, sigma), last->in_n, layer->k, above};
    const int8_t *w = (const int8_t *)s->tail_ram + last->weights, *out = sdfa_values(s, op->op.out);
    int32_t lo = op->act_min, hi = op->act_max;
    int32_t reciprocal = layer->flags & SDFA_LIVE_CENTRED && h.n > h.k ? (int32_t)sdfa_divide(65536, h.n) : 0;
    for (const int8_t *end = w + h.in_n; w != end; w++, out++, d++) {
        int32_t sum = 0;
        if (*out > lo && *out < hi) {
            int32_t offset = reciprocal ? centre(&h, w, reciprocal) : ROUND;
            sum = h.k <= 2 ? sum_two(&h, w, offset) : sum_more(&h, w, offset);
        }
        *d = sdfa_sat16((sum + (1 << 10)) >> 11);
    }
}

const struct sdfa_feedback sdfa_feedback_live = {check, deltas};
