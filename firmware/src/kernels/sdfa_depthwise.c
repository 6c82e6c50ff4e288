/* DEPTHWISE (SPEC.md 2.2). */
#include "sdfa_depthwise.h"

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    if ((((const struct sdfa_conv_op *)op)->flags & (SDFA_LAYER_PACKED | SDFA_LAYER_PACKABLE)) || out->c % in->c)
        return 0;
    return sdfa_window_ok(s, op, in, out);
}

static int32_t dot_column(int32_t start, const int8_t *w, uint32_t w_step, const int8_t *x, uint32_t x_step,
                          uint32_t n) {
    uint32_t sum = (uint32_t)start;
    for (; n--; w += w_step, x += x_step)
        sum += (uint32_t)(*w * *x);
    return (int32_t)sum;
}

void sdfa_depthwise_any(void *context, const int8_t *window, int8_t *out) {
    const struct sdfa_depthwise *d = context;
    const struct sdfa_matvec *m = &d->m;
    uint32_t c = 0, per_input = m->out_n / d->in_c;
    for (uint32_t i = 0; i < d->in_c; i++)
        for (uint32_t k = 0; k < per_input; k++, c++) {
            int32_t acc = dot_column(m->bias[c], m->weights + c, m->out_n, window + i, d->in_c, m->in_n);
            sdfa_finish(out, m, c, acc);
        }
}

#if !SDFA_DSP && !SDFA_MVE

/* Two channels from c on, where each input channel has one output. */
static void two_channels(int8_t *out, const struct sdfa_matvec *m, const int8_t *window, uint32_t c) {
    int32_t step = (int32_t)m->out_n, at = -(int32_t)(m->in_n * m->out_n);
    const int8_t *x = window + c - at, *w = m->weights + c - at, *x1 = x + 1, *w1 = w + 1;
    uint32_t a = (uint32_t)m->bias[c], b = (uint32_t)m->bias[c + 1];
    for (; at; at += step) {
        a += (uint32_t)(w[at] * x[at]);
        b += (uint32_t)(w1[at] * x1[at]);
        SDFA_LOOP(x1);
        SDFA_LOOP(w1);
    }
    sdfa_finish(out, m, c, (int32_t)a);
    sdfa_finish(out, m, c + 1, (int32_t)b);
}

static void run_pairs(void *context, const int8_t *window, int8_t *out) {
    const struct sdfa_matvec *m = context;
    for (uint32_t c = 0; c < m->out_n; c += 2)
        two_channels(out, m, window, c);
}

void sdfa_depthwise_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_depthwise *w) {
    if (w->m.out_n == w->in_c && w->in_c % 2 == 0)
        sdfa_each_window(s, p, run_pairs, &w->m);
    else
        sdfa_each_window(s, p, sdfa_depthwise_any, w);
}

#endif

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct sdfa_depthwise d;
    d.m = sdfa_conv_matvec(s, p, (uint32_t)p->kh * p->kw);
    d.in_c = sdfa_tensor_at(s, op->in)->c;
    sdfa_depthwise_windows(s, p, &d);
}

const struct sdfa_kernel sdfa_kernel_depthwise = {SDFA_DEPTHWISE, sizeof(struct sdfa_conv_op), check, run};
