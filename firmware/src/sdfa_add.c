/* ADD and its subtraction (SPEC.md 2.2). */
#include "sdfa_add.h"

static int factor_ok(int32_t mult, int32_t shift) {
    return mult >= 0 && shift >= -31 && shift <= 0;
}

static int check(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_add_op *p = (const struct sdfa_add_op *)op;
    if (!sdfa_same_shapes(s, op, p->in1) || !factor_ok(p->mult0, p->shift0) || !factor_ok(p->mult1, p->shift1) ||
        !factor_ok(p->mult_out, p->shift_out) || !sdfa_act_ok(p->act_min, p->act_max))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

#if !SDFA_MVE

void sdfa_add_values(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_add_op *p = (const struct sdfa_add_op *)op;
    const int8_t *a = sdfa_values(s, op->in), *b = sdfa_values(s, p->in1);
    int32_t za = sdfa_tensor_at(s, op->in)->zero_point, zb = sdfa_tensor_at(s, p->in1)->zero_point;
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->out);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t i = 0, n = sdfa_tensor_len(t); i < n; i++) {
        int32_t x = sdfa_mbqm((a[i] - za) * (1 << 20), p->mult0, p->shift0);
        int32_t y = sdfa_mbqm((b[i] - zb) * (1 << 20), p->mult1, p->shift1);
        int32_t sum = p->flags & SDFA_ADD_SUBTRACT ? x - y : x + y;
        out[i] = sdfa_requantize(sum, p->mult_out, p->shift_out, t->zero_point, p->act_min, p->act_max);
    }
}

#endif

const struct sdfa_kernel sdfa_kernel_add = {SDFA_ADD, sizeof(struct sdfa_add_op), check, sdfa_add_values};
