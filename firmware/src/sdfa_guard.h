/* A guard: notices from the counters that learning goes wrong and says why; where it is told to, it halves the rate and
 * takes the weights back to the last window that was well.
 *
 *   static const struct sdfa_guard_config config = SDFA_GUARD_HALVING;
 *   struct sdfa_guard guard;
 *   sdfa_guard_init(&guard, &net, &config, copy, sizeof copy);
 *
 *   sdfa_learn(&net, label);
 *   reasons = sdfa_guard_step(&guard, &net);     bits, mostly 0
 *
 * It looks at windows of steps, one after the other. RAM: sizeof(struct sdfa_guard), and NAME_TAIL_LEN for
 * the copy. SPEC.md 4.4.
 */
#ifndef SDFA_GUARD_H
#define SDFA_GUARD_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is wrong: X(name, bit, text). */
#define SDFA_REASONS(X)                                                                                                \
    X(SATURATED, 1, "too many weights stand at their limit: the rate is too high")                                     \
    X(DIVERGED, 2, "the loss has risen and does not fall: the rate is too high")                                       \
    X(COARSE, 4, "the changes are large for the weights: the rate is too high")                                        \
    X(IDLE, 8, "the loss is high, but the weights hardly move: neurons are dead, or the rate is too low")

enum sdfa_reason {
#define SDFA_X(name, bit, text) SDFA_GUARD_##name = (bit),
    SDFA_REASONS(SDFA_X)
#undef SDFA_X
};

/* Thresholds. Counters as in struct sdfa_stats, each taken over one window; weights: those of the layers that learn. */
struct sdfa_guard_config {
    uint16_t window;         /* steps, 1 .. 1024 */
    uint16_t diverged_q4;    /* DIVERGED: mean loss > that of the best window (but from the floor to twice the floor)
                                * this / 16, and not an eighth lower than in the window before */
    uint8_t saturated_shift; /* SATURATED: saturated_weights > weights_updated / 2^this */
    uint8_t coarse_shift;    /* COARSE: moved / weights_updated > mean |weight| / 2^this */
    uint8_t idle_shift;      /* IDLE: mean loss > floor, and moved per step < sum of |weight| / 2^this */
    uint8_t halve;           /* 1: every reason but IDLE halves the rate, unless sdfa_set_rate refuses that */
    uint32_t floor;          /* mean loss per step that is low enough, in the unit of sdfa_stats.loss; 0: half of what
                                guessing costs (cross-entropy), an error of 1/16 of the range (mean squared error) */
};

#define SDFA_GUARD_REPORTING                                                                                           \
    { 64, 32, 6, 4, 14, 0, 0 }
#define SDFA_GUARD_HALVING                                                                                             \
    { 64, 32, 6, 4, 14, 1, 0 }

struct sdfa_guard {
    /* public */
    uint32_t windows;  /* that were looked at */
    uint32_t halvings; /* of the rate */
    uint32_t loss;     /* mean of the last window */
    uint32_t best;     /* mean of the best window */
    /* private */
    struct sdfa_guard_config config;
    struct sdfa_stats start;
    uint8_t *copy;
};

/* Begins the first window. config is copied. copy: at least NAME_TAIL_LEN bytes, for the weights as they were when a
 * window was last well: where the rate is halved they come back. NULL: the weights stay; then what a far too high rate
 * has done to hidden layers is not mended.
 * Errors: FROZEN, RATE (window, or a shift above 31, is out of range), TAIL (copy is too small). */
int sdfa_guard_init(struct sdfa_guard *g, const struct sdfa *s, const struct sdfa_guard_config *config, void *copy,
                    size_t copy_len);

/* Call it after every step. 0 inside a window; at its end, the bits of enum sdfa_reason. Then where the weights came
 * back, learn needs another run. */
uint32_t sdfa_guard_step(struct sdfa_guard *g, struct sdfa *s);

#ifdef __cplusplus
}
#endif

#endif
