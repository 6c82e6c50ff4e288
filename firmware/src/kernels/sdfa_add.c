/* ADD and its subtraction (SPEC.md 2.2). */
#include "sdfa_add.h"

static int factor_ok(int32_t mult, int32_t shift) {
    return mult >= 0 && shift >= -31 && shift <= 0;
}

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_add_op *p = (const struct sdfa_add_op *)op;
    return sdfa_same_shapes(s, in, p->in1, out) && factor_ok(p->mult0, p->shift0) && factor_ok(p->mult1, p->shift1) &&
           factor_ok(p->mult_out, p->shift_out) && sdfa_act_ok(p->act_min, p->act_max);
}

#if !SDFA_MVE

/* One operand: its values and their way to the common scale. */
struct term {
    const int8_t *q;
    int32_t zero_point, mult, shift;
};

/* The operand with the larger scale is halved, exactly: srdhm(x, 2^30) = x / 2 for even x. */
static int is_half(const struct term *t) {
    return t->mult == 1 << 30 && t->shift == 0;
}

static inline int32_t half(const struct term *t, uint32_t i) {
    return (t->q[i] - t->zero_point) * (1 << 19);
}

static inline int32_t scaled(const struct term *t, uint32_t i) {
    return sdfa_mbqm((t->q[i] - t->zero_point) * (1 << 20), t->mult, t->shift);
}

/* As scaled, for a shift below 0. */
static inline int32_t rounded(const struct term *t, uint32_t i) {
    int32_t x = sdfa_srdhm_small((t->q[i] - t->zero_point) * (1 << 20), t->mult);
    return (((x + (x >> 31)) >> (-1 - t->shift)) + 1) >> 1;
}

struct sum {
    int8_t *out;
    const struct sdfa_add_op *p;
    int32_t zero_point;
    uint32_t n;
};

/* Any operands. */
static void add_any(const struct sum *s, const struct term *a, const struct term *b) {
    const struct sdfa_add_op *p = s->p;
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t x = scaled(a, i), y = scaled(b, i);
        s->out[i] = sdfa_requantize(p->flags & SDFA_ADD_SUBTRACT ? x - y : x + y, p->mult_out, p->shift_out,
                                    s->zero_point, p->act_min, p->act_max);
    }
}

/* What a sum of two terms, below 2^29, becomes without another clamp than int8. */
static inline int8_t finish(const struct sum *s, int32_t sum) {
    return sdfa_requantize_fast(sum, s->p->mult_out, s->p->shift_out, s->zero_point);
}

static void add_halves(const struct sum *s, const struct term *a, const struct term *b) {
    const struct sum t = *s;
    const struct term x = *a, y = *b;
    for (uint32_t i = 0; i < t.n; i++)
        t.out[i] = finish(&t, half(&x, i) + half(&y, i));
}

static void add_half(const struct sum *s, const struct term *a, const struct term *b) {
    const struct sum t = *s;
    const struct term x = *a, y = *b;
    for (uint32_t i = 0; i < t.n; i++)
        t.out[i] = finish(&t, half(&x, i) + rounded(&y, i));
}

typedef void add_fn(const struct sum *s, const struct term *a, const struct term *b);

/* The way for these operands; the half one comes first. */
static add_fn *choose(const struct sdfa_add_op *p, const struct term *half, const struct term *other) {
    if (p->flags || !is_half(half) || p->act_min != -128 || p->act_max != 127 || p->shift_out >= 0)
        return add_any;
    return is_half(other) ? add_halves : other->shift < 0 ? add_half : add_any;
}

static struct term term_of(const struct sdfa *s, uint32_t tensor, int32_t mult, int32_t shift) {
    struct term t;
    t.q = sdfa_values(s, tensor);
    t.zero_point = sdfa_tensor_at(s, tensor)->zero_point;
    t.mult = mult;
    t.shift = shift;
    return t;
}

void sdfa_add_values(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_add_op *p = (const struct sdfa_add_op *)op;
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->out);
    const struct term a = term_of(s, op->in, p->mult0, p->shift0), b = term_of(s, p->in1, p->mult1, p->shift1);
    struct sum sum;
    sum.out = sdfa_values(s, op->out);
    sum.p = p;
    sum.zero_point = t->zero_point;
    sum.n = sdfa_tensor_len(t);
    if (is_half(&a) || p->flags) /* the order matters to a subtraction */
        choose(p, &a, &b)(&sum, &a, &b);
    else
        choose(p, &b, &a)(&sum, &b, &a);
}

#endif

const struct sdfa_kernel sdfa_kernel_add = {SDFA_ADD, sizeof(struct sdfa_add_op), check, sdfa_add_values};
