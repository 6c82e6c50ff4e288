/* Rows that move: what the kinds of weights in RAM share (SPEC.md 3.4). */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_INT8_MAX 127 /* of a weight that has moved */

/* A layer while its rows move. */
struct sdfa_rows {
    const struct sdfa_layer *layer;
    const struct sdfa_dense_op *op;
    const struct sdfa_ratio *ratio;
    const int8_t *input; /* int8[in_n] */
    int32_t zero_point;  /* of the input */
    struct sdfa_rate rate;
    int even; /* activations are 0 .. 255, rows whole words: sdfa_move_words may be used */
};

struct sdfa_rows sdfa_rows_of(const struct sdfa *s, uint32_t l);

/* Step of row i per unit of activation, G of SPEC.md 3.4, for its delta; 0: leave the row alone. Counts. extra: bits that
 * the step is shorter than Q16. */
int32_t sdfa_row_step(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t delta, int32_t extra);

/* Change of the bias in its own units, for a step in Q16. Its draw comes before those of the weights. */
int64_t sdfa_bias_step(struct sdfa *s, const struct sdfa_layer *layer, int32_t step);

/* Moves the bias of row i, and counts what its weights did: sum of the sizes of changes, weights that a clamp stopped. */
void sdfa_row_moved(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int64_t bias_step, uint32_t moved,
                    uint32_t stopped);

/* Moves n int8 weights, none of which can reach its clamp, and returns the sum of the sizes of changes.
 * weights, inputs: aligned to 4; n: a multiple of 4; inputs: activations less 128; step: Q12, not 0, +-240;
 * state: of the generator. */
uint32_t sdfa_move_words(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state);

#endif
