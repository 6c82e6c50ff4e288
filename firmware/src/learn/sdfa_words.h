/* int8 weights that move four at a time (SPEC.md 3.4): where core families differ. */
#ifndef SDFA_WORDS_H
#define SDFA_WORDS_H

#include "sdfa_update.h"

/* Whether there is assembly for Thumb-2. The vector extension of the M55 has the DSP one in it. */
#define SDFA_WORDS_THUMB2 (SDFA_THUMB2 || SDFA_DSP || SDFA_MVE)

#define SDFA_WORDS_STEP 240   /* the largest step, Q12: 240 * 255 + 4095 < 2^16 */
#define SDFA_WORDS_N    64u   /* the most weights: the sum of changes of every fourth stays inside a byte */
#define SDFA_PASSED     (~0u) /* a weight would pass its clamp */

/* Moves the weights from w on. Weights, x: aligned to 4; x: activations less 128, up to `end`; their number: a multiple of
 * 4, not 0. step: not 0. random: what is left before the first four, 12 bits each: its bits 0 .. 11, 4 .. 15, 16 .. 27,
 * 20 .. 31. Returns the sum of the sizes of changes. Or SDFA_PASSED: then the weights are as they were. */
uint32_t sdfa_move_words(int8_t *w, const int8_t *x, const int8_t *end, int32_t step, uint32_t random);

#endif
