/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_words.h"

#define EXTRA_BITS 4                 /* steps are Q12 */
#define BITS       (16 - EXTRA_BITS) /* of fraction */
#define LEFT       ((1u << BITS) - 1u)

/* No memory but the tail. */
SDFA_COLD static int check(const struct sdfa *s) {
    (void)s;
    return SDFA_ERR_OK;
}

/* A weight, whatever it and its change are. */
static void move_weight(struct sdfa *s, int8_t *w, int32_t change) {
    int32_t old = *w, v = old + change;
    if (change && (v > SDFA_INT8_MAX || v < -SDFA_INT8_MAX)) {
        s->stats.saturated_weights++;
        v = v > 0 ? SDFA_INT8_MAX : -SDFA_INT8_MAX;
    }
    s->stats.moved += (uint32_t)(v < old ? old - v : v - old);
    *w = (int8_t)v;
}

/* As sdfa_move_words, one after the other: any zero point, number, alignment and weight. */
SDFA_COLD static void move_exactly(struct sdfa *s, int8_t *w, const int8_t *x, const int8_t *end, int32_t zero_point,
                                   int32_t step, uint32_t random) {
    uint32_t left[4] = {random & LEFT, random >> 4 & LEFT, random >> 16 & LEFT, random >> 20};
    int32_t size = step < 0 ? -step : step;
    for (uint32_t j = 0; x != end; j++) {
        int32_t sum = size * (*x++ - zero_point) + (int32_t)left[j & 3u];
        left[j & 3u] = (uint32_t)sum & LEFT;
        sum >>= BITS;
        move_weight(s, w++, step < 0 ? -sum : sum);
    }
}

/* At most SDFA_WORDS_N weights by at most SDFA_WORDS_STEP. whole: whether sdfa_move_words may be used. */
static void move_some(struct sdfa *s, int8_t *w, const int8_t *x, const int8_t *end, const struct sdfa_rows *r,
                      uint32_t whole, int32_t step, uint32_t random) {
    if (SDFA_LIKELY(whole)) {
        uint32_t moved = sdfa_move_words(w, x, end, step, random);
        if (SDFA_LIKELY(moved != SDFA_PASSED)) {
            s->stats.moved += moved;
            return;
        }
        (void)sdfa_move_words(w, x, end, -step, random);
    }
    move_exactly(s, w, x, end, r->zero_point, step, random);
}

/* A row, some after some, by a part of the step after the other. */
static void move_row(struct sdfa *s, struct sdfa_move *m, int8_t *w, const struct sdfa_rows *r, uint32_t whole) {
    const int8_t *x = r->input, *last = x + r->in_n;
    do {
        const int8_t *end = (uint32_t)(last - x) > SDFA_WORDS_N ? x + SDFA_WORDS_N : last;
        int32_t to_go = m->step;
        do {
            int32_t part = sdfa_clamp(to_go, -SDFA_WORDS_STEP, SDFA_WORDS_STEP);
            move_some(s, w, x, end, r, whole, part, sdfa_random(&m->random));
            to_go -= part;
        } while (to_go);
        w += end - x;
        x = end;
    } while (x != last);
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    struct sdfa_rows r = sdfa_rows_of(s, l, d, EXTRA_BITS);
    struct sdfa_move m = {s->random, 0};
    int8_t *w;
    uint32_t whole = r.zero_point == -128 && (((uintptr_t)r.weights | r.in_n) & 3u) == 0;
    while (sdfa_next_row(s, &r, &m, &w, EXTRA_BITS))
        move_row(s, &m, w, &r, whole);
    sdfa_rows_end(s, &r, &m);
}

const struct sdfa_update sdfa_update_int8 = {check, layer};

#if !SDFA_DSP && !SDFA_THUMB2

#define OCTETS  0x00ff00ffu
#define LEFTS   0x0fff0fffu
#define CHANGES 0xf000f000u
#define SIGNS   0x80808080u
#define ONES    0x01010101u

/* In halves of 16 bits: step * a + what was left, whose upper four bits are the change of a weight, the others what is
 * left. Weights stand as 128 + w or 127 - w, so that they only grow, and only the clamp stands in the way of a byte. */
uint32_t sdfa_move_words(int8_t *weights, const int8_t *x, const int8_t *end, int32_t step, uint32_t random) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)x;
    const uint32_t flip = step < 0 ? ~SIGNS : SIGNS, one = step < 0 ? ONES : 0;
    uint32_t size = (uint32_t)(step < 0 ? -step : step), even = random & LEFTS, odd = random >> 4 & LEFTS;
    uint32_t sum = 0, passed = 0;
    for (; q != (const sdfa_u32 *)(const void *)end; w++) {
        uint32_t a = *q++ ^ SIGNS, change, v = *w ^ flip;
        even += (a & OCTETS) * size;
        odd += (a >> 8 & OCTETS) * size;
        change = ((odd & CHANGES) | (even & CHANGES) >> 8) >> 4;
        even &= LEFTS;
        odd &= LEFTS;
        sum += change;
        change += v;
        *w = change ^ flip;
        passed |= v & ~(change + one);
    }
    if (passed & SIGNS)
        return SDFA_PASSED;
    sum = (sum & OCTETS) + (sum >> 8 & OCTETS);
    return (sum + (sum >> 16)) & 0xffffu;
}

#endif
