/* Samples of the tail: what gate and replay share. Not for users. */
#ifndef SDFA_SAMPLES_H
#define SDFA_SAMPLES_H

#include "sdfa_tail.h"

/* Whether the last run may be learned or kept with this label: FROZEN, LOSS, LABEL, ORDER. */
int sdfa_label_status(const struct sdfa *s, uint32_t label);

/* As many samples as fit into len bytes, at most 65,535. memory: aligned to 2. Errors: FROZEN, ALIGN, ROOM. */
int sdfa_samples_init(struct sdfa_samples *t, const struct sdfa *s, void *memory, size_t len);

/* The last run's tail input and its label become sample i <= n; i = n adds one. */
void sdfa_samples_set(struct sdfa_samples *t, uint32_t i, const struct sdfa *s, uint32_t label);

/* Runs the tail on sample i < n; returns its label. */
uint32_t sdfa_samples_run(const struct sdfa_samples *t, uint32_t i, struct sdfa *s);

#endif
