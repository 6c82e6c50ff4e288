/* Softmax cross-entropy (SPEC.md 3.1). */
#include "sdfa_internal.h"

SDFA_COLD static int check(const struct sdfa *s, uint32_t len) {
    int error = sdfa_check_learning(s, len);
    if (!error && sdfa_layer_op(s, sdfa_learning_of(s)->layer_n - 1u)->out_n < 2)
        error = SDFA_ERR_LEARNING;
    return error;
}

/* 2^(-f / 4096) in Q16, 0 <= f < 4096; error below 2 units. */
static int32_t pow2(int32_t f) {
    int32_t p = -3494 + ((f * 449) >> 12);
    p = 15704 + ((f * p) >> 12);
    p = -45425 + ((f * p) >> 12);
    return 65536 + ((f * p) >> 12);
}

/* log2(x) in Q12, x >= 2^15; for the loss counter only. */
static uint32_t log2_q12(uint32_t x) {
    uint32_t n = 15u + sdfa_log2_floor(x >> 15), f = (x >> (n - 12u)) - 4096u;
    return 4096u * n + f + ((((f * (4096u - f)) >> 12) * 1408u) >> 12);
}

/* Accumulators to logits, in place. Returns the class: the first largest. */
static uint32_t to_logits(const struct sdfa *s, sdfa_i32 *z, uint32_t n) {
    const int32_t *mult = sdfa_data_i32(s, sdfa_learning_of(s)->zmult);
    const int8_t *shift = sdfa_data_i8(s, sdfa_learning_of(s)->zshift);
    uint32_t best = 0;
    int32_t max = INT32_MIN;
    for (uint32_t c = 0; c < n; c++) {
        int32_t v = sdfa_scaled(z[c], mult[c], shift[c]);
        z[c] = v;
        if (v > max) {
            max = v;
            best = c;
        }
    }
    return best;
}

/* Exponentials relative to the largest logit, Q16 in 16 bits; returns their sum. */
static uint32_t exponentials(sdfa_u16 *e, const sdfa_i32 *z, int32_t max, uint32_t n) {
    uint32_t sum = 0;
    for (uint32_t c = 0; c < n; c++) {
        uint32_t t = (uint32_t)max - (uint32_t)z[c], v = 0;
        if ((t >> 12) <= 16) {
            SDFA_LOOP(t); /* or pow2 is taken of all of them */
            v = (uint32_t)pow2((int32_t)(t & 4095u)) >> (t >> 12);
        }
        v -= v >> 16; /* 65536, of the largest, to 65535 */
        e[c] = (uint16_t)v;
        sum += v;
    }
    return sum;
}

/* Exponentials to errors, in place. Small errors become zero; the label's error keeps the sum at zero. */
static int32_t to_errors(sdfa_u16 *e, uint32_t n, uint32_t label, uint32_t sum, uint32_t tau) {
    uint32_t m = 0, reciprocal, others = 0;
    while ((sum >> m) >= (1u << 17))
        m++;
    reciprocal = sdfa_divide(UINT32_MAX, sum >> m);
    for (uint32_t c = 0; c < n; c++) {
        uint32_t p = (e[c] * reciprocal) >> (17u + m);
        if (p < tau || c == label)
            p = 0;
        e[c] = (uint16_t)p; /* below 2^16: it is at most E_c */
        others += p;
    }
    return -(int32_t)(others > 32767u ? 32767u : others);
}

static int error(struct sdfa *s, sdfa_i16 *e, const void *answer) {
    uint32_t label = *(const uint32_t *)answer, n = s->class_n;
    sdfa_i32 *z = sdfa_kept(s);
    uint32_t best = to_logits(s, z, n);
    uint32_t sum = exponentials((sdfa_u16 *)e, z, z[best], n);
    uint32_t bits = (uint32_t)z[best] - (uint32_t)z[label] + log2_q12(sum);
    s->stats.correct += best == label;
    s->stats.loss += bits > 65536u ? bits - 65536u : 0u;
    e[label] = (int16_t)to_errors((sdfa_u16 *)e, n, label, sum, s->tau_q15);
    return e[label] != 0;
}

const struct sdfa_loss sdfa_loss_softmax_ce = {check, error};

int sdfa_learn(struct sdfa *s, uint32_t label) {
    if (s->tail_ram && sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
        return SDFA_ERR_LOSS;
    if (label >= s->class_n || sdfa_slot_closed(s, label))
        return s->tail_ram ? SDFA_ERR_LABEL : SDFA_ERR_FROZEN;
    return sdfa_step(s, &label);
}
