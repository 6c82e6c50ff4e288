/* One window of the picture under a kernel. */
#include "sdfa_window.h"

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
           sdfa_mults_ok(s, p->mult, out->c) && sdfa_shifts_ok(s, p->shift, out->c) &&
           sdfa_act_ok(p->act_min, p->act_max);
}

/* Short copies, a word at a time where everything is aligned. */
static int8_t *copy(int8_t *to, const int8_t *from, uint32_t n) {
    uint32_t i = 0;
    if ((((uintptr_t)to | (uintptr_t)from | n) & 3u) == 0)
        for (; i < n; i += 4)
            *(sdfa_i32 *)(void *)(to + i) = *(const sdfa_i32 *)(const void *)(from + i);
    for (; i < n; i++)
        to[i] = from[i];
    return to + n;
}

static int8_t *fill(int8_t *to, int32_t value, uint32_t n) {
    while (n--)
        *to++ = (int8_t)value;
    return to;
}

/* One row of taps; row is NULL above and below the picture. */
static void gather_row(int8_t *to, const struct sdfa_conv_op *p, const struct sdfa_tensor *in, const int8_t *row,
                       int32_t x) {
    uint32_t run = p->dil_w == 1 ? p->kw : 1; /* taps that are neighbours in the picture */
    for (uint32_t kx = 0; kx < p->kw; kx += run, x += (int32_t)(run * p->dil_w)) {
        int32_t before = sdfa_clamp(-x, 0, (int32_t)run), inside = sdfa_clamp(in->w - x, before, (int32_t)run);
        if (!row)
            inside = before;
        to = fill(to, in->zero_point, (uint32_t)before * in->c);
        if (inside > before)
            to = copy(to, row + (uint32_t)(x + before) * in->c, (uint32_t)(inside - before) * in->c);
        to = fill(to, in->zero_point, (run - (uint32_t)inside) * in->c);
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
