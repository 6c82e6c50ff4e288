/* Decay towards the factory weights, against forgetting: what no sample asks for any more goes away.
 *
 *   sdfa_learn(&net, label);
 *   if (net.stats.steps % 16 == 0)
 *       sdfa_decay(&net, SDFA_DECAY(0.002));
 *
 * RAM: none. SPEC.md 4.6.
 */
#ifndef SDFA_DECAY_H
#define SDFA_DECAY_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A share of the way, 0 .. 0.99998, as a constant. */
#define SDFA_DECAY(real) ((uint32_t)((real)*65536.0 + 0.5))

/* Moves every weight and bias of the layers that learn (and are not frozen) by lambda_q16 / 2^16 of its way back to the
 * factory value, rounded stochastically with the net's generator: exact in the mean. Master weights move by 1/256 of a unit. Needs another run afterwards.
 * lambda_q16: 0 .. 65535. Errors: FROZEN, RATE (lambda_q16 is out of range). */
int sdfa_decay(struct sdfa *s, uint32_t lambda_q16);

#ifdef __cplusplus
}
#endif

#endif
