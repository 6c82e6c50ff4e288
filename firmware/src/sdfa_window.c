/* One window of the picture under a kernel. */
#include "sdfa_window.h"

#include <string.h>

#define REACH_MAX (1u << 29) /* keeps every coordinate inside int32 */

static int axis_ok(uint32_t out_n, uint32_t k, uint32_t stride, uint32_t dil, uint32_t pad) {
    return k && stride && dil && sdfa_mul(out_n, stride) < REACH_MAX && sdfa_mul(k, dil) < REACH_MAX && pad < k * dil;
}

int sdfa_window_ok(const struct sdfa *s, const struct sdfa_conv_op *p) {
    const struct sdfa_tensor *in = sdfa_tensor_at(s, p->op.in), *out = sdfa_tensor_at(s, p->op.out);
    uint32_t len = sdfa_mul((uint32_t)p->kh * p->kw, in->c);
    return axis_ok(out->h, p->kh, p->stride_h, p->dil_h, p->pad_top) &&
           axis_ok(out->w, p->kw, p->stride_w, p->dil_w, p->pad_left) && sdfa_in_arena(s, p->scratch, len, 1) &&
           sdfa_disjoint(p->scratch, len, in->off, sdfa_tensor_len(in)) && sdfa_in_data(s, p->bias, out->c, 4) &&
           sdfa_in_data(s, p->mult, out->c, 4) && sdfa_shifts_ok(s, p->shift, out->c) &&
           sdfa_act_ok(p->act_min, p->act_max);
}

/* One row of taps. */
static void gather_row(int8_t *to, const struct sdfa_conv_op *p, const struct sdfa_tensor *in, const int8_t *row,
                       int32_t x) {
    for (uint32_t kx = 0; kx < p->kw; kx++, x += p->dil_w, to += in->c) {
        if (row && x >= 0 && x < in->w)
            memcpy(to, row + (uint32_t)x * in->c, in->c);
        else
            memset(to, in->zero_point, in->c);
    }
}

static const int8_t *window(const struct sdfa *s, const struct sdfa_conv_op *p, uint32_t oy, uint32_t ox) {
    const struct sdfa_tensor *in = sdfa_tensor_at(s, p->op.in);
    const int8_t *picture = sdfa_values(s, p->op.in);
    int8_t *scratch = (int8_t *)s->arena + p->scratch;
    int32_t y = (int32_t)(oy * p->stride_h) - p->pad_top, x = (int32_t)(ox * p->stride_w) - p->pad_left;
    uint32_t row_len = in->w * in->c;
    if (p->kh == 1 && p->kw == 1 && y >= 0 && y < in->h && x >= 0 && x < in->w)
        return picture + (uint32_t)y * row_len + (uint32_t)x * in->c;
    for (uint32_t ky = 0; ky < p->kh; ky++, y += p->dil_h) {
        const int8_t *row = y >= 0 && y < in->h ? picture + (uint32_t)y * row_len : NULL;
        gather_row(scratch + ky * p->kw * in->c, p, in, row, x);
    }
    return scratch;
}

void sdfa_each_window(const struct sdfa *s, const struct sdfa_conv_op *p, sdfa_cell *cell, const void *context) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, p->op.out);
    int8_t *out = sdfa_values(s, p->op.out);
    for (uint32_t y = 0; y < t->h; y++)
        for (uint32_t x = 0; x < t->w; x++, out += t->c)
            cell(context, window(s, p, y, x), out);
}
