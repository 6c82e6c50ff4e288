/* MEAN over the picture (SPEC.md 2.2). */
#include "sdfa_internal.h"

#define CELLS_MAX (1u << 16) /* keeps the sum inside 25 bits */

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_mean_op *p = (const struct sdfa_mean_op *)op;
    (void)s;
    return in->c == out->c && out->h == 1 && out->w == 1 && (uint32_t)in->h * in->w <= CELLS_MAX && p->mult >= 0 &&
           p->shift >= -31 && p->shift <= 30;
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_mean_op *p = (const struct sdfa_mean_op *)op;
    const struct sdfa_tensor *in = sdfa_tensor_at(s, op->in), *t = sdfa_tensor_at(s, op->out);
    const int8_t *picture = sdfa_values(s, op->in);
    int32_t cells = (int32_t)((uint32_t)in->h * in->w);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t c = 0; c < t->c; c++) {
        int32_t sum = -cells * in->zero_point;
        for (int32_t i = 0; i < cells; i++)
            sum += picture[(uint32_t)i * in->c + c];
        out[c] = sdfa_requantize(sum, p->mult, p->shift, t->zero_point, -128, 127);
    }
}

const struct sdfa_kernel sdfa_kernel_mean = {SDFA_MEAN, sizeof(struct sdfa_mean_op), check, run};
