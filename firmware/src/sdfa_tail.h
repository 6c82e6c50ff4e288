/* The trainable tail by itself: run it, score it and keep samples for it, without a run of the backbone.
 *
 *   struct sdfa_score score = {0, 0, 0};
 *   memcpy(sdfa_tail_input(&net), features, sdfa_tail_input_len(&net));
 *   sdfa_run_tail(&net);
 *   sdfa_score_label(&net, label, &score);
 *
 * What the tail reads is left alone by learning, so a sample is kept as these few bytes. SPEC.md 4.1.
 */
#ifndef SDFA_TAIL_H
#define SDFA_TAIL_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that the first trainable layer reads; 0 if nothing learns. */
uint32_t sdfa_tail_input_len(const struct sdfa *s);

/* Where they are: int8. After sdfa_run, and until the next one, those of its input; NULL if nothing learns. */
int8_t *sdfa_tail_input(const struct sdfa *s);

/* The rest of a run, from the tail's input on: then sdfa_output, sdfa_class and sdfa_learn go as after sdfa_run.
 * Error: FROZEN (nothing learns). */
int sdfa_run_tail(struct sdfa *s);

/* How good the weights are on some labelled samples. */
struct sdfa_score {
    uint64_t loss;    /* cross-entropy, bits in Q12, summed */
    uint32_t correct; /* samples whose class was right */
    uint32_t n;       /* samples */
};

/* Adds the last run to score and uses it up: learn needs another one. Changes no weight and no counter.
 * Errors: FROZEN (nothing learns), LOSS (image was made for targets), LABEL, ORDER (no run since the last step). */
int sdfa_score_label(struct sdfa *s, uint32_t label, struct sdfa_score *score);

/* Labelled inputs of the tail, in memory of the caller. Read n and n_max; leave the rest alone. */
struct sdfa_samples {
    uint32_t n;     /* samples */
    uint32_t n_max; /* room */
    uint32_t input_len;
    uint16_t *label;
    int8_t *input;
};

/* Bytes of memory for n samples. */
#define SDFA_SAMPLES_LEN(tail_input_len, n) (((tail_input_len) + 2u) * (n))

#ifdef __cplusplus
}
#endif

#endif
