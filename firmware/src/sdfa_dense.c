/* DENSE (SPEC.md 1.4, 2.2), also the trainable layers. */
#include "sdfa_matvec.h"

static int weights_ok(const struct sdfa *s, const struct sdfa_dense_op *p) {
    uint32_t n = sdfa_mul(p->in_n, p->out_n);
    if (!(p->flags & SDFA_LAYER_TAIL))
        return sdfa_in_data(s, p->weights, n, 1) && sdfa_in_data(s, p->bias, p->out_n, 4);
    return p->rows == 1 && ((p->weights | p->bias) & 3u) == 0 && sdfa_in_range(p->weights, n, s->tail_len) &&
           sdfa_in_range(p->bias, sdfa_mul(p->out_n, 4), s->tail_len);
}

static int check(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_dense_op *p = (const struct sdfa_dense_op *)op;
    if (p->in_n == 0 || p->out_n == 0 || sdfa_mul(p->rows, p->in_n) != sdfa_tensor_len(sdfa_tensor_at(s, op->in)) ||
        sdfa_mul(p->rows, p->out_n) != sdfa_tensor_len(sdfa_tensor_at(s, op->out)))
        return SDFA_ERR_OP;
    if (!weights_ok(s, p) || !sdfa_channels_ok(s, p->mult, p->shift, p->out_n, p->flags) ||
        !sdfa_act_ok(p->act_min, p->act_max))
        return SDFA_ERR_OP;
    if ((p->flags & SDFA_LAYER_KEEP) && (p->rows != 1 || !sdfa_in_arena(s, p->acc, p->out_n, 4)))
        return SDFA_ERR_OP;
    if ((p->flags & SDFA_LAYER_PACKED) && (p->flags & (SDFA_LAYER_TAIL | SDFA_LAYER_KEEP)))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

static struct sdfa_matvec rows_of(const struct sdfa *s, const struct sdfa_dense_op *p) {
    const uint8_t *base = p->flags & SDFA_LAYER_TAIL ? s->tail : s->data;
    struct sdfa_matvec m;
    m.weights = (const int8_t *)base + p->weights;
    m.bias = (const sdfa_i32 *)(const void *)(base + p->bias);
    m.mult = sdfa_data_i32(s, p->mult);
    m.shift = sdfa_data_i8(s, p->shift);
    m.keep = p->flags & SDFA_LAYER_KEEP ? (sdfa_i32 *)(void *)(s->arena + p->acc) : NULL;
    m.in_n = p->in_n;
    m.out_n = p->out_n;
    m.zero_point = sdfa_tensor_at(s, p->op.out)->zero_point;
    m.act_min = p->act_min;
    m.act_max = p->act_max;
    m.packed_n = p->flags & SDFA_LAYER_PACKED ? p->out_n & ~7u : 0;
    m.fast = sdfa_is_fast(p->flags, p->act_min, p->act_max);
    m.input_zero = p->flags & SDFA_LAYER_TAIL ? sdfa_tensor_at(s, p->op.in)->zero_point : 0;
    return m;
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_dense_op *p = (const struct sdfa_dense_op *)op;
    const struct sdfa_matvec m = rows_of(s, p);
    const int8_t *in = sdfa_values(s, op->in);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t r = 0; r < p->rows; r++, in += p->in_n, out += p->out_n) {
        if (m.packed_n)
            sdfa_matvec_packed(out, &m, in);
        sdfa_matvec_plain(out, &m, in);
    }
}

const struct sdfa_kernel sdfa_kernel_dense = {SDFA_DENSE, sizeof(struct sdfa_dense_op), check, run};
