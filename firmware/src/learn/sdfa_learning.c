/* The learning section of an image: its check, and the settings that may change at run time. */
#include "sdfa_internal.h"

#define CLASSES_MAX 16384u /* keeps the sum of exponentials, Q16, inside 30 bits */
#define EXP_MAX     1000
#define SHIFT_MIN   7  /* keeps step * activation inside int32 */
#define SHIFT_MAX   30 /* a smaller step never moves a weight */

/* A layer's ratios: no row's step overflows, and some row's moves something. */
SDFA_COLD static int ratios_ok(const struct sdfa *s, const struct sdfa_layer *layer, uint32_t n, int32_t rate_exp) {
    const struct sdfa_ratio *ratio = (const struct sdfa_ratio *)(const void *)(s->data + layer->ratio),
                            *end = ratio + n;
    int32_t high = INT16_MIN;
    for (; ratio != end; ratio++) {
        if (ratio->mant - 1u < 32767u || (uint32_t)(ratio->exp + EXP_MAX) > 2u * EXP_MAX)
            return 0;
        if (ratio->mant && ratio->exp > high)
            high = ratio->exp;
    }
    return (uint32_t)(sdfa_row_shift(layer, rate_exp, high) - SHIFT_MIN) <= SHIFT_MAX - SHIFT_MIN;
}

int sdfa_rate_ok(const struct sdfa *s, uint32_t rate_q24) {
    uint32_t left = sdfa_learning_of(s)->layer_n;
    if (rate_q24 == 0)
        return 0;
    while (left && ratios_ok(s, sdfa_layer_at(s, left - 1u), sdfa_layer_op(s, left - 1u)->out_n,
                             sdfa_normalize_rate(rate_q24).exp))
        left--;
    return left == 0;
}

/* The record at this offset, one of those that sdfa_open checked, if it is of the right kind. */
SDFA_COLD static const struct sdfa_dense_op *dense_at(const struct sdfa *s, uint32_t off) {
    uint32_t at = 0;
    for (uint32_t n = s->op_n; n; n--) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)(s->ops + at);
        if (at == off)
            return op->kind == SDFA_DENSE ? (const struct sdfa_dense_op *)op : NULL;
        at += op->len;
    }
    return NULL;
}

SDFA_COLD static int layer_ok(const struct sdfa *s, const struct sdfa_layer *layer, const struct sdfa_dense_op *op) {
    return (op->flags & SDFA_LAYER_TAIL) && (uint32_t)(layer->delta_exp + EXP_MAX) <= 2u * EXP_MAX &&
           layer->bias_mant >= 32768u && (uint32_t)(layer->bias_exp + 31) <= 47u &&
           sdfa_in_data(s, layer->ratio, op->out_n, sizeof(struct sdfa_ratio)) &&
           ratios_ok(s, layer, op->out_n, sdfa_normalize_rate(s->rate_q24).exp);
}

SDFA_COLD SDFA_APART static int layers_ok(const struct sdfa *s, uint32_t layer_n) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, 0);
    const struct sdfa_dense_op *op = NULL;
    for (; layer_n; layer_n--, layer++) {
        const struct sdfa_dense_op *below = op;
        op = dense_at(s, layer->op);
        if (!op || !layer_ok(s, layer, op) || (below && op->in_n != below->out_n))
            return 0;
    }
    return op != NULL;
}

SDFA_COLD uint32_t sdfa_delta_len(const struct sdfa *s) {
    uint32_t n = 0;
    for (uint32_t l = 0; l + 1u < sdfa_learning_of(s)->layer_n; l++)
        n = sdfa_layer_op(s, l)->out_n > n ? sdfa_layer_op(s, l)->out_n : n;
    return (n + 1u) & ~1u;
}

/* A layer has at most 2^30 outputs, as their biases are in memory: twice as many do not overflow. */
SDFA_COLD static int memory_ok(const struct sdfa *s, const struct sdfa_learning *g) {
    const struct sdfa_dense_op *last = sdfa_layer_op(s, g->layer_n - 1u);
    uint32_t n = last->out_n, deltas = sdfa_delta_len(s) * (g->layer_n > 2 ? 2u : 1u);
    return n <= CLASSES_MAX && n + g->loss > 1 /* cross-entropy has two */ && (last->flags & SDFA_LAYER_KEEP) &&
           sdfa_in_arena(s, g->error, n, 2) && sdfa_disjoint(g->error, 2u * n, last->acc, 4u * n) &&
           sdfa_in_arena(s, g->delta, deltas, 2) && ((g->zmult | g->zshift) & 3u) == 0 &&
           sdfa_scales_ok(s, g->zmult, g->zshift, n, 0);
}

SDFA_COLD const struct sdfa_feedback *sdfa_rule_of(const struct sdfa *s, uint32_t l) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    if (g->feedback == SDFA_FEEDBACK_LIVE && l + 2u == g->layer_n)
        return s->kernels->feedback[2];
    return s->kernels->feedback[g->feedback == SDFA_FEEDBACK_BP];
}

SDFA_COLD static int feedback_ok(const struct sdfa *s, const struct sdfa_learning *g) {
    int error = SDFA_ERR_OK;
    if (g->feedback > SDFA_FEEDBACK_LIVE || (g->feedback == SDFA_FEEDBACK_LAST && g->layer_n > 1))
        return SDFA_ERR_LEARNING;
    for (uint32_t l = 0; !error && l + 1u < g->layer_n; l++) {
        const struct sdfa_feedback *feedback = sdfa_rule_of(s, l);
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
    if (len != sizeof *g + g->layer_n * sizeof(struct sdfa_layer) || s->tau_q15 > 32767 || s->rate_q24 == 0 ||
        !layers_ok(s, g->layer_n) || !memory_ok(s, g))
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
