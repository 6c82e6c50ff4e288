/* A trace: what was learned on the device, so that a PC can repeat it bit for bit (SPEC.md 4.8).
 *
 *   struct sdfa_trace trace;
 *   sdfa_trace_init(&trace, &net, memory, sizeof memory, copy, sizeof copy);
 *   sdfa_run(&net);
 *   sdfa_trace_learn(&trace, &net, label);        in the place of sdfa_learn
 *
 * Each step leaves its label and the tail's input. The trace holds steps without a gap: where the weights are changed in
 * another way (by sdfa_load, sdfa_reset, a gate, a step that is not traced) it begins anew, from these weights on.
 * RAM: the memory, the copy and sizeof(struct sdfa_trace).
 */
#ifndef SDFA_TRACE_H
#define SDFA_TRACE_H

#include "sdfa_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdfa_trace {
    /* public */
    uint32_t first;     /* steps that the weights had behind them when the trace began */
    uint32_t steps;     /* steps in the trace */
    uint32_t lost;      /* steps after it, for which there was no room; then the trace begins anew only by a call */
    uint32_t used, len; /* bytes of memory with records, and in all */
    uint32_t random, rate_q24, tau_q15, frozen; /* settings when it began */
    uint32_t crc;                               /* CRC-32 of the weights when it began */
    /* private */
    uint8_t *memory, *copy;
    uint32_t random_now, rate_now, next; /* generator, rate and number of steps behind the last step of the trace */
    uint16_t tau_now, changed;
};

/* Bytes of memory for n steps, all with the same settings. */
#define SDFA_TRACE_LEN(tail_input_len, n) (((tail_input_len) + 2u) * (n))

/* An empty trace that begins with the present weights.
 *
 * memory  len bytes for the steps.
 * copy    at least NAME_TAIL_LEN bytes for the weights that the trace begins with: then a full trace begins anew, so that
 *         it holds the last steps. NULL: a full trace stays, with the first steps, and these weights are the factory's
 *         or known from elsewhere.
 *
 * Errors: FROZEN (nothing learns), LOSS (image was made for targets), ROOM (not one step fits), TAIL (copy is too small).
 */
int sdfa_trace_init(struct sdfa_trace *t, const struct sdfa *s, void *memory, uint32_t len, void *copy,
                    uint32_t copy_len);

/* Forgets all, and begins with the present weights. */
void sdfa_trace_start(struct sdfa_trace *t, const struct sdfa *s);

/* One traced step from the last run. Errors: those of sdfa_learn. */
int sdfa_trace_learn(struct sdfa_trace *t, struct sdfa *s, uint32_t label);

#ifdef __cplusplus
}
#endif

#endif
