/* Weights times one vector, requantized: what DENSE and CONV share, and where core families differ. */
#ifndef SDFA_MATVEC_H
#define SDFA_MATVEC_H

#include "sdfa_window.h"

/* sdfa_dot_dsp.c knows the places of its words. */
struct sdfa_matvec {
    const int8_t *weights; /* int8[out_n][in_n]; packed: SPEC.md 1.4 */
    const sdfa_i32 *bias;  /* int32[out_n] */
    const int32_t *mult;   /* int32[out_n] */
    const int8_t *shift;   /* int8[out_n], -31 .. 30 */
    sdfa_i32 *keep;        /* int32[out_n]: accumulators are kept here; NULL: not at all */
    uint32_t in_n, out_n;
    uint32_t packed_n; /* rows that are packed in groups of eight; the rest are plain */
    int32_t zero_point, act_min, act_max;
    int fast;           /* sdfa_requantize_fast does for all rows */
    int32_t input_zero; /* taken from every input; 0 where it is folded into the bias */
};

/* out: int8[out_n]; x: int8[in_n]. The packed rows, and the plain rows behind them. */
void sdfa_matvec_packed(int8_t *out, const struct sdfa_matvec *m, const int8_t *x);
void sdfa_matvec_plain(int8_t *out, const struct sdfa_matvec *m, const int8_t *x);

/* All windows of a convolution. */
void sdfa_conv_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_matvec *m);

/* What the record of a CONV or DEPTHWISE says; in_n: products that make one output. */
struct sdfa_matvec sdfa_conv_matvec(const struct sdfa *s, const struct sdfa_conv_op *p, uint32_t in_n);

/* Whether sdfa_requantize_fast does all that the record asks for. */
static inline int sdfa_is_fast(uint32_t flags, int32_t act_min, int32_t act_max) {
    return (flags & SDFA_LAYER_FAST) && act_min == -128 && act_max == 127;
}

/* One output value from its accumulator; row i. */
static inline void sdfa_finish(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t acc) {
    if (m->fast)
        out[i] = sdfa_requantize_fast(acc, m->mult[i], m->shift[i], m->zero_point);
    else
        out[i] = sdfa_requantize(acc, m->mult[i], m->shift[i], m->zero_point, m->act_min, m->act_max);
}

#endif
