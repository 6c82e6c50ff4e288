/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_words.h"

#define EXTRA_BITS 4                 /* steps are Q12 */
#define BITS       (16 - EXTRA_BITS) /* of fraction */
#define DITHER     ((1u << BITS) - 1u)
#define FAR_MAX    4095 /* the largest step of move_far */

/* No memory but the tail. */
SDFA_COLD static int check(const struct sdfa *s) {
    (void)s;
    return SDFA_ERR_OK;
}

static inline uint32_t size_of(int32_t v) {
    return (uint32_t)(v < 0 ? -v : v);
}

/* A weight, whatever it and the step are. dither: 0 .. DITHER. */
static void move_weight(struct sdfa *s, int8_t *w, int32_t activation, int32_t step, uint32_t dither) {
    int32_t old = *w, change = ((int32_t)size_of(step) * activation + (int32_t)dither) >> BITS;
    int32_t v = step < 0 ? old - change : old + change;
    if (change && size_of(v) > SDFA_INT8_MAX) {
        s->stats.saturated_weights++;
        v = v > 0 ? SDFA_INT8_MAX : -SDFA_INT8_MAX;
    }
    s->stats.moved += size_of(v - old);
    *w = (int8_t)v;
}

/* Weights from w on, one after the other. One random word serves four of them: the first and the third take its bits
 * 0 .. 11 and 16 .. 27, the others bits 4 .. 15 and 20 .. 31. */
SDFA_COLD static void move_exactly(struct sdfa *s, struct sdfa_move *m, int8_t *w, const int8_t *x, const int8_t *end,
                                   int32_t zero_point) {
    uint32_t y = 0;
    for (uint32_t j = 0; x != end; j++, x++, w++) {
        y = j & 3u ? y >> (j & 1u ? 4 : 12) : sdfa_random(&m->random);
        move_weight(s, w, *x - zero_point, m->step, y & DITHER);
    }
}

#define OCTETS  0x00ff00ffu
#define DITHERS 0x0fff0fffu
#define SIGNS   0x80808080u
#define ONES    0x01010101u

/* As sdfa_move_words, for steps up to FAR_MAX. In halves of 16 bits: step * a + dither, whose upper byte is the change of a
 * weight; the step in two parts, of which the lower has four bits. Weights stand as 128 + w or 127 - w, so that they only
 * grow. */
static uint32_t move_far(int8_t *weights, const int8_t *x, const int8_t *end, struct sdfa_move *m) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)x;
    const uint32_t flip = m->step < 0 ? ~SIGNS : SIGNS, one = m->step < 0 ? ONES & OCTETS : 0;
    uint32_t size = size_of(m->step), high = size >> 4, low = size & 15u, state = m->random, moved = 0, passed = 0;
    for (; q != (const sdfa_u32 *)(const void *)end; w++) {
        uint32_t a = *q++ ^ SIGNS, y = sdfa_random(&state), even = a & OCTETS, odd = (a >> 8) & OCTETS, v = *w ^ flip;
        even = (even * high + ((even * low + (y & DITHERS)) >> 4 & DITHERS)) >> 8 & OCTETS;
        odd = (odd * high + ((odd * low + (y >> 4 & DITHERS)) >> 4 & DITHERS)) >> 8 & OCTETS;
        moved += even + odd;
        even += v & OCTETS;
        odd += v >> 8 & OCTETS;
        passed |= (even + one) | (odd + one);
        *w = ((even & OCTETS) | (odd & OCTETS) << 8) ^ flip;
    }
    m->random = state;
    return passed & ~OCTETS ? SDFA_PASSED : (moved & 0xffffu) + (moved >> 16);
}

/* At most SDFA_WORDS_N weights, in whole words. */
static uint32_t move_some(int8_t *w, const int8_t *x, const int8_t *end, struct sdfa_move *m) {
    if (size_of(m->step) > SDFA_WORDS_STEP)
        return move_far(w, x, end, m);
    return sdfa_move_words(w, x, end, m);
}

/* The same again, when a clamp stopped some of them. random: the state of the generator before it. */
SDFA_COLD static void move_again(struct sdfa *s, struct sdfa_move *m, int8_t *w, const int8_t *x, const int8_t *end,
                                 uint32_t random) {
    struct sdfa_move back = {random, -m->step};
    (void)move_some(w, x, end, &back);
    m->random = random;
    move_exactly(s, m, w, x, end, -128);
}

/* A row of whole words of activations 0 .. 255. */
static void move_long(struct sdfa *s, struct sdfa_move *m, int8_t *w, const int8_t *x, const int8_t *last) {
    while (x != last) {
        uint32_t random = m->random, moved;
        const int8_t *end = (uint32_t)(last - x) > SDFA_WORDS_N ? x + SDFA_WORDS_N : last;
        moved = move_some(w, x, end, m);
        if (moved != SDFA_PASSED)
            s->stats.moved += moved;
        else
            move_again(s, m, w, x, end, random);
        w += end - x;
        x = end;
    }
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    struct sdfa_rows r = sdfa_rows_of(s, l, d, EXTRA_BITS);
    struct sdfa_move m = {s->random, 0};
    int8_t *w;
    uint32_t whole = r.zero_point == -128 && (((uintptr_t)r.weights | r.in_n) & 3u) == 0;
    uint32_t near = whole && r.in_n - 1u < SDFA_WORDS_N ? SDFA_WORDS_STEP : 0, random;
    while (sdfa_next_row(s, &r, &m, &w, EXTRA_BITS)) {
        random = m.random;
        if (SDFA_LIKELY(size_of(m.step) <= near)) {
            uint32_t moved = sdfa_move_words(w, r.input, r.input + r.in_n, &m);
            if (SDFA_LIKELY(moved != SDFA_PASSED))
                s->stats.moved += moved;
            else
                move_again(s, &m, w, r.input, r.input + r.in_n, random);
        } else if (whole && size_of(m.step) <= FAR_MAX) {
            move_long(s, &m, w, r.input, r.input + r.in_n);
        } else {
            move_exactly(s, &m, w, r.input, r.input + r.in_n, r.zero_point);
        }
    }
    sdfa_rows_end(s, &r, &m);
}

const struct sdfa_update sdfa_update_int8 = {check, layer};

#if !SDFA_DSP && !SDFA_THUMB2

/* As move_far: the upper four bits are the change, and only the clamp stands in the way of a byte. */
uint32_t sdfa_move_words(int8_t *weights, const int8_t *x, const int8_t *end, struct sdfa_move *m) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)x;
    const uint32_t flip = m->step < 0 ? ~SIGNS : SIGNS, one = m->step < 0 ? ONES : 0, nibble = 0xf000f000u;
    uint32_t size = size_of(m->step), state = m->random, sum = 0, passed = 0;
    for (; q != (const sdfa_u32 *)(const void *)end; w++) {
        uint32_t a = *q++ ^ SIGNS, y = sdfa_random(&state), d, v;
        d = ((a >> 8 & OCTETS) * size + (y >> 4 & DITHERS)) & nibble;
        d |= (((a & OCTETS) * size + (y & DITHERS)) & nibble) >> 8;
        d >>= 4;
        sum += d;
        v = *w ^ flip;
        d += v;
        *w = d ^ flip;
        passed |= v & ~(d + one);
    }
    m->random = state;
    if (passed & SIGNS)
        return SDFA_PASSED;
    sum = (sum & OCTETS) + (sum >> 8 & OCTETS);
    return (sum + (sum >> 16)) & 0xffffu;
}

#endif
