/* DEPTHWISE (SPEC.md 2.2). */
#include "sdfa_window.h"

static int check(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    const struct sdfa_tensor *in = sdfa_tensor_at(s, op->in), *out = sdfa_tensor_at(s, op->out);
    if (!sdfa_window_ok(s, p) || out->c % in->c || !sdfa_in_data(s, p->weights, (uint32_t)p->kh * p->kw, out->c))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

static int32_t dot_column(int32_t start, const int8_t *w, uint32_t w_step, const int8_t *x, uint32_t x_step,
                          uint32_t n) {
    uint32_t sum = (uint32_t)start;
    for (; n--; w += w_step, x += x_step)
        sum += (uint32_t)(*w * *x);
    return (int32_t)sum;
}

static void run_cell(const struct sdfa *s, const struct sdfa_conv_op *p, const int8_t *window, int8_t *out) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, p->op.out);
    const int8_t *w = sdfa_data_i8(s, p->weights), *shift = sdfa_data_i8(s, p->shift);
    const int32_t *bias = sdfa_data_i32(s, p->bias), *mult = sdfa_data_i32(s, p->mult);
    uint32_t in_c = sdfa_tensor_at(s, p->op.in)->c, per_input = t->c / in_c, taps = (uint32_t)p->kh * p->kw;
    uint32_t c = 0;
    for (uint32_t i = 0; i < in_c; i++)
        for (uint32_t m = 0; m < per_input; m++, c++) {
            int32_t acc = dot_column(bias[c], w + c, t->c, window + i, in_c, taps);
            out[c] = sdfa_requantize(acc, mult[c], shift[c], t->zero_point, p->act_min, p->act_max);
        }
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    sdfa_each_window(s, (const struct sdfa_conv_op *)op, run_cell);
}

const struct sdfa_kernel sdfa_kernel_depthwise = {SDFA_DEPTHWISE, sizeof(struct sdfa_conv_op), check, run};
