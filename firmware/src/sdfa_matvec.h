/* Weights times one vector, requantized: what DENSE and CONV share, and where core families differ. */
#ifndef SDFA_MATVEC_H
#define SDFA_MATVEC_H

#include "sdfa_internal.h"

struct sdfa_matvec {
    const int8_t *weights; /* int8[out_n][in_n] */
    const sdfa_i32 *bias;  /* int32[out_n], input zero point folded in */
    const int32_t *mult;   /* int32[out_n] */
    const int8_t *shift;   /* int8[out_n], -31 .. 30 */
    sdfa_i32 *keep;        /* int32[out_n]: accumulators are kept here; NULL: not at all */
    uint32_t in_n, out_n;
    int32_t zero_point, act_min, act_max;
};

/* out: int8[out_n]; x: int8[in_n]. */
void sdfa_matvec(int8_t *out, const struct sdfa_matvec *m, const int8_t *x);

#endif
