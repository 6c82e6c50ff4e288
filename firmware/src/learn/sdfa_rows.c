/* Any row's bias (SPEC.md 3.4). */
#include "sdfa_update.h"

SDFA_COLD void sdfa_move_bias(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step, uint32_t random) {
    uint32_t shift = (uint32_t)(16 - r->layer->bias_exp);      /* 0 .. 47 */
    uint64_t dither = (uint64_t)random << 16 >> (48u - shift); /* random / 2^32, times 2^shift */
    int64_t b = r->bias[i] + (((int64_t)step * r->layer->bias_mant + (int64_t)dither) >> shift);
    if (b > SDFA_BIAS_MAX || b < -SDFA_BIAS_MAX) {
        s->stats.saturated_weights++;
        b = b > 0 ? SDFA_BIAS_MAX : -SDFA_BIAS_MAX;
    }
    r->bias[i] = (int32_t)b;
}
