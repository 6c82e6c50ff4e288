/* Softmax cross-entropy (SPEC.md 3.1). */
#include "sdfa_internal.h"

/* 2^(-f / 4096) in Q16, 0 <= f < 4096; error below 2 units. */
static int32_t pow2(int32_t f) {
    int32_t p = -3494 + ((f * 449) >> 12);
    p = 15704 + ((f * p) >> 12);
    p = -45425 + ((f * p) >> 12);
    return 65536 + ((f * p) >> 12);
}

/* log2(x) in Q12, n: that of it which is whole, at least 12; for the loss counter only. */
static uint32_t log2_q12(uint32_t x, uint32_t n) {
    uint32_t f = (x >> (n - 12u)) - 4096u;
    return 4096u * n + f + ((((f * (4096u - f)) >> 12) * 1408u) >> 12);
}

/* Accumulators to logits, in place. Returns the first largest. */
static const sdfa_i32 *to_logits(const struct sdfa *s, sdfa_i32 *z, uint32_t n) {
    const int32_t *mult = sdfa_data_i32(s, sdfa_learning_of(s)->zmult);
    const int8_t *shift = sdfa_data_i8(s, sdfa_learning_of(s)->zshift);
    const sdfa_i32 *end = z + n, *best = z;
    int32_t max = INT32_MIN;
    do {
        int32_t v = sdfa_scaled(*z, *mult++, *shift++);
        *z = v;
        if (v > max) {
            max = v;
            best = z;
        }
    } while (++z != end);
    return best;
}

/* Exponentials relative to the largest logit, Q16 in 16 bits; returns their sum. */
SDFA_APART static uint32_t exponentials(sdfa_u16 *e, const sdfa_i32 *z, int32_t max, uint32_t n) {
    const sdfa_u16 *end = e + n;
    uint32_t sum = 0;
    do {
        uint32_t t = (uint32_t)max - (uint32_t)*z++, v = 0;
        if ((t >> 12) <= 16) {
            SDFA_LOOP(t); /* or pow2 is taken of all of them */
            v = (uint32_t)pow2((int32_t)(t & 4095u)) >> (t >> 12);
        }
        v -= v >> 16; /* 65536 is too long */
        sum += v;
        SDFA_LOOP(v); /* or it is cut to 16 bits once more */
        *e++ = (uint16_t)v;
    } while (e != end);
    return sum;
}

/* Exponentials to errors, in place; that of the label is 0. Small errors become zero. Returns the sum. */
static uint32_t to_errors(sdfa_u16 *e, uint32_t n, uint32_t reciprocal, uint32_t shift, uint32_t tau) {
    const sdfa_u16 *end = e + n;
    uint32_t sum = 0;
    do {
        uint32_t p = (*e * reciprocal) >> shift; /* at most *e */
        if (p < tau)
            p = 0;
        sum += p;
        SDFA_LOOP(p); /* or it is cut to 16 bits once more */
        *e = (uint16_t)p;
    } while (++e != end);
    return sum;
}

SDFA_LEAN static int error(struct sdfa *s, sdfa_i16 *e, const void *answer) {
    uint32_t label = *(const uint32_t *)answer, n = s->class_n;
    sdfa_i32 *z = sdfa_kept(s);
    const sdfa_i32 *best = to_logits(s, z, n);
    uint32_t sum = exponentials((sdfa_u16 *)e, z, *best, n);
    uint32_t log = 15u + sdfa_log2_floor(sum >> 15), m = log > 16u ? log - 16u : 0;
    uint64_t bits = (uint64_t)((uint32_t)*best - (uint32_t)z[label]) + log2_q12(sum, log);
    s->stats.correct += best == z + label;
    s->stats.loss += bits > 65536u ? bits - 65536u : 0u;
    e[label] = 0;
    sum = to_errors((sdfa_u16 *)e, n, sdfa_divide(UINT32_MAX, sum >> m), 17u + m, s->tau_q15);
    e[label] = (int16_t) - (int32_t)(sum > 32767u ? 32767u : sum); /* keeps the sum at zero */
    return sum != 0;
}

const struct sdfa_loss sdfa_loss_softmax_ce = {sdfa_check_learning, error};

int sdfa_learn(struct sdfa *s, uint32_t label) {
    if (s->tail_ram) {
        if (sdfa_learning_of(s)->loss != SDFA_LOSS_SOFTMAX_CE)
            return SDFA_ERR_LOSS;
        if (label >= s->class_n || sdfa_slot_closed(s, label))
            return SDFA_ERR_LABEL;
    }
    return sdfa_step(s, &label);
}
