/* int8 weights that move by whole units (SPEC.md 3.4). */
#include "sdfa_update.h"

static void move_weight(int8_t *w, int32_t change, struct sdfa_tally *t) {
    int32_t old = *w, v = old + change;
    if (v > SDFA_WEIGHT_MAX || v < -SDFA_WEIGHT_MAX) {
        t->stopped++;
        v = v > 0 ? SDFA_WEIGHT_MAX : -SDFA_WEIGHT_MAX;
    }
    *w = (int8_t)v;
    t->sum += (uint32_t)(v - old);
    t->moved += (uint32_t)(v < old ? old - v : v - old);
}

/* One weight; offset: what is added to step * q before the fraction is cut off. */
static inline void update_weight(int8_t *w, int32_t step, int32_t q, uint32_t offset, struct sdfa_tally *t) {
    int32_t change = (int32_t)((uint32_t)(step * q) + offset) >> 16;
    if (change)
        move_weight(w, change, t);
}

/* All weights of a row. One random word serves four of them, in turns of 8 bits. */
static struct sdfa_tally update_weights(struct sdfa *s, const struct sdfa_rows *r, int8_t *w, int32_t step) {
    struct sdfa_tally t = {0, 0, 0};
    const int8_t *q = r->input;
    uint32_t base = (uint32_t)(-step * r->zero_point), state = s->random, n = r->op->in_n, random;
    for (; n >= 4; n -= 4, q += 4, w += 4) {
        random = sdfa_random(&state);
        update_weight(w, step, q[0], base + (uint16_t)random, &t);
        update_weight(w + 1, step, q[1], base + (uint16_t)(random >> 8), &t);
        update_weight(w + 2, step, q[2], base + (random >> 16), &t);
        update_weight(w + 3, step, q[3], base + (uint16_t)(random >> 24 | random << 8), &t);
    }
    if (n)
        for (random = sdfa_random(&state); n; n--, random = random >> 8 | random << 24)
            update_weight(w++, step, *q++, base + (uint16_t)random, &t);
    s->random = state;
    return t;
}

static void move_row(struct sdfa *s, const struct sdfa_rows *r, uint32_t i, int32_t step) {
    int64_t bias_step = sdfa_bias_step(s, r->layer, step);
    struct sdfa_tally t = update_weights(s, r, (int8_t *)s->tail_ram + r->op->weights + i * r->op->in_n, step);
    sdfa_row_moved(s, r, i, bias_step, &t);
}

static int check(const struct sdfa *s) {
    (void)s; /* the check of DENSE looks at them */
    return SDFA_ERR_OK;
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    const struct sdfa_rows r = sdfa_rows_of(s, l);
    for (uint32_t i = 0; i < r.op->out_n; i++) {
        int32_t step = sdfa_row_step(s, &r, i, d[i]);
        if (step)
            move_row(s, &r, i, step);
    }
}

const struct sdfa_update sdfa_update_int8 = {check, layer};
