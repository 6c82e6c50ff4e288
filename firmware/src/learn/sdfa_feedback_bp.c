/* True back-propagation through the tail, the baseline (SPEC.md 3.2). */
#include "sdfa_internal.h"

SDFA_COLD static int check(const struct sdfa *s, uint32_t l) {
    if (!sdfa_in_data(s, sdfa_layer_at(s, l + 1)->sigma, sdfa_layer_op(s, l + 1)->out_n, 2))
        return SDFA_ERR_LEARNING;
    return SDFA_ERR_OK;
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l + 1);
    const sdfa_u16 *sigma = (const sdfa_u16 *)(const void *)(s->data + sdfa_layer_at(s, l + 1)->sigma);
    const int8_t *w = (const int8_t *)s->tail_ram + op->weights;
    for (uint32_t i = 0; i < op->in_n; i++) {
        int64_t sum = 128;
        for (uint32_t j = 0; j < op->out_n; j++)
            sum += w[j * op->in_n + i] * ((above[j] * (int32_t)sigma[j] + (1 << 14)) >> 15);
        d[i] = sdfa_sat16(sum >> 8);
    }
}

const struct sdfa_feedback sdfa_feedback_bp = {check, deltas};
