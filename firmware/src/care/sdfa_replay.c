/* The replay ring (SPEC.md 4.2). */
#include "sdfa_replay.h"
#include "sdfa_internal.h"
#include "sdfa_samples.h"

#include <string.h>

int sdfa_replay_init(struct sdfa_replay *r, const struct sdfa *s, enum sdfa_replay_policy policy, void *memory,
                     size_t len, uint32_t seed) {
    size_t head;
    memset(r, 0, sizeof *r);
    r->random = seed;
    r->class_n = policy == SDFA_REPLAY_BALANCED ? s->class_n : 0;
    head = 6u * r->class_n;
    if ((uintptr_t)memory & 3u)
        return SDFA_ERR_ALIGN;
    if (len < head)
        return SDFA_ERR_ROOM;
    memset(memory, 0, head);
    r->seen_of = memory;
    r->kept_of = (uint16_t *)memory + 2u * r->class_n;
    return sdfa_samples_init(&r->samples, s, (uint8_t *)memory + head, len - head);
}

/* One of n, n > 0. */
static uint32_t pick(struct sdfa_replay *r, uint32_t n) {
    return (uint32_t)(((uint64_t)sdfa_random(&r->random) * n) >> 32);
}

static void count(uint32_t *n) {
    *n += *n != UINT32_MAX;
}

static uint32_t largest_class(const struct sdfa_replay *r) {
    uint32_t best = 0;
    for (uint32_t c = 1; c < r->class_n; c++)
        if (r->kept_of[c] > r->kept_of[best])
            best = c;
    return best;
}

/* Any of the samples of a class that has some. */
static uint32_t pick_of(struct sdfa_replay *r, uint32_t c) {
    uint32_t i = 0;
    for (uint32_t turn = pick(r, r->kept_of[c]);; i++)
        if (r->samples.label[i] == c && turn-- == 0)
            return i;
}

/* Where a sample of class c goes; n_max: nowhere. */
static uint32_t balanced_place(struct sdfa_replay *r, uint32_t c) {
    uint32_t largest = largest_class(r);
    if (r->samples.n < r->samples.n_max)
        return r->samples.n;
    if (r->kept_of[c] < r->kept_of[largest])
        return pick_of(r, largest);
    return pick(r, r->seen_of[c]) < r->kept_of[c] ? pick_of(r, c) : r->samples.n_max;
}

static uint32_t reservoir_place(struct sdfa_replay *r) {
    uint32_t i;
    if (r->samples.n < r->samples.n_max)
        return r->samples.n;
    i = pick(r, r->seen);
    return i < r->samples.n_max ? i : r->samples.n_max;
}

int sdfa_replay_put(struct sdfa_replay *r, const struct sdfa *s, uint32_t label) {
    uint32_t i;
    int error = sdfa_label_status(s, label);
    if (error)
        return error;
    count(&r->seen);
    if (r->class_n)
        count(&r->seen_of[label]);
    i = r->class_n ? balanced_place(r, label) : reservoir_place(r);
    if (i == r->samples.n_max)
        return 0;
    if (r->class_n) {
        if (i < r->samples.n)
            r->kept_of[r->samples.label[i]]--;
        r->kept_of[label]++;
    }
    sdfa_samples_set(&r->samples, i, s, label);
    return 1;
}

static uint32_t pick_class(struct sdfa_replay *r) {
    uint32_t c, present = 0;
    for (c = 0; c < r->class_n; c++)
        present += r->kept_of[c] != 0;
    c = 0;
    for (uint32_t turn = pick(r, present);; c++)
        if (r->kept_of[c] && turn-- == 0)
            return c;
}

int sdfa_replay_learn(struct sdfa_replay *r, struct sdfa *s) {
    uint32_t i;
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (!r->samples.n)
        return SDFA_ERR_ORDER;
    i = r->class_n ? pick_of(r, pick_class(r)) : pick(r, r->samples.n);
    return sdfa_learn(s, sdfa_samples_run(&r->samples, i, s));
}
