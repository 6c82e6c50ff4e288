/* One learning step (SPEC.md 3.2 - 3.4): error, deltas from the old weights, then updates in place. */
#include "sdfa_internal.h"

/* f': no error passes an output that stands at a clamp. */
static void mask_deltas(struct sdfa *s, uint32_t l, sdfa_i16 *d) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    for (uint32_t i = 0; i < op->out_n; i++) {
        if (out[i] >= op->act_max)
            s->stats.saturated_activations++;
        if (out[i] >= op->act_max || out[i] <= op->act_min)
            d[i] = 0;
    }
}

static void count_logits(struct sdfa *s, uint32_t l) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const int8_t *out = sdfa_values(s, op->op.out);
    for (uint32_t i = 0; i < op->out_n; i++)
        s->stats.saturated_logits += out[i] == -128 || out[i] == 127;
}

/* Deltas of layer l from the error and from the deltas of layer l + 1, into one of two buffers in turn. */
static sdfa_i16 *deltas_of(struct sdfa *s, uint32_t l, const sdfa_i16 *above) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    sdfa_i16 *d = (sdfa_i16 *)(void *)(s->arena + g->delta);
    if (g->layer_n > 2 && !(l & 1u))
        d += sdfa_delta_len(s);
    sdfa_feedback_of(s, l)->deltas(s, l, d, above);
    mask_deltas(s, l, d);
    return d;
}

/* From the output layer down: the deltas of the layer below come from the weights before this step. */
static void move_layers(struct sdfa *s, const sdfa_i16 *e) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_update *update = s->kernels->update[g->master_bits != 0];
    const sdfa_i16 *d = e;
    for (uint32_t l = g->layer_n - 1u; l > 0; l--) {
        const sdfa_i16 *below = deltas_of(s, l - 1, d);
        update->layer(s, l, d);
        d = below;
    }
    update->layer(s, 0, d);
}

int sdfa_step(struct sdfa *s, const void *answer) {
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
