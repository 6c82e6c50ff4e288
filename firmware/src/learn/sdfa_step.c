/* One learning step (SPEC.md 3.2 - 3.4): error, deltas from the old weights, then updates in place. */
#include "sdfa_internal.h"

/* f': no error passes an output that stands at a clamp. */
static void mask_deltas(struct sdfa *s, uint32_t l, sdfa_i16 *d) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    int32_t lo = op->act_min, hi = op->act_max;
    uint32_t saturated = 0;
    for (const sdfa_i16 *end = d + op->out_n; d != end; d++) {
        int32_t v = *out++;
        if (v >= hi)
            saturated++;
        else if (v > lo)
            continue;
        *d = 0;
    }
    s->stats.saturated_activations += saturated;
}

static void count_logits(struct sdfa *s, uint32_t l) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    uint32_t saturated = 0;
    for (const int8_t *end = out + op->out_n; out != end;) {
        int32_t v = *out++;
        saturated += ((uint32_t)(v ^ v >> 31) + 1u) >> 7; /* 127 or -128 */
    }
    s->stats.saturated_logits += saturated;
}

/* Deltas of layer l from the error and from the deltas of layer l + 1, into one of two buffers in turn. */
static sdfa_i16 *deltas_of(struct sdfa *s, uint32_t l, const sdfa_i16 *above) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    sdfa_i16 *d = (sdfa_i16 *)(void *)(s->arena + g->delta);
    if (g->layer_n > 2 && !(l & 1u))
        d += sdfa_delta_len(s);
    sdfa_rule_of(s, l)->deltas(s, l, d, above);
    mask_deltas(s, l, d);
    return d;
}

/* From the output layer down to the first layer that learns: the deltas of the layer below come from the weights before
 * this step. Those of a frozen layer are only needed by back-propagation. */
static void move_layers(struct sdfa *s, const sdfa_i16 *e) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_update *update = s->kernels->update[g->master_bits != 0];
    const sdfa_i16 *d = e, *below = NULL;
    uint32_t first = 0;
    while (first < g->layer_n && !sdfa_learns(s, first))
        first++;
    for (uint32_t l = g->layer_n; l-- > first; d = below) {
        if (l > first && (g->feedback == SDFA_FEEDBACK_BP || sdfa_learns(s, l - 1)))
            below = deltas_of(s, l - 1, d);
        if (sdfa_learns(s, l))
            update->layer(s, l, d);
    }
}

SDFA_LEAN int sdfa_step(struct sdfa *s, const void *answer) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    sdfa_i16 *e;
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (!s->ready)
        return SDFA_ERR_ORDER;
    s->ready = 0;
    s->stats.steps++;
    count_logits(s, g->layer_n - 1u);
    e = (sdfa_i16 *)(void *)(s->arena + g->error);
    if (s->kernels->loss[g->loss]->error(s, e, answer))
        move_layers(s, e);
    return SDFA_ERR_OK;
}
