/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_update.h"

#include "sdfa_core.h"

#define EXTRA_BITS 4                 /* steps are Q12 */
#define BITS       (16 - EXTRA_BITS) /* of fraction */
#define DITHER     ((1u << BITS) - 1u)
#define WORDS_MAX  240  /* the largest step of sdfa_move_words: 240 * 255 + 4095 < 2^16 */
#define FAR_MAX    4095 /* and of sdfa_move_far */

/* What is known of a row: no weight is larger than its bound, which is a byte in the arena. Beyond the clamp it counts down
 * how many times more the row moves before it is looked at. */
#define UNKNOWN 255
#define AGAIN   (SDFA_INT8_MAX + 1) /* look now */
#define LATER   (AGAIN + 8)

SDFA_COLD static uint32_t row_n(const struct sdfa *s) {
    uint32_t rows = 0;
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++)
        rows += sdfa_layer_op(s, l)->out_n; /* each has a bias in the tail: no sum of them overflows */
    return rows;
}

SDFA_COLD static int check(const struct sdfa *s) {
    return sdfa_in_arena(s, sdfa_learning_of(s)->bounds, row_n(s), 1) ? SDFA_ERR_OK : SDFA_ERR_LEARNING;
}

SDFA_COLD static void start(const struct sdfa *s) {
    uint8_t *bound = s->arena + sdfa_learning_of(s)->bounds, *end = bound + row_n(s);
    for (; bound != end; bound++) {
        *bound = UNKNOWN;
        SDFA_LOOP(bound);
    }
}

static inline uint32_t size_of(int32_t v) {
    return (uint32_t)(v < 0 ? -v : v);
}

/* All weights of a row, whatever they and the step are. One random word serves four of them: the first and the third take
 * its bits 0 .. 11 and 16 .. 27, the others bits 4 .. 15 and 20 .. 31. */
static void move_one_by_one(struct sdfa *s, const struct sdfa_rows *r, int8_t *w, int32_t step) {
    int32_t size = step < 0 ? -step : step, y = 0;
    for (uint32_t j = 0; j < r->op->in_n; j++, w++) {
        int32_t old = *w, v, change;
        y = j & 3u ? (int32_t)((uint32_t)y >> (j & 1u ? 4 : 12)) : (int32_t)sdfa_random(&s->random);
        change = (size * (r->input[j] - r->zero_point) + (y & (int32_t)DITHER)) >> BITS;
        v = step < 0 ? old - change : old + change;
        if (change && size_of(v) > SDFA_INT8_MAX) {
            s->stats.saturated_weights++;
            v = v > 0 ? SDFA_INT8_MAX : -SDFA_INT8_MAX;
        }
        s->stats.moved += size_of(v - old);
        *w = (int8_t)v;
    }
}

/* No weight is larger. */
static uint8_t largest(const int8_t *w, uint32_t n) {
    int32_t high = 0, low = 0;
    for (const int8_t *end = w + n; w != end; w++) {
        high = *w > high ? *w : high;
        low = *w < low ? *w : low;
    }
    return (uint8_t)(high > -low ? high : -low);
}

static void move_row(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step) {
    const struct sdfa_dense_op *op = r->op;
    uint8_t *known = s->arena + sdfa_learning_of(s)->bounds + r->first + i;
    int8_t *w = (int8_t *)s->tail_ram + op->weights + i * op->in_n;
    uint32_t size = size_of(step), bound = *known;
    uint32_t most = (size * 255u + DITHER) >> BITS; /* that a weight can move */
    /* activations are 0 .. 255, and rows whole words */
    int even = r->zero_point == -128 && ((op->in_n | op->weights) & 3u) == 0;
    if (even && bound + most > SDFA_INT8_MAX && (bound <= AGAIN || bound == UNKNOWN))
        bound = largest(w, op->in_n);
    if (!even || size > FAR_MAX || bound == AGAIN) { /* or a weight is -128 */
        move_one_by_one(s, r, w, step);
        *known = UNKNOWN;
    } else if (bound + most <= SDFA_INT8_MAX && size <= WORDS_MAX) {
        s->stats.moved += sdfa_move_words(w, r->input, op->in_n, step, &s->random);
        *known = (uint8_t)(bound + most);
    } else {
        s->stats.moved += sdfa_move_far(w, r->input, op->in_n, step, &s->random, &s->stats.saturated_weights);
        if (bound > AGAIN)
            *known = (uint8_t)(bound - 1);
        else
            *known = (uint8_t)(bound + most > SDFA_INT8_MAX ? LATER : bound + most);
    }
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    sdfa_move_rows(s, l, d, EXTRA_BITS, move_row);
}

const struct sdfa_update sdfa_update_int8 = {start, check, layer};

#define OCTETS  0x00ff00ffu
#define DITHERS 0x0fff0fffu
#define SIGNS   0x80808080u

/* In halves of 16 bits: step * a + dither, whose upper byte is the change of a weight; the step in two parts, of which the
 * lower has four bits. Weights stand as 128 + w or 128 - w, so that they only grow, up to 255. */
uint32_t sdfa_move_far(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state,
                       uint32_t *stopped) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)inputs, *end = q + n / 4;
    const uint32_t flip = step < 0 ? ~SIGNS : SIGNS, one = step < 0 ? 0x01010101u : 0;
    uint32_t size = size_of(step), high = size >> 4, low = size & 15u, x = *state, moved = 0, beyond = 0;
    for (; q != end; w++) {
        uint32_t a = *q++ ^ SIGNS, y = sdfa_random(&x), even = a & OCTETS, odd = (a >> 8) & OCTETS, old, v;
        even = even * high + ((even * low + (y & DITHERS)) >> 4 & DITHERS);
        odd = odd * high + ((odd * low + (y >> 4 & DITHERS)) >> 4 & DITHERS);
        old = (*w ^ flip) + one;
        even = (old & OCTETS) + (even >> 8 & OCTETS);
        odd = (old >> 8 & OCTETS) + (odd >> 8 & OCTETS);
        a = even >> 8 & 0x00010001u;
        y = odd >> 8 & 0x00010001u;
        beyond += a + y;
        even = (even | ((a << 8) - a)) & OCTETS;
        odd = (odd | ((y << 8) - y)) & OCTETS;
        v = even | odd << 8;
        *w = (v - one) ^ flip;
        v = even + odd - (old & OCTETS) - (old >> 8 & OCTETS); /* not one half of it is negative */
        moved += (v & 0xffffu) + (v >> 16);
    }
    *state = x;
    *stopped += (beyond & 0xffffu) + (beyond >> 16);
    return moved;
}

#if SDFA_DSP || SDFA_THUMB2

/* sdfa_update_dsp.c, sdfa_update_thumb.c: as sdfa_move_words, for n up to 64: sums of changes stay inside a byte. */
uint32_t sdfa_move_some(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state);

#else

/* The same for small steps: the upper four bits are the change, and no byte overflows. */
static uint32_t sdfa_move_some(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state) {
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)inputs, *end = q + n / 4;
    const uint32_t flip = step < 0 ? ~SIGNS : SIGNS, nibble = 0xf000f000u;
    uint32_t size = size_of(step), x = *state, sum = 0;
    for (; q != end; w++) {
        uint32_t a = *q++ ^ SIGNS, y = sdfa_random(&x), d;
        d = ((a >> 8 & OCTETS) * size + (y >> 4 & DITHERS)) & nibble;
        d |= (((a & OCTETS) * size + (y & DITHERS)) & nibble) >> 8;
        d >>= 4;
        sum += d;
        *w = ((*w ^ flip) + d) ^ flip;
    }
    *state = x;
    sum = (sum & OCTETS) + (sum >> 8 & OCTETS);
    return (sum + (sum >> 16)) & 0xffffu;
}

#endif

uint32_t sdfa_move_words(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state) {
    uint32_t moved = 0;
    for (; n > 64; n -= 64, weights += 64, inputs += 64)
        moved += sdfa_move_some(weights, inputs, 64, step, state);
    return moved + sdfa_move_some(weights, inputs, n, step, state);
}
