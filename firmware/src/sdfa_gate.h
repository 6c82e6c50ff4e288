/* A gate: weights that do worse on held-out samples than before do not stay.
 *
 *   struct sdfa_gate gate;
 *   sdfa_gate_init(&gate, &net, memory, sizeof memory, copy, sizeof copy);
 *   for 20 samples that are not learned:  sdfa_run(&net); sdfa_gate_put(&gate, &net, label);
 *   sdfa_gate_mark(&gate, &net);
 *   learn for a while
 *   verdict = sdfa_gate_judge(&gate, &net);     worse: the weights of the mark are back
 *
 * RAM: SDFA_SAMPLES_LEN for the samples, NAME_TAIL_LEN for the copy and sizeof(struct sdfa_gate). A judgement costs one
 * run of the tail per sample. What m samples can promise, and what not: SPEC.md 4.3.
 */
#ifndef SDFA_GATE_H
#define SDFA_GATE_H

#include "sdfa_tail.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Verdicts: X(name, value, text). From MORE_WRONG on the weights were refused. */
#define SDFA_VERDICTS(X)                                                                                               \
    X(MORE_RIGHT, 0, "kept: more samples are right than before")                                                       \
    X(AS_GOOD, 1, "kept: as many samples are right as before, and the loss is not higher")                             \
    X(MORE_WRONG, 2, "refused: fewer samples are right than before")                                                   \
    X(MORE_LOSS, 3, "refused: as many samples are right as before, but the loss is higher")

enum sdfa_verdict {
#define SDFA_X(name, value, text) SDFA_GATE_##name = (value),
    SDFA_VERDICTS(SDFA_X)
#undef SDFA_X
};

struct sdfa_gate {
    /* public */
    struct sdfa_samples samples;
    struct sdfa_score marked; /* of the weights that a refusal goes back to; n = 0: none yet */
    struct sdfa_score judged; /* of those that sdfa_gate_judge looked at last */
    /* private */
    uint8_t *copy;
};

/* A gate without samples.
 *
 * samples  SDFA_SAMPLES_LEN(sdfa_tail_input_len(s), m) bytes for m of them, aligned to 2.
 * copy     at least NAME_TAIL_LEN bytes for the weights of the mark; NULL: a refusal is told, and the caller takes the
 *          weights back himself, from where he stored them or with sdfa_reset.
 *
 * Errors: FROZEN (nothing learns, or opened without memory for the tail), LOSS (image was made for targets), ALIGN,
 * ROOM, TAIL (copy is too small). */
int sdfa_gate_init(struct sdfa_gate *g, const struct sdfa *s, void *samples, size_t samples_len, void *copy,
                   size_t copy_len);

/* Holds the last run out: call it after run, and do not learn this sample. Errors: FROZEN, LOSS, LABEL, ORDER (no run
 * since the last step), ROOM (all places are taken). */
int sdfa_gate_put(struct sdfa_gate *g, const struct sdfa *s, uint32_t label);

/* Remembers the weights and how good they are. Uses up the last run. Error: ORDER (there are no samples). */
int sdfa_gate_mark(struct sdfa_gate *g, struct sdfa *s);

/* Compares the weights with those of the mark: by samples that are right, and where these are equal by the loss.
 * Better or as good: they become the mark. Worse: with a copy, the weights of the mark come back; rate, threshold,
 * generator and counters stay as they are. Uses up the last run.
 * Returns an enum sdfa_verdict. Error: ORDER (there is no mark). */
int sdfa_gate_judge(struct sdfa_gate *g, struct sdfa *s);

/* The weights of the mark, without a comparison; learn needs another run.
 * Errors: ORDER (there is no mark), TAIL (the gate has no copy). */
int sdfa_gate_back(const struct sdfa_gate *g, struct sdfa *s);

#ifdef __cplusplus
}
#endif

#endif
