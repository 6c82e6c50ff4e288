/* CONV (SPEC.md 2.2): each window once, then one row of weights per output channel. */
#include "sdfa_window.h"

static uint32_t taps(const struct sdfa *s, const struct sdfa_conv_op *p) {
    return sdfa_mul((uint32_t)p->kh * p->kw, sdfa_tensor_at(s, p->op.in)->c);
}

static int check(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    if (!sdfa_window_ok(s, p) || !sdfa_in_data(s, p->weights, taps(s, p), sdfa_tensor_at(s, op->out)->c))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

static void run_cell(const struct sdfa *s, const struct sdfa_conv_op *p, const int8_t *window, int8_t *out) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, p->op.out);
    const int8_t *w = sdfa_data_i8(s, p->weights), *shift = sdfa_data_i8(s, p->shift);
    const int32_t *bias = sdfa_data_i32(s, p->bias), *mult = sdfa_data_i32(s, p->mult);
    uint32_t n = taps(s, p);
    for (uint32_t c = 0; c < t->c; c++, w += n) {
        int32_t acc = sdfa_dot(bias[c], w, window, n);
        out[c] = sdfa_requantize(acc, mult[c], shift[c], t->zero_point, p->act_min, p->act_max);
    }
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    sdfa_each_window(s, (const struct sdfa_conv_op *)op, run_cell);
}

const struct sdfa_kernel sdfa_kernel_conv = {SDFA_CONV, sizeof(struct sdfa_conv_op), check, run};
