/* CONV (SPEC.md 2.2): each window once, then one row of weights per output channel. */
#include "sdfa_matvec.h"

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct sdfa_matvec m = sdfa_conv_matvec(s, p, (uint32_t)p->kh * p->kw * sdfa_tensor_at(s, op->in)->c);
    sdfa_conv_windows(s, p, &m);
}

const struct sdfa_kernel sdfa_kernel_conv = {SDFA_CONV, sizeof(struct sdfa_conv_op), sdfa_window_ok, run};
