/* Class balance: rare classes weigh more, frequent ones less.
 *
 *   static uint16_t counts[10];
 *   struct sdfa_balance balance;
 *   sdfa_balance_init(&balance, &net, counts, sizeof counts);
 *
 *   sdfa_run(&net);
 *   sdfa_learn_weighted(&net, label, sdfa_balance_count(&balance, label));
 *
 * RAM: 2 bytes per class and sizeof(struct sdfa_balance). SPEC.md 4.5.
 */
#ifndef SDFA_BALANCE_H
#define SDFA_BALANCE_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SDFA_WEIGHT_ONE 32768u                 /* a sample that counts once, Q15 */
#define SDFA_WEIGHT_MAX (4u * SDFA_WEIGHT_ONE) /* the most that sdfa_balance_count gives */

/* sdfa_learn with this sample's error weighted: one step at the rate * weight_q15 / 2^15. 0 < weight_q15 < 2^20.
 * Errors: those of sdfa_learn, and RATE (weight out of range, or the product is a rate that sdfa_set_rate refuses;
 * nothing is changed). A weight up to SDFA_WEIGHT_ONE is never refused. */
int sdfa_learn_weighted(struct sdfa *s, uint32_t label, uint32_t weight_q15);

struct sdfa_balance {
    uint16_t *count; /* by class; all are halved when their sum reaches 65,535, so that old samples fade */
    uint32_t class_n;
    uint32_t sum;
    uint32_t present; /* classes with a count */
};

/* counts: at least 2 bytes for each class of the net, aligned to 2. Errors: FROZEN (nothing learns), ALIGN, ROOM. */
int sdfa_balance_init(struct sdfa_balance *b, const struct sdfa *s, void *counts, size_t len);

/* Counts the label. Returns the weight of its class, mean count / its count in Q15, at most SDFA_WEIGHT_MAX; of a label
 * out of range SDFA_WEIGHT_ONE. */
uint32_t sdfa_balance_count(struct sdfa_balance *b, uint32_t label);

#ifdef __cplusplus
}
#endif

#endif
