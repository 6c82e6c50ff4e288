/* CONV (SPEC.md 2.2): each window once, then one row of weights per output channel. */
#include "sdfa_matvec.h"

static uint32_t taps(const struct sdfa_conv_op *p, const struct sdfa_tensor *in) {
    return sdfa_mul((uint32_t)p->kh * p->kw, in->c);
}

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    uint32_t n = taps(p, in), scratch_len = n;
    if (p->flags & (SDFA_LAYER_PACKED | SDFA_LAYER_PACKABLE)) { /* room for two windows of int16 behind the one of int8 */
        if (n >= 1u << 28)
            return 0;
        scratch_len = ((n + 3) & ~3u) + 4 * n;
    }
    return sdfa_window_ok(s, p, in, out, scratch_len) &&
           sdfa_rows_ok(s, (const struct sdfa_rows_op *)op, out->c, n, s->data_len, p->flags);
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct sdfa_matvec m = sdfa_conv_matvec(s, p, taps(p, sdfa_tensor_at(s, op->in)));
    sdfa_conv_windows(s, p, &m);
}

const struct sdfa_kernel sdfa_kernel_conv = {SDFA_CONV, sizeof(struct sdfa_conv_op), check, run};
