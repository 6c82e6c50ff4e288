/* Rows that move: what the kinds of weights in RAM share (SPEC.md 3.4). */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_WEIGHT_MAX 127
#define SDFA_BIAS_MAX   (1 << 30)

/* A layer while its rows move. */
struct sdfa_rows {
    const struct sdfa_layer *layer;
    const struct sdfa_dense_op *op;
    const struct sdfa_ratio *ratio;
    const int8_t *input; /* int8[in_n] */
    int32_t zero_point;  /* of the input */
    struct sdfa_rate rate;
};

/* What happened to a row's weights: sum of changes, sum of their sizes, weights that the clamp stopped. */
struct sdfa_tally {
    uint32_t sum, moved, stopped;
};

struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l);

/* Step of row i per unit of activation, Q16 (G of SPEC.md 3.4), for its delta; 0: leave the row alone. Counts. */
int32_t sdfa_row_step(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t delta);

/* Change of the bias in its own units. Its draw comes before those of the weights. */
int64_t sdfa_bias_step(struct sdfa *s, const struct sdfa_layer *layer, int32_t step);

/* Moves the bias of row i and counts, when the weights have moved. */
void sdfa_row_moved(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int64_t bias_step,
                    const struct sdfa_tally *t);

#endif
