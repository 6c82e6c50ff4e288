/* MUL (SPEC.md 2.2). */
#include "sdfa_internal.h"

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_mul_op *p = (const struct sdfa_mul_op *)op;
    return sdfa_same_shapes(s, in, p->in1, out) && p->mult >= 0 && p->shift >= -31 && p->shift <= 30 &&
           sdfa_act_ok(p->act_min, p->act_max);
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_mul_op *p = (const struct sdfa_mul_op *)op;
    const int8_t *a = sdfa_values(s, op->in), *b = sdfa_values(s, p->in1);
    int32_t za = sdfa_tensor_at(s, op->in)->zero_point, zb = sdfa_tensor_at(s, p->in1)->zero_point;
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->out);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t i = 0, n = sdfa_tensor_len(t); i < n; i++)
        out[i] = sdfa_requantize((a[i] - za) * (b[i] - zb), p->mult, p->shift, t->zero_point, p->act_min, p->act_max);
}

const struct sdfa_kernel sdfa_kernel_mul = {SDFA_MUL, sizeof(struct sdfa_mul_op), check, run};
