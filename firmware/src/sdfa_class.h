/* Adding a class: an image exported with --spare-classes has outputs that wait for one.
 *
 *   int32_t label = sdfa_add_class(&net);
 *   if (label >= 0)
 *       sdfa_run(&net), sdfa_learn(&net, (uint32_t)label);
 *
 * A closed slot gets no probability, no error and no update, and cannot be learned. RAM: its row of the tail, exported
 * with it. Open slots are part of the weights: they are stored, loaded and taken back with them, and sdfa_reset closes
 * them. Feedback tables in flash know nothing of a new class: hidden layers go on learning from the errors of the others.
 * Live feedback and back-propagation hear it.
 * SPEC.md 4.7.
 */
#ifndef SDFA_CLASS_H
#define SDFA_CLASS_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the next slot: its weights and bias become the mean of the rows of the open classes (of master weights
 * without their fractions). Needs another run. Returns its label.
 * Errors: FROZEN, LOSS (image was made for targets), SPARE (no slot is closed). */
int32_t sdfa_add_class(struct sdfa *s);

#ifdef __cplusplus
}
#endif

#endif
