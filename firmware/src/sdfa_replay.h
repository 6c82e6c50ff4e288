/* A replay ring: samples of the past, learned again between new ones, against forgetting.
 *
 *   static uint32_t memory[SDFA_REPLAY_LEN(24, 50, 0) / 4 + 1];     50 samples of 24 bytes, reservoir
 *   struct sdfa_replay ring;
 *   sdfa_replay_init(&ring, &net, SDFA_REPLAY_RESERVOIR, memory, sizeof memory, 1);
 *
 *   sdfa_run(&net);
 *   sdfa_replay_put(&ring, &net, label);
 *   sdfa_learn(&net, label);
 *   sdfa_replay_learn(&ring, &net);     as often as there is time for
 *
 * RAM: the memory and sizeof(struct sdfa_replay). The ring draws from a generator of its own. SPEC.md 4.2.
 */
#ifndef SDFA_REPLAY_H
#define SDFA_REPLAY_H

#include "sdfa_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sdfa_replay_policy {
    SDFA_REPLAY_RESERVOIR = 0, /* every sample ever put is in the ring with the same chance */
    SDFA_REPLAY_BALANCED = 1   /* keeps as many of each class as it can; draws each class equally often */
};

struct sdfa_replay {
    /* public */
    uint32_t random; /* state of the generator; may be set to any value */
    uint32_t seen;   /* samples that were put; stays at 2^32 - 1 */
    struct sdfa_samples samples;
    /* private */
    uint32_t class_n;  /* 0: reservoir */
    uint32_t *seen_of; /* by class, balanced only */
    uint16_t *kept_of;
};

/* Bytes of memory for n samples. class_n: of the net for BALANCED, 0 for RESERVOIR. */
#define SDFA_REPLAY_LEN(tail_input_len, n, class_n) (SDFA_SAMPLES_LEN(tail_input_len, n) + 6u * (class_n))

/* An empty ring for this net. memory: aligned to 4; as many samples as fit, at most 65,535.
 * Errors: FROZEN (nothing learns), ALIGN, ROOM. */
int sdfa_replay_init(struct sdfa_replay *r, const struct sdfa *s, enum sdfa_replay_policy policy, void *memory,
                     size_t len, uint32_t seed);

/* Offers the last run to the ring: call it between run and learn. Returns 1 if it was kept, 0 if not.
 * Errors: FROZEN (nothing learns), LOSS (image was made for targets), LABEL, ORDER (no run since the last step). */
int sdfa_replay_put(struct sdfa_replay *r, const struct sdfa *s, uint32_t label);

/* One learning step from a sample that the ring draws; overwrites what is left of the last run.
 * Errors: ORDER (the ring is empty), and those of sdfa_learn. */
int sdfa_replay_learn(struct sdfa_replay *r, struct sdfa *s);

#ifdef __cplusplus
}
#endif

#endif
