/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_words.h"

#define EXTRA_BITS 4                 /* steps are Q12 */
#define BITS       (16 - EXTRA_BITS) /* of fraction */
#define LEFT       ((1u << BITS) - 1u)
#define STEP_MAX   4095

/* No memory but the tail. */
SDFA_COLD static int check(const struct sdfa *s) {
    (void)s;
    return SDFA_ERR_OK;
}

/* As sdfa_move_words, one after the other: any zero point, number, alignment and weight. Counts those that a clamp stops. */
SDFA_COLD static uint32_t move_exactly(struct sdfa *s, int8_t *w, const int8_t *x, const int8_t *end,
                                       int32_t zero_point, int32_t step, uint32_t random) {
    uint32_t left[4] = {random & LEFT, random >> 4 & LEFT, random >> 16 & LEFT, random >> 20}, moved = 0;
    int32_t size = step < 0 ? -step : step;
    for (uint32_t j = 0; x != end; j++, w++) {
        int32_t sum = size * (*x++ - zero_point) + (int32_t)left[j & 3u], old = *w, v;
        left[j & 3u] = (uint32_t)sum & LEFT;
        sum >>= BITS;
        if (!sum)
            continue;
        v = step < 0 ? old - sum : old + sum;
        *w = (int8_t)sdfa_clamp(v, -SDFA_INT8_MAX, SDFA_INT8_MAX);
        s->stats.saturated_weights += *w != v;
        moved += (uint32_t)(*w < old ? old - *w : *w - old);
    }
    return moved;
}

/* At most SDFA_WORDS_N weights by at most SDFA_WORDS_STEP. whole: whether sdfa_move_words may be used. */
static uint32_t move_some(struct sdfa *s, int8_t *w, const int8_t *x, const int8_t *end, int32_t zero_point,
                          uint32_t whole, int32_t step, uint32_t random) {
    uint32_t moved = whole ? sdfa_move_words(w, x, end, step, random) : SDFA_PASSED;
    return moved == SDFA_PASSED ? move_exactly(s, w, x, end, zero_point, step, random) : moved;
}

/* Row i, whatever it and the step are; returns the generator's state. Some weights after some, by a part of the step after
 * the other. */
SDFA_APART SDFA_LEAN static uint32_t move_row(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, uint32_t whole,
                                              int32_t step, uint32_t state) {
    int8_t *w = r->weights + i * r->in_n;
    const int8_t *x = r->input;
    int32_t to_go = step = sdfa_clamp(step, -STEP_MAX, STEP_MAX);
    uint32_t y = sdfa_random(&state);
    sdfa_move_bias(s, r, i, step * (1 << EXTRA_BITS), y);
    for (;; y = sdfa_random(&state)) {
        const int8_t *end = (uint32_t)(r->end - x) > SDFA_WORDS_N ? x + SDFA_WORDS_N : r->end;
        int32_t part = sdfa_clamp(to_go, -SDFA_WORDS_STEP, SDFA_WORDS_STEP);
        s->stats.moved += move_some(s, w, x, end, r->zero_point, whole, part, y);
        to_go -= part;
        if (to_go)
            continue;
        if (end == r->end)
            return state;
        to_go = step;
        w += end - x;
        x = end;
    }
}

SDFA_LEAN static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    const struct sdfa_rows r = sdfa_rows_of(s, l, EXTRA_BITS);
    const uint32_t whole = r.zero_point == -128 && (((uintptr_t)r.weights | r.in_n) & 3u) == 0;
    const int32_t bias_mant = r.layer->bias_mant;
    const uint32_t bias_shift = (uint32_t)(BITS - r.layer->bias_exp);
    /* of steps of rows that move in short: from - SDFA_WORDS_STEP on */
    const uint32_t near_n = whole && r.in_n <= SDFA_WORDS_N && bias_shift - 1u < 30u ? 2 * SDFA_WORDS_STEP + 1 : 0;
    uint32_t random = s->random, nonzero = 0, stayed = 0, moved = 0;
    for (uint32_t i = 0; i < r.out_n; i++) {
        int32_t step = d[i];
        if (!step)
            continue;
        nonzero++;
        step = sdfa_row_step(&r, &random, i, step, EXTRA_BITS);
        if (!step) {
            stayed++;
            continue;
        }
        if (SDFA_LIKELY((uint32_t)step + SDFA_WORDS_STEP < near_n)) { /* as move_row, in short */
            uint32_t state = random, y = sdfa_random(&state);
            int32_t change = (step * bias_mant + (int32_t)(y >> (32 - bias_shift))) >> bias_shift;
            int32_t bias = sdfa_wrap_add(r.bias[i], change); /* not wrapped, if it is in -2^30 .. 2^30 - 1 */
            if (SDFA_LIKELY((bias ^ sdfa_wrap_shl(bias, 1)) >= 0)) {
                int8_t *w = r.weights + i * r.in_n;
                uint32_t sum = sdfa_move_words(w, r.input, r.end, step, y);
                if (SDFA_LIKELY(sum != SDFA_PASSED)) {
                    random = state;
                    r.bias[i] = bias;
                    moved += sum;
                    continue;
                }
            }
        }
        random = move_row(s, &r, i, whole, step, random);
    }
    s->random = random;
    s->stats.moved += moved;
    sdfa_count_rows(s, &r, nonzero, stayed);
}

const struct sdfa_update sdfa_update_int8 = {check, layer};

#if !SDFA_WORDS_THUMB2 && !SDFA_THUMB1

#define OCTETS  0x00ff00ffu
#define LEFTS   0x0fff0fffu
#define CHANGES 0xf000f000u
#define SIGNS   0x80808080u
#define ONES    0x01010101u

/* In halves of 16 bits: step * a + what was left, whose upper four bits are the change of a weight, the others what is
 * left. Weights stand as 128 + w or 127 - w, so that they only grow, and only the clamp stands in the way of a byte.
 * Returns the sums of every fourth's changes, byte by byte; the upper bits of *passed tell which passed. */
static uint32_t move_all(uint32_t *passed, int8_t *weights, const int8_t *x, const int8_t *end, int32_t step,
                         uint32_t random) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)x;
    const uint32_t flip = step < 0 ? ~SIGNS : SIGNS, one = step < 0 ? ONES : 0;
    uint32_t size = (uint32_t)(step < 0 ? -step : step), even = random & LEFTS, odd = random >> 4 & LEFTS;
    uint32_t sum = 0, lost = 0;
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
        lost |= v & ~(change + one);
    }
    *passed = lost & SIGNS;
    return sum;
}

uint32_t sdfa_move_words(int8_t *w, const int8_t *x, const int8_t *end, int32_t step, uint32_t random) {
    uint32_t passed, sum = move_all(&passed, w, x, end, step, random);
    if (passed) { /* back again */
        (void)move_all(&passed, w, x, end, -step, random);
        return SDFA_PASSED;
    }
    sum = (sum & OCTETS) + (sum >> 8 & OCTETS);
    return (sum + (sum >> 16)) & 0xffffu;
}

#endif
