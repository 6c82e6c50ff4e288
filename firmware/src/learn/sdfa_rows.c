/* A bias that leaves the usual range (SPEC.md 3.4). */
#include "sdfa_update.h"

SDFA_COLD void sdfa_move_far_bias(struct sdfa *s, const struct sdfa_layer *layer, sdfa_i32 *bias, int32_t step,
                                  uint32_t random) {
    uint32_t shift = (uint32_t)(16 - layer->bias_exp);
    uint64_t dither = shift <= 32 ? ((uint64_t)random << shift) >> 32 : (uint64_t)random << (shift - 32);
    int64_t b = *bias + (((int64_t)step * layer->bias_mant + (int64_t)dither) >> shift);
    if (b > SDFA_BIAS_MAX || b < -SDFA_BIAS_MAX) {
        s->stats.saturated_weights++;
        b = b > 0 ? SDFA_BIAS_MAX : -SDFA_BIAS_MAX;
    }
    *bias = (int32_t)b;
}
