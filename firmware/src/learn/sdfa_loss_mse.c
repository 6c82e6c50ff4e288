/* Mean squared error (SPEC.md 3.1). */
#include "sdfa_internal.h"

static int32_t error_of(const struct sdfa *s, uint32_t c, int32_t acc, int32_t target) {
    int32_t z = sdfa_clamp(sdfa_logit(s, c, acc), -(1 << 20), 1 << 20);
    return sdfa_clamp(z - target, -32767, 32767);
}

static int error(struct sdfa *s, sdfa_i16 *e, const void *answer) {
    const int16_t *target = answer;
    const sdfa_i32 *acc = sdfa_kept(s);
    uint64_t squares = 0;
    int any = 0;
    for (uint32_t c = 0; c < s->class_n; c++) {
        int32_t v = error_of(s, c, acc[c], target[c]);
        squares += (uint32_t)(v * v);
        e[c] = (int16_t)((v < 0 ? -v : v) < s->tau_q15 ? 0 : v);
        any |= e[c];
    }
    s->stats.loss += squares >> 15;
    return any != 0;
}

const struct sdfa_loss sdfa_loss_mse = {sdfa_check_learning, error};

int sdfa_learn_target(struct sdfa *s, const int16_t *target) {
    if (s->tail_ram && sdfa_learning_of(s)->loss != SDFA_LOSS_MSE)
        return SDFA_ERR_LOSS;
    return sdfa_step(s, target);
}
