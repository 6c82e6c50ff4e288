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

/* The outputs that have an error: n words class << 16 | sigma. w: output weights of one neuron, in_n bytes apart. */
struct heard {
    const sdfa_u32 *list;
    uint32_t n, in_n;
    const sdfa_i16 *e;
};

static uint32_t list_errors(const struct sdfa *s, sdfa_u32 *list, const sdfa_i16 *e, const sdfa_u16 *sigma) {
    uint32_t n = 0;
    for (uint32_t c = 0; c < s->class_n; c++)
        if (e[c])
            list[n++] = c << 16 | sigma[c];
    return n;
}

/* A weight in 1/8 of the largest channel's unit; at most 2048 in size, whatever sigma is. */
static inline int32_t value(const struct heard *h, const int8_t *w, uint32_t word) {
    return (w[(word >> 16) * h->in_n] * (int32_t)(word & 0xffffu) + (1 << 11)) >> 12;
}

/* Every output that has an error. */
static int32_t sum_all(const struct heard *h, const int8_t *w) {
    int32_t sum = 0;
    for (uint32_t t = 0; t < h->n; t++)
        sum += value(h, w, h->list[t]) * h->e[h->list[t] >> 16];
    return sum;
}

static int32_t mean(const struct heard *h, const int8_t *w, uint32_t reciprocal) {
    int32_t sum = 0;
    for (uint32_t t = 0; t < h->n; t++)
        sum += value(h, w, h->list[t]);
    return (sum * (int32_t)reciprocal + (1 << 15)) >> 16;
}

/* What the strongest so far contribute, strongest first. */
struct strongest {
    int32_t size[K_MAX], part[K_MAX];
};

/* Among equals the one that came first stays in front. */
static void insert(struct strongest *top, uint32_t k, int32_t size, int32_t part) {
    uint32_t at = k - 1;
    for (; at && size > top->size[at - 1]; at--) {
        top->size[at] = top->size[at - 1];
        top->part[at] = top->part[at - 1];
    }
    top->size[at] = size;
    top->part[at] = part;
}

/* The k outputs with the largest |value - centre|. */
static int32_t sum_strongest(const struct heard *h, const int8_t *w, uint32_t k, int32_t centre) {
    struct strongest top;
    int32_t sum = 0;
    for (uint32_t at = 0; at < k; at++)
        top.size[at] = -1;
    for (uint32_t t = 0; t < h->n; t++) {
        int32_t v = value(h, w, h->list[t]) - centre, size = v < 0 ? -v : v;
        if (size > top.size[k - 1])
            insert(&top, k, size, v * h->e[h->list[t] >> 16]);
    }
    for (uint32_t at = 0; at < k; at++)
        sum += top.part[at];
    return sum;
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l), *last = sdfa_layer_op(s, l + 1);
    const sdfa_u16 *sigma = (const sdfa_u16 *)(const void *)(s->data + sdfa_layer_at(s, l + 1)->sigma);
    sdfa_u32 *list = (sdfa_u32 *)(void *)sdfa_kept(s);
    struct heard h = {list, list_errors(s, list, above, sigma), last->in_n, above};
    const int8_t *w = (const int8_t *)s->tail_ram + last->weights, *out = sdfa_values(s, op->op.out);
    uint32_t reciprocal = layer->flags & SDFA_LIVE_CENTRED && h.n > layer->k ? 65536u / h.n : 0;
    for (uint32_t i = 0; i < h.in_n; i++, w++) {
        int32_t sum = 0;
        if (out[i] > op->act_min && out[i] < op->act_max)
            sum = h.n > layer->k ? sum_strongest(&h, w, layer->k, reciprocal ? mean(&h, w, reciprocal) : 0)
                                 : sum_all(&h, w);
        d[i] = sdfa_sat16((sum + (1 << 10)) >> 11);
    }
}

const struct sdfa_feedback sdfa_feedback_live = {check, deltas};
