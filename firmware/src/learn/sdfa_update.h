/* Rows that move: what the kinds of weights in RAM share (SPEC.md 3.4). */
#ifndef SDFA_UPDATE_H
#define SDFA_UPDATE_H

#include "sdfa_internal.h"

#define SDFA_INT8_MAX 127 /* of a weight that has moved */

/* A layer while its rows move. */
struct sdfa_rows {
    const struct sdfa_layer *layer;
    const struct sdfa_dense_op *op;
    const int8_t *input; /* int8[in_n] */
    int32_t zero_point;  /* of the input */
    uint32_t first;      /* rows of the layers before it */
};

/* Moves the weights of row i by `step` per unit of activation, G of SPEC.md 3.4, and counts what they did. */
typedef void sdfa_move_row(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step);

/* Moves the rows of layer l, whose deltas are d: biases here, weights by `move`. extra: bits that steps are shorter than
 * Q16. */
void sdfa_move_rows(struct sdfa *s, uint32_t l, const sdfa_i16 *d, int32_t extra, sdfa_move_row *move);

/* Both of these: weights, inputs: aligned to 4; n: a multiple of 4; inputs: activations less 128; step: Q12, not 0; state:
 * of the generator. They return the sum of the sizes of changes. */

/* Moves n int8 weights, none of which can reach its clamp. step: +-240. */
uint32_t sdfa_move_words(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state);

/* The same for weights that are not -128 and may reach it, and adds to `stopped` how many did. step: +-4095. */
uint32_t sdfa_move_far(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state,
                       uint32_t *stopped);

#endif
