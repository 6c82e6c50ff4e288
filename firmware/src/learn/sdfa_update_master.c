/* 16-bit master weights, for training from scratch (SPEC.md 1.5, 3.4): master = 256 * weight + fraction. Inference reads
 * the int8 weights alone. */
#include "sdfa_update.h"

#define FRACTION   (1 << SDFA_MASTER_BITS)
#define MASTER_MAX (SDFA_INT8_MAX * FRACTION + FRACTION / 2 - 1) /* the largest that rounds to 127 */
#define MASTER_MIN (-SDFA_INT8_MAX * FRACTION - FRACTION / 2)    /* the smallest that rounds to -127 */

SDFA_COLD static int check(const struct sdfa *s) {
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++) {
        const struct sdfa_dense_op *op = sdfa_layer_op(s, l); /* whose weights lie in the tail */
        if (!sdfa_in_range(sdfa_fractions_at(op), op->in_n * op->out_n, s->tail_len))
            return SDFA_ERR_LEARNING;
    }
    return SDFA_ERR_OK;
}

/* What happened to a row's weights: sum of the sizes of changes, weights that the clamp stopped. */
struct tally {
    uint32_t moved, stopped;
};

static void move_weight(int8_t *w, int8_t *fraction, int32_t change, struct tally *t) {
    int32_t old = *w, master = old * FRACTION + *fraction + change, v;
    if (master > MASTER_MAX || master < MASTER_MIN) {
        t->stopped++;
        master = master > 0 ? MASTER_MAX : MASTER_MIN;
    }
    v = (master + FRACTION / 2) >> SDFA_MASTER_BITS;
    *w = (int8_t)v;
    *fraction = (int8_t)(master - v * FRACTION);
    t->moved += (uint32_t)(v < old ? old - v : v - old);
}

/* All weights of a row by a step in Q16; returns the generator's state. Each of the four bytes of a random word serves one
 * of them. */
static uint32_t move_row(struct sdfa *s, const struct sdfa_rows *r, int8_t *w, int8_t *f, int32_t step,
                         uint32_t state) {
    uint32_t random = 0;
    struct tally t = {0, 0};
    for (uint32_t j = 0; j < r->in_n; j++, random >>= 8) {
        int32_t change;
        if ((j & 3u) == 0)
            random = sdfa_random(&state);
        change = (step * (r->input[j] - r->zero_point) + (int32_t)(random & 0xffu)) >> 8;
        if (change)
            move_weight(w + j, f + j, change, &t);
    }
    s->stats.moved += t.moved;
    s->stats.saturated_weights += t.stopped;
    return state;
}

static void layer(struct sdfa *s, uint32_t l, const sdfa_i16 *d) {
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
    const struct sdfa_rows r = sdfa_rows_of(s, l, 0);
    int8_t *fractions = (int8_t *)s->tail_ram + sdfa_fractions_at(op);
    uint32_t random = s->random, nonzero = 0, stayed = 0;
    for (uint32_t i = 0; i < r.out_n; i++) {
        int32_t step;
        if (!d[i])
            continue;
        nonzero++;
        step = sdfa_row_step(&r, &random, i, d[i], 0);
        if (!step) {
            stayed++;
            continue;
        }
        sdfa_move_bias(s, &r, i, step, sdfa_random(&random));
        random = move_row(s, &r, r.weights + i * r.in_n, fractions + i * r.in_n, step, random);
    }
    s->random = random;
    sdfa_count_rows(s, &r, nonzero, stayed);
}

const struct sdfa_update sdfa_update_master = {check, layer};
