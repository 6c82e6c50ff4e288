/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_update.h"

#include <string.h>

#define EXTRA_BITS 4                 /* steps are Q12 */
#define BITS       (16 - EXTRA_BITS) /* of fraction */
#define DITHER     ((1u << BITS) - 1u)
#define STEP_MAX   240 /* the largest step with which four weights may move together: 240 * 255 + 4095 < 2^16 */
#define UNKNOWN    255 /* of a bound */

/* Bounds of the weights of each row of layer l, over all rows of the layers before it. */
static uint8_t *bounds_of(const struct sdfa *s, uint32_t l) {
    uint8_t *bound = s->arena + sdfa_learning_of(s)->bounds;
    for (uint32_t i = 0; i < l; i++)
        bound += sdfa_layer_op(s, i)->out_n;
    return bound;
}

static int check(const struct sdfa *s) {
    uint32_t rows = 0;
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++) {
        uint32_t n = sdfa_layer_op(s, l)->out_n; /* each has a bias in the tail: no sum of them overflows */
        rows += n;
    }
    return sdfa_in_arena(s, sdfa_learning_of(s)->bounds, rows, 1) ? SDFA_ERR_OK : SDFA_ERR_LEARNING;
}

static void start(const struct sdfa *s) {
    uint8_t *bound = bounds_of(s, 0);
    memset(bound, UNKNOWN, (size_t)(bounds_of(s, sdfa_learning_of(s)->layer_n) - bound));
}

/* A row while its weights move, one by one. */
struct row {
    uint32_t moved, stopped, largest;
    int32_t size, negative; /* of the step: 1 ..., 0 or -1 */
};

static inline uint32_t size_of(int32_t v) {
    return (uint32_t)(v < 0 ? -v : v);
}

static inline void move_weight(struct row *r, int8_t *w, int32_t a, uint32_t dither) {
    int32_t old = *w, change = (r->size * a + (int32_t)(dither & DITHER)) >> BITS;
    int32_t v = old + ((change ^ r->negative) - r->negative);
    if (change && size_of(v) > SDFA_INT8_MAX) {
        r->stopped++;
        v = v > 0 ? SDFA_INT8_MAX : -SDFA_INT8_MAX;
    }
    r->moved += size_of(v - old);
    r->largest = size_of(v) > r->largest ? size_of(v) : r->largest;
    *w = (int8_t)v;
}

/* All weights of a row, whatever they and the step are. One random word serves four of them: the first and the third take
 * its bits 0 .. 11 and 16 .. 27, the others bits 4 .. 15 and 20 .. 31. */
static void move_one_by_one(struct sdfa *s, const struct sdfa_rows *rows, int8_t *w, struct row *row) {
    static const uint8_t place[4] = {0, 4, 16, 20};
    const int8_t *q = rows->input;
    const int32_t z = rows->zero_point;
    struct row r = *row; /* in registers */
    uint32_t n = rows->op->in_n, x = s->random, y = 0;
    for (; n >= 4; n -= 4, w += 4, q += 4) {
        y = sdfa_random(&x);
        move_weight(&r, w, q[0] - z, y);
        move_weight(&r, w + 1, q[1] - z, y >> 4);
        move_weight(&r, w + 2, q[2] - z, y >> 16);
        move_weight(&r, w + 3, q[3] - z, y >> 20);
    }
    if (n)
        y = sdfa_random(&x);
    for (uint32_t j = 0; j < n; j++)
        move_weight(&r, w + j, q[j] - z, y >> place[j]);
    s->random = x;
    *row = r;
}

static void move_row(struct sdfa *s, const struct sdfa_rows *rows, uint32_t i, int32_t step, uint8_t *bound) {
    int64_t bias_step = sdfa_bias_step(s, rows->layer, step * (1 << EXTRA_BITS));
    int8_t *w = (int8_t *)s->tail_ram + rows->op->weights + i * rows->op->in_n;
    struct row r = {0, 0, 0, step < 0 ? -step : step, step < 0 ? -1 : 0};
    uint32_t most = ((uint32_t)r.size * 255u + DITHER) >> BITS;
    if (rows->even && r.size <= STEP_MAX && *bound + most <= SDFA_INT8_MAX) {
        r.moved = sdfa_move_words(w, rows->input, rows->op->in_n, step, &s->random);
        r.largest = *bound + most;
    } else {
        move_one_by_one(s, rows, w, &r);
    }
    *bound = (uint8_t)r.largest;
    sdfa_row_moved(s, rows, i, bias_step, r.moved, r.stopped);
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    const struct sdfa_rows r = sdfa_rows_of(s, l);
    uint8_t *bound = bounds_of(s, l);
    for (uint32_t i = 0; i < r.op->out_n; i++) {
        int32_t step = sdfa_row_step(s, &r, i, d[i], EXTRA_BITS);
        if (step)
            move_row(s, &r, i, step, bound + i);
    }
}

const struct sdfa_update sdfa_update_int8 = {start, check, layer};

#if !SDFA_DSP

/* In halves of 16 bits: step * a + dither, whose upper four bits are the change of a weight. */
uint32_t sdfa_move_words(int8_t *weights, const int8_t *inputs, uint32_t n, int32_t step, uint32_t *state) {
    const uint32_t dither = 0x0fff0fffu, octet = 0x00ff00ffu, nibble = 0x000f000fu;
    sdfa_u32 *w = (sdfa_u32 *)(void *)weights;
    const sdfa_u32 *q = (const sdfa_u32 *)(const void *)inputs;
    const uint32_t flip =
        step < 0 ? 0x7f7f7f7fu : 0x80808080u; /* unsigned bytes; to subtract is to add to the complement */
    uint32_t size = (uint32_t)(step < 0 ? -step : step), x = *state, moved = 0;
    while (n) {
        uint32_t sum = 0, some = n > 64 ? 64 : n; /* 16 changes of 15 still fit into a byte */
        n -= some;
        for (some /= 4; some; some--) {
            uint32_t a = *q++ ^ 0x80808080u, y, d;
            x = x * 747796405u + 2891336453u;
            y = x ^ x >> 16;
            d = (((a & octet) * size + (y & dither)) >> 12) & nibble;
            d |= ((((a >> 8) & octet) * size + ((y >> 4) & dither)) >> 4) & nibble << 8;
            sum += d;
            *w = ((*w ^ flip) + d) ^ flip;
            w++;
        }
        sum = (sum & octet) + ((sum >> 8) & octet);
        moved += (sum + (sum >> 16)) & 0xffffu;
    }
    *state = x;
    return moved;
}

#endif
