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

/* What every cell needs. */
struct channels {
    const int8_t *weights, *shift;
    const int32_t *bias, *mult;
    uint32_t in_c, out_c, taps;
    int32_t zero_point, act_min, act_max;
};

static void run_cell(const void *context, const int8_t *window, int8_t *out) {
    const struct channels *m = context;
    uint32_t c = 0, per_input = m->out_c / m->in_c;
    for (uint32_t i = 0; i < m->in_c; i++)
        for (uint32_t k = 0; k < per_input; k++, c++) {
            int32_t acc = dot_column(m->bias[c], m->weights + c, m->out_c, window + i, m->in_c, m->taps);
            out[c] = sdfa_requantize(acc, m->mult[c], m->shift[c], m->zero_point, m->act_min, m->act_max);
        }
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct channels m;
    m.weights = sdfa_data_i8(s, p->weights);
    m.shift = sdfa_data_i8(s, p->shift);
    m.bias = sdfa_data_i32(s, p->bias);
    m.mult = sdfa_data_i32(s, p->mult);
    m.in_c = sdfa_tensor_at(s, op->in)->c;
    m.out_c = sdfa_tensor_at(s, op->out)->c;
    m.taps = (uint32_t)p->kh * p->kw;
    m.zero_point = sdfa_tensor_at(s, op->out)->zero_point;
    m.act_min = p->act_min;
    m.act_max = p->act_max;
    sdfa_each_window(s, p, run_cell, &m);
}

const struct sdfa_kernel sdfa_kernel_depthwise = {SDFA_DEPTHWISE, sizeof(struct sdfa_conv_op), check, run};
