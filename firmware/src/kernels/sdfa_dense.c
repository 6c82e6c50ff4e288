/* DENSE (SPEC.md 1.4, 2.2), also the trainable layers. */
#include "sdfa_matvec.h"

/* Whether plain rows pass over zeros; other cores do not look at the second biases. */
#define SDFA_PASSES_ZEROS (SDFA_THUMB1 || SDFA_THUMB2)

/* Of a layer that learns, or keeps its accumulators. */
static int tail_ok(const struct sdfa *s, const struct sdfa_dense_op *p) {
    uint32_t whole = p->flags & SDFA_LAYER_TAIL ? s->tail_len : s->data_len;
    return p->rows == 1 && !(p->flags & (SDFA_LAYER_PACKED | SDFA_LAYER_ZEROS)) &&
           (!(p->flags & SDFA_LAYER_KEEP) || sdfa_in_arena(s, p->acc, p->out_n, 4)) &&
           sdfa_rows_ok(s, (const struct sdfa_rows_op *)p, p->out_n, p->in_n, whole, p->flags);
}

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_dense_op *p = (const struct sdfa_dense_op *)op;
    uint64_t in_n = (uint64_t)p->rows * p->in_n, out_n = (uint64_t)p->rows * p->out_n;
    if ((in_n ^ sdfa_tensor_len(in)) | (out_n ^ sdfa_tensor_len(out)) || !sdfa_act_ok(p->act_min, p->act_max))
        return 0;
    if (p->flags & (SDFA_LAYER_TAIL | SDFA_LAYER_KEEP))
        return tail_ok(s, p);
    if (SDFA_PASSES_ZEROS && (p->flags & SDFA_LAYER_ZEROS) && !sdfa_items_in(p->bias, p->out_n, 8, s->data_len))
        return 0;
    return sdfa_rows_ok(s, (const struct sdfa_rows_op *)op, p->out_n, p->in_n, s->data_len, p->flags);
}

/* The zero point, where the bias that m is to have does not hold it. */
static void take_zero(struct sdfa_matvec *m, const struct sdfa *s, const struct sdfa_dense_op *p) {
    uint32_t open = p->flags & SDFA_LAYER_TAIL;
    if (SDFA_PASSES_ZEROS && (p->flags & (SDFA_LAYER_ZEROS | SDFA_LAYER_PACKED)) == SDFA_LAYER_ZEROS) {
        m->bias += p->out_n;
        open = 1;
    }
    m->input_zero = open ? sdfa_tensor_at(s, p->op.in)->zero_point : 0;
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
    take_zero(&m, s, p);
    return m;
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_dense_op *p = (const struct sdfa_dense_op *)op;
    const struct sdfa_matvec m = rows_of(s, p);
    const int8_t *in = sdfa_values(s, op->in);
    int8_t *out = sdfa_values(s, op->out);
    uint32_t rows = p->rows; /* not 0, as no tensor is empty */
    do {
        if (m.packed_n)
            sdfa_matvec_packed(out, &m, in);
        sdfa_matvec_plain(out, &m, in);
        in += m.in_n;
        out += m.out_n;
    } while (--rows);
}

const struct sdfa_kernel sdfa_kernel_dense = {SDFA_DENSE, sizeof(struct sdfa_dense_op), check, run};
