/* PAD and COPY (SPEC.md 2.2): values only change their place. Records of a hostile image may overlap: memmove. */
#include "sdfa_internal.h"

#include <string.h>

static int check_pad(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                     const struct sdfa_tensor *out) {
    const struct sdfa_pad_op *p = (const struct sdfa_pad_op *)op;
    (void)s;
    return in->c == out->c && (uint32_t)p->top + in->h <= out->h && (uint32_t)p->left + in->w <= out->w;
}

static void run_pad(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_pad_op *p = (const struct sdfa_pad_op *)op;
    const struct sdfa_tensor *in = sdfa_tensor_at(s, op->in), *t = sdfa_tensor_at(s, op->out);
    const int8_t *from = sdfa_values(s, op->in);
    int8_t *out = sdfa_values(s, op->out), *to = out + ((uint32_t)p->top * t->w + p->left) * t->c;
    memset(out, t->zero_point, sdfa_tensor_len(t));
    for (uint32_t y = 0, len = in->w * in->c; y < in->h; y++, from += len, to += t->w * t->c)
        memmove(to, from, len);
}

static int check_copy(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                      const struct sdfa_tensor *out) {
    const struct sdfa_copy_op *p = (const struct sdfa_copy_op *)op;
    uint32_t whole = sdfa_tensor_len(out);
    (void)s;
    return p->rows && whole % p->rows == 0 && sdfa_mul(p->rows, p->row_len) == sdfa_tensor_len(in) &&
           sdfa_in_range(p->off, p->row_len, whole / p->rows);
}

static void run_copy(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_copy_op *p = (const struct sdfa_copy_op *)op;
    uint32_t step = sdfa_tensor_len(sdfa_tensor_at(s, op->out)) / p->rows;
    const int8_t *from = sdfa_values(s, op->in);
    int8_t *to = sdfa_values(s, op->out) + p->off;
    for (uint32_t r = 0; r < p->rows; r++, from += p->row_len, to += step)
        memmove(to, from, p->row_len);
}

const struct sdfa_kernel sdfa_kernel_pad = {SDFA_PAD, sizeof(struct sdfa_pad_op), check_pad, run_pad};
const struct sdfa_kernel sdfa_kernel_copy = {SDFA_COPY, sizeof(struct sdfa_copy_op), check_copy, run_copy};
