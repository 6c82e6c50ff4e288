/* The learning section of an image: its check, and the settings that may change at run time. */
#include "sdfa_internal.h"

#define CLASSES_MAX 16384u /* keeps the sum of exponentials, Q16, inside 30 bits */
#define SHIFT_MIN   7      /* keeps step * activation inside int32 */
#define SHIFT_MAX   30     /* a smaller step never moves a weight */

struct sdfa_rate sdfa_normalize_rate(uint32_t rate_q24) {
    struct sdfa_rate r = {rate_q24, -24};
    for (; r.mant > 65535u; r.exp++)
        r.mant >>= 1;
    for (; r.mant < 32768u; r.exp--)
        r.mant <<= 1;
    return r;
}

/* No row overflows, and some row moves. */
SDFA_COLD static int layer_rate_ok(const struct sdfa *s, uint32_t l, int32_t rate_exp) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_ratio *ratio = (const struct sdfa_ratio *)(const void *)(s->data + layer->ratio);
    uint32_t moving = 0;
    for (uint32_t i = 0, n = sdfa_layer_op(s, l)->out_n; i < n; i++) {
        int32_t shift = sdfa_row_shift(layer, rate_exp, ratio[i].exp);
        if (ratio[i].mant == 0)
            continue;
        if (shift < SHIFT_MIN)
            return 0;
        moving |= shift <= SHIFT_MAX;
    }
    return moving != 0;
}

SDFA_COLD int sdfa_rate_ok(const struct sdfa *s, uint32_t rate_q24) {
    if (rate_q24 == 0)
        return 0;
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++)
        if (!layer_rate_ok(s, l, sdfa_normalize_rate(rate_q24).exp))
            return 0;
    return 1;
}

/* A record of the right kind stands at this offset: one of those that sdfa_open checked. */
SDFA_COLD static int is_dense(const struct sdfa *s, uint32_t off) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->op_n; i++) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)(s->ops + at);
        if (at == off)
            return op->kind == SDFA_DENSE;
        at += op->len;
    }
    return 0;
}

SDFA_COLD static int ratios_ok(const struct sdfa *s, const struct sdfa_layer *layer, uint32_t n) {
    const struct sdfa_ratio *ratio = (const struct sdfa_ratio *)(const void *)(s->data + layer->ratio);
    if (!sdfa_in_data(s, layer->ratio, n, sizeof *ratio))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if ((ratio[i].mant && ratio[i].mant < 32768u) || ratio[i].exp < -1000 || ratio[i].exp > 1000)
            return 0;
    return 1;
}

SDFA_COLD static int layer_ok(const struct sdfa *s, uint32_t l) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op;
    if (!is_dense(s, layer->op))
        return 0;
    op = sdfa_layer_op(s, l);
    if (!(op->flags & SDFA_LAYER_TAIL) || !ratios_ok(s, layer, op->out_n) || layer->delta_exp < -1000 ||
        layer->delta_exp > 1000 || layer->bias_mant < 32768u || layer->bias_exp < -31 || layer->bias_exp > 16)
        return 0;
    return l == 0 || op->in_n == sdfa_layer_op(s, l - 1)->out_n;
}

uint32_t sdfa_delta_len(const struct sdfa *s) {
    uint32_t n = 0;
    for (uint32_t l = 0; l + 1u < sdfa_learning_of(s)->layer_n; l++)
        n = sdfa_layer_op(s, l)->out_n > n ? sdfa_layer_op(s, l)->out_n : n;
    return (n + 1u) & ~1u;
}

SDFA_COLD static int memory_ok(const struct sdfa *s, const struct sdfa_learning *g) {
    const struct sdfa_dense_op *last = sdfa_layer_op(s, g->layer_n - 1u);
    uint32_t deltas = sdfa_mul(sdfa_delta_len(s), g->layer_n > 2 ? 2 : 1);
    return (last->flags & SDFA_LAYER_KEEP) && sdfa_in_arena(s, g->error, last->out_n, 2) &&
           sdfa_disjoint(g->error, 2u * last->out_n, last->acc, 4u * last->out_n) &&
           sdfa_in_arena(s, g->delta, deltas, 2) && ((g->zmult | g->zshift) & 3u) == 0 &&
           sdfa_scales_ok(s, g->zmult, g->zshift, last->out_n, 0) && last->out_n <= CLASSES_MAX;
}

SDFA_COLD static int feedback_ok(const struct sdfa *s, const struct sdfa_learning *g) {
    int error = SDFA_ERR_OK;
    if (g->feedback > SDFA_FEEDBACK_LIVE || (g->feedback == SDFA_FEEDBACK_LAST && g->layer_n > 1))
        return SDFA_ERR_LEARNING;
    for (uint32_t l = 0; !error && l + 1u < g->layer_n; l++) {
        const struct sdfa_feedback *feedback = sdfa_feedback_of(s, l);
        error = feedback ? feedback->check(s, l) : SDFA_ERR_KERNEL;
    }
    return error;
}

SDFA_COLD static int update_ok(const struct sdfa *s, const struct sdfa_learning *g) {
    const struct sdfa_update *update = s->kernels->update[g->master_bits != 0];
    if (g->master_bits != 0 && g->master_bits != SDFA_MASTER_BITS)
        return SDFA_ERR_LEARNING;
    if (update)
        return update->check(s);
    return s->tail_ram ? SDFA_ERR_KERNEL : SDFA_ERR_OK; /* inference alone needs none */
}

SDFA_COLD int sdfa_check_learning(const struct sdfa *s, uint32_t len) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    int error;
    if (g->layer_n == 0 || len != sizeof *g + g->layer_n * sizeof(struct sdfa_layer))
        return SDFA_ERR_LEARNING;
    for (uint32_t l = 0; l < g->layer_n; l++)
        if (!layer_ok(s, l))
            return SDFA_ERR_LEARNING;
    if (!memory_ok(s, g) || s->tau_q15 > 32767 || !sdfa_rate_ok(s, s->rate_q24))
        return SDFA_ERR_LEARNING;
    error = update_ok(s, g);
    return error ? error : feedback_ok(s, g);
}

int32_t sdfa_class(const struct sdfa *s) {
    int32_t best = 0, max = INT32_MIN;
    if (!s->class_n)
        return SDFA_ERR_FROZEN;
    if (!s->ready)
        return SDFA_ERR_ORDER;
    for (uint32_t c = 0; c < s->class_n; c++) {
        int32_t z = sdfa_logit(s, c, sdfa_kept(s)[c]);
        if (z > max) {
            max = z;
            best = (int32_t)c;
        }
    }
    return best;
}

int sdfa_set_rate(struct sdfa *s, uint32_t rate_q24) {
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (!sdfa_rate_ok(s, rate_q24))
        return SDFA_ERR_RATE;
    s->rate_q24 = rate_q24;
    return SDFA_ERR_OK;
}

int sdfa_set_threshold(struct sdfa *s, uint32_t tau_q15) {
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (tau_q15 > 32767)
        return SDFA_ERR_THRESHOLD;
    s->tau_q15 = (uint16_t)tau_q15;
    return SDFA_ERR_OK;
}

int sdfa_freeze(struct sdfa *s, uint16_t layers) {
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    s->frozen = layers;
    return SDFA_ERR_OK;
}

void sdfa_tail_changed(struct sdfa *s) {
    s->kernels->update[sdfa_learning_of(s)->master_bits != 0]->start(s); /* checked to be linked */
    s->ready = 0;
    s->changed++;
}

int sdfa_reset(struct sdfa *s) {
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    sdfa_copy(s->tail_ram, s->factory, s->tail_len);
    sdfa_tail_changed(s);
    s->stats.steps = 0;
    return SDFA_ERR_OK;
}
