/* CONV (SPEC.md 2.2): each window once, then one row of weights per output channel. */
#include "sdfa_matvec.h"
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

static void run_cell(const void *context, const int8_t *window, int8_t *out) {
    sdfa_matvec(out, context, window);
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct sdfa_matvec m;
    m.weights = sdfa_data_i8(s, p->weights);
    m.bias = sdfa_data_i32(s, p->bias);
    m.mult = sdfa_data_i32(s, p->mult);
    m.shift = sdfa_data_i8(s, p->shift);
    m.keep = NULL;
    m.in_n = taps(s, p);
    m.out_n = sdfa_tensor_at(s, op->out)->c;
    m.zero_point = sdfa_tensor_at(s, op->out)->zero_point;
    m.act_min = p->act_min;
    m.act_max = p->act_max;
    sdfa_each_window(s, p, run_cell, &m);
}

const struct sdfa_kernel sdfa_kernel_conv = {SDFA_CONV, sizeof(struct sdfa_conv_op), check, run};
