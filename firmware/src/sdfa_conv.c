/* CONV (SPEC.md 2.2): each window once, then one row of weights per output channel. */
#include "sdfa_matvec.h"

static uint32_t taps(const struct sdfa *s, const struct sdfa_conv_op *p) {
    return sdfa_mul((uint32_t)p->kh * p->kw, sdfa_tensor_at(s, p->op.in)->c);
}

/* A layer that may be packed has room for two windows of int16 behind the one of int8. */
static int scratch_ok(const struct sdfa *s, const struct sdfa_conv_op *p) {
    const struct sdfa_tensor *in = sdfa_tensor_at(s, p->op.in);
    uint32_t n = taps(s, p), len = ((n + 3) & ~3u) + 4 * n;
    if (!(p->flags & (SDFA_LAYER_PACKED | SDFA_LAYER_PACKABLE)))
        return 1;
    return n < 1u << 28 && sdfa_in_arena(s, p->scratch, len, 1) &&
           sdfa_disjoint(p->scratch, len, in->off, sdfa_tensor_len(in));
}

static int check(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    if (!sdfa_window_ok(s, p) || !sdfa_in_data(s, p->weights, taps(s, p), sdfa_tensor_at(s, op->out)->c) ||
        !scratch_ok(s, p))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    struct sdfa_matvec m = sdfa_conv_matvec(s, p, taps(s, p));
    sdfa_conv_windows(s, p, &m);
}

const struct sdfa_kernel sdfa_kernel_conv = {SDFA_CONV, sizeof(struct sdfa_conv_op), check, run};
