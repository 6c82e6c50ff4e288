/* Sparse feedback tables: each hidden neuron listens to k output errors (SPEC.md 3.2). Also dense feedback, k = C. */
#include "sdfa_internal.h"

static uint32_t index_at(const uint8_t *index, uint32_t i, uint32_t class_n) {
    return class_n <= 256 ? index[i] : ((const sdfa_u16 *)(const void *)index)[i];
}

static int layer_ok(const struct sdfa *s, const struct sdfa_layer *layer, uint32_t out_n, uint32_t class_n) {
    uint32_t n = sdfa_mul(out_n, layer->k);
    if (layer->k == 0 || !sdfa_in_data(s, layer->index, n, class_n <= 256 ? 1 : 2) ||
        !sdfa_in_data(s, layer->coef, n, 1))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (index_at(s->data + layer->index, i, class_n) >= class_n)
            return 0;
    return 1;
}

static int check(const struct sdfa *s) {
    uint32_t last = sdfa_learning_of(s)->layer_n - 1u, class_n = sdfa_layer_op(s, last)->out_n;
    for (uint32_t l = 0; l < last; l++)
        if (!layer_ok(s, sdfa_layer_at(s, l), sdfa_layer_op(s, l)->out_n, class_n))
            return SDFA_ERR_LEARNING;
    return SDFA_ERR_OK;
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const sdfa_i16 *e = (const sdfa_i16 *)(const void *)(s->arena + sdfa_learning_of(s)->error);
    const uint8_t *index = s->data + layer->index;
    const int8_t *coef = sdfa_data_i8(s, layer->coef);
    uint32_t t = 0;
    (void)above;
    for (uint32_t i = 0, n = sdfa_layer_op(s, l)->out_n; i < n; i++) {
        int64_t sum = 128;
        for (uint32_t k = 0; k < layer->k; k++, t++)
            sum += coef[t] * e[index_at(index, t, s->class_n)];
        d[i] = sdfa_sat16(sum >> 8);
    }
}

const struct sdfa_feedback sdfa_feedback_table = {check, deltas};
