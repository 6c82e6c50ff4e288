/* Sparse feedback tables: each hidden neuron listens to k output errors (SPEC.md 3.2). Also dense feedback, k = C. */
#include "sdfa_internal.h"

static uint32_t index_at(const uint8_t *index, uint32_t i, uint32_t class_n) {
    return class_n <= 256 ? index[i] : ((const sdfa_u16 *)(const void *)index)[i];
}

SDFA_COLD static int layer_ok(const struct sdfa *s, const struct sdfa_layer *layer, uint32_t out_n, uint32_t class_n) {
    uint32_t n = sdfa_mul(out_n, layer->k);
    if (layer->k == 0 || !sdfa_in_data(s, layer->index, class_n <= 256 ? n : sdfa_mul(n, 2), 1) ||
        !sdfa_in_data(s, layer->coef, n, 1))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (index_at(s->data + layer->index, i, class_n) >= class_n)
            return 0;
    return 1;
}

SDFA_COLD static int check(const struct sdfa *s, uint32_t l) {
    uint32_t class_n = sdfa_layer_op(s, sdfa_learning_of(s)->layer_n - 1u)->out_n;
    if (!layer_ok(s, sdfa_layer_at(s, l), sdfa_layer_op(s, l)->out_n, class_n))
        return SDFA_ERR_LEARNING;
    return SDFA_ERR_OK;
}

#define NARROW_MAX 512u /* connections whose sum stays inside int32 */

static void narrow_deltas(sdfa_i16 *d, const uint8_t *index, const int8_t *coef, const sdfa_i16 *e, uint32_t n,
                          uint32_t k) {
    for (sdfa_i16 *end = d + n; d != end; d++) {
        int32_t sum = 128;
        for (uint32_t t = 0; t < k; t++)
            sum += *coef++ * e[*index++];
        *d = sdfa_limit16(sum >> 8);
    }
}

static void wide_deltas(sdfa_i16 *d, const uint8_t *index, const int8_t *coef, const sdfa_i16 *e, uint32_t n,
                        uint32_t k, uint32_t class_n) {
    for (uint32_t i = 0, t = 0; i < n; i++) {
        int64_t sum = 128;
        for (uint32_t end = t + k; t != end; t++)
            sum += coef[t] * e[index_at(index, t, class_n)];
        d[i] = sdfa_sat16(sum >> 8);
    }
}

static void deltas(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const sdfa_i16 *e = (const sdfa_i16 *)(const void *)(s->arena + sdfa_learning_of(s)->error);
    const uint8_t *index = s->data + layer->index;
    const int8_t *coef = sdfa_data_i8(s, layer->coef);
    uint32_t n = sdfa_layer_op(s, l)->out_n;
    (void)above;
    if (s->class_n > 256 || layer->k > NARROW_MAX)
        wide_deltas(d, index, coef, e, n, layer->k, s->class_n);
    else
        narrow_deltas(d, index, coef, e, n, layer->k);
}

const struct sdfa_feedback sdfa_feedback_table = {check, deltas};
