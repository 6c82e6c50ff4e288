/* Decay towards the factory weights (SPEC.md 4.6). */
#include "sdfa_decay.h"
#include "sdfa_internal.h"

/* One row and its factory values. fraction: offset from a weight to its fraction; 0: there are none. */
struct row {
    int8_t *w;
    const int8_t *factory;
    uint32_t n, fraction;
};

static void decay_weight(const struct row *r, uint32_t j, int32_t lambda, int32_t dither) {
    int32_t way = r->factory[j] - r->w[j];
    r->w[j] = (int8_t)(r->w[j] + ((way * lambda + dither) >> 16));
}

/* Of two masters each value between is one too. */
static void decay_master(const struct row *r, uint32_t j, int32_t lambda, int32_t dither) {
    int8_t *w = r->w + j, *fraction = w + r->fraction;
    int32_t master = *w * 256 + *fraction, way = r->factory[j] * 256 + r->factory[j + r->fraction] - master;
    master += (int32_t)(((int64_t)way * lambda + dither) >> 16);
    *w = (int8_t)((master + 128) >> 8);
    *fraction = (int8_t)(master - *w * 256);
}

static void decay_weights(struct sdfa *s, const struct row *r, int32_t lambda) {
    uint32_t random = 0;
    for (uint32_t j = 0; j < r->n; j++) {
        random = j & 3u ? random >> 8 | random << 24 : sdfa_random(&s->random);
        if (r->fraction)
            decay_master(r, j, lambda, (int32_t)(random & 0xffffu));
        else
            decay_weight(r, j, lambda, (int32_t)(random & 0xffffu));
    }
}

static void decay_row(struct sdfa *s, const struct sdfa_dense_op *op, uint32_t i, int32_t lambda) {
    const struct row r = {(int8_t *)s->tail_ram + op->weights + i * op->in_n,
                          (const int8_t *)s->factory + op->weights + i * op->in_n, op->in_n,
                          sdfa_learning_of(s)->master_bits ? sdfa_fractions_at(op) - op->weights : 0};
    sdfa_i32 *bias = (sdfa_i32 *)(void *)(s->tail_ram + op->bias) + i;
    const sdfa_i32 *factory = (const sdfa_i32 *)(const void *)(s->factory + op->bias) + i;
    int64_t way = (int64_t)*factory - *bias;
    int64_t b = *bias + ((way * lambda + (sdfa_random(&s->random) >> 16)) >> 16);
    decay_weights(s, &r, lambda);
    *bias = (int32_t)(b > SDFA_BIAS_MAX ? SDFA_BIAS_MAX : b < -SDFA_BIAS_MAX ? -SDFA_BIAS_MAX : b);
}

/* The factory knows no weights of a class that was added later. */
static int is_spare(const struct sdfa *s, const struct sdfa_dense_op *op, uint32_t i) {
    return ((const sdfa_i32 *)(const void *)(s->factory + op->bias))[i] < -SDFA_BIAS_MAX;
}

int sdfa_decay(struct sdfa *s, uint32_t lambda_q16) {
    if (!s->tail_ram)
        return SDFA_ERR_FROZEN;
    if (lambda_q16 > 65535)
        return SDFA_ERR_RATE;
    for (uint32_t l = 0; l < sdfa_learning_of(s)->layer_n; l++) {
        const struct sdfa_dense_op *op = sdfa_layer_op(s, l);
        for (uint32_t i = 0; i < op->out_n && sdfa_learns(s, l); i++)
            if (!is_spare(s, op, i))
                decay_row(s, op, i, (int32_t)lambda_q16);
    }
    sdfa_tail_changed(s);
    return SDFA_ERR_OK;
}
