/* The trainable tail by itself (SPEC.md 4.1). */
#include "sdfa_tail.h"
#include "sdfa_internal.h"
#include "sdfa_samples.h"

#include <string.h>

uint32_t sdfa_tail_input_len(const struct sdfa *s) {
    return s->class_n ? sdfa_layer_op(s, 0)->in_n : 0;
}

int8_t *sdfa_tail_input(const struct sdfa *s) {
    return s->class_n ? sdfa_values(s, sdfa_layer_op(s, 0)->op.in) : NULL;
}

int sdfa_run_tail(struct sdfa *s) {
    uint32_t off;
    if (!s->class_n)
        return SDFA_ERR_FROZEN;
    for (off = sdfa_layer_at(s, 0)->op; off < s->ops_len;) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)(s->ops + off);
        sdfa_find_kernel(s->kernels, op)->run(s, op);
        off += op->len;
    }
    s->ready = 1;
    return SDFA_ERR_OK;
}

int sdfa_label_status(const struct sdfa *s, uint32_t label) {
    if (!s->class_n)
        return SDFA_ERR_FROZEN;
    if (sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
        return SDFA_ERR_LOSS;
    if (label >= s->class_n || sdfa_slot_closed(s, label))
        return SDFA_ERR_LABEL;
    return s->ready ? SDFA_ERR_OK : SDFA_ERR_ORDER;
}

int sdfa_score_label(struct sdfa *s, uint32_t label, struct sdfa_score *score) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    const struct sdfa_stats stats = s->stats;
    int error = sdfa_label_status(s, label);
    if (error)
        return error;
    s->stats.loss = s->stats.correct = 0;
    (void)s->kernels->loss[g->loss]->error(s, (sdfa_i16 *)(void *)(s->arena + g->error), &label);
    score->loss += s->stats.loss;
    score->correct += s->stats.correct;
    score->n++;
    s->stats = stats;
    s->ready = 0;
    return SDFA_ERR_OK;
}

int sdfa_samples_init(struct sdfa_samples *t, const struct sdfa *s, void *memory, size_t len) {
    size_t n;
    if (!s->class_n)
        return SDFA_ERR_FROZEN;
    if ((uintptr_t)memory & 1u)
        return SDFA_ERR_ALIGN;
    t->input_len = sdfa_tail_input_len(s);
    n = len / SDFA_SAMPLES_LEN((size_t)t->input_len, 1u);
    t->n = 0;
    t->n_max = n > UINT16_MAX ? UINT16_MAX : (uint32_t)n;
    t->label = memory;
    t->input = (int8_t *)memory + 2u * t->n_max;
    return t->n_max ? SDFA_ERR_OK : SDFA_ERR_ROOM;
}

void sdfa_samples_set(struct sdfa_samples *t, uint32_t i, const struct sdfa *s, uint32_t label) {
    t->label[i] = (uint16_t)label;
    memcpy(t->input + (size_t)i * t->input_len, sdfa_tail_input(s), t->input_len);
    if (i == t->n)
        t->n++;
}

uint32_t sdfa_samples_run(const struct sdfa_samples *t, uint32_t i, struct sdfa *s) {
    memcpy(sdfa_tail_input(s), t->input + (size_t)i * t->input_len, t->input_len);
    (void)sdfa_run_tail(s); /* something learns, or there were no samples */
    return t->label[i];
}
