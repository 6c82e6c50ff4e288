/* AVGPOOL and MAXPOOL (SPEC.md 2.2). */
#include "sdfa_bytes_mve.h"
#include "sdfa_dot.h"
#include "sdfa_internal.h"

#define CELLS_MAX (1u << 23) /* keeps a sum of int8, and its rounding, inside int32 */

/* The first and the last window hold a cell of the picture; so do all between. */
static int axis_ok(uint32_t in_n, uint32_t out_n, uint32_t k, uint32_t stride, uint32_t pad) {
    uint32_t last = (out_n - 1u) * stride; /* of numbers of 16 bits */
    return stride && pad < k && last < (1u << 30) && last < in_n + pad;
}

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_pool_op *p = (const struct sdfa_pool_op *)op;
    (void)s;
    return in->c == out->c && (uint32_t)in->h * in->w <= CELLS_MAX && sdfa_act_ok(p->act_min, p->act_max) &&
           axis_ok(in->h, out->h, p->kh, p->stride_h, p->pad_top) &&
           axis_ok(in->w, out->w, p->kw, p->stride_w, p->pad_left);
}

/* The part of a window that lies inside the picture. */
struct box {
    uint32_t y0, y1, x0, x1;
};

static uint32_t first(uint32_t o, uint32_t stride, uint32_t pad) {
    return o * stride > pad ? o * stride - pad : 0;
}

static uint32_t end(uint32_t o, uint32_t stride, uint32_t pad, uint32_t k, uint32_t in_n) {
    uint32_t last = o * stride + k - pad;
    return last < in_n ? last : in_n;
}

static struct box window(const struct sdfa_pool_op *p, const struct sdfa_tensor *in, uint32_t oy, uint32_t ox) {
    struct box b;
    b.y0 = first(oy, p->stride_h, p->pad_top);
    b.y1 = end(oy, p->stride_h, p->pad_top, p->kh, in->h);
    b.x0 = first(ox, p->stride_w, p->pad_left);
    b.x1 = end(ox, p->stride_w, p->pad_left, p->kw, in->w);
    return b;
}

/* One output cell of c values, from the picture's cells inside a box. */
typedef void cell_fn(int8_t *out, const struct sdfa_tensor *in, const int8_t *picture, const struct box *b);

static void mean_cell(int8_t *out, const struct sdfa_tensor *in, const int8_t *picture, const struct box *b) {
    int32_t n = (int32_t)((b->y1 - b->y0) * (b->x1 - b->x0));
    for (uint32_t c = 0; c < in->c; c++) {
        int32_t sum = 0;
        for (uint32_t y = b->y0; y < b->y1; y++)
            for (uint32_t x = b->x0; x < b->x1; x++)
                sum += picture[(y * in->w + x) * in->c + c];
        out[c] = (int8_t)(sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n);
    }
}

#if SDFA_MVE

static void max_into(int8_t *out, const int8_t *at, uint32_t n) {
    sdfa_bytes_max(out, at, n);
}

static void copy_cell(int8_t *out, const int8_t *at, uint32_t n) {
    sdfa_bytes_copy(out, at, n);
}

#else

/* out becomes the larger of each two. */
static void max_into(int8_t *out, const int8_t *at, uint32_t n) {
    uint32_t i = sdfa_max_words(out, at, n);
    for (; i < n; i++) {
        int32_t v = at[i];
        if (v > out[i])
            out[i] = (int8_t)v;
    }
}

static void copy_cell(int8_t *out, const int8_t *at, uint32_t n) {
    for (; n; n--) {
        *out++ = *at++;
        SDFA_LOOP(out);
    }
}

#endif

static void max_cell(int8_t *out, const struct sdfa_tensor *in, const int8_t *picture, const struct box *b) {
    uint32_t n = in->c, step = in->w * n;
    const int8_t *row = picture + (b->y0 * in->w + b->x0) * n, *at = row + n;
    copy_cell(out, row, n);
    for (uint32_t y = b->y0; y < b->y1; y++, row += step, at = row)
        for (; at != row + (b->x1 - b->x0) * n; at += n)
            max_into(out, at, n);
}

static void clamp_cell(int8_t *out, uint32_t n, const struct sdfa_pool_op *p) {
    for (uint32_t c = 0; c < n; c++)
        out[c] = (int8_t)sdfa_clamp(out[c], p->act_min, p->act_max);
}

static void run_pool(const struct sdfa *s, const struct sdfa_op *op, cell_fn *cell) {
    const struct sdfa_pool_op *p = (const struct sdfa_pool_op *)op;
    const struct sdfa_tensor *in = sdfa_tensor_at(s, op->in), *t = sdfa_tensor_at(s, op->out);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t y = 0; y < t->h; y++)
        for (uint32_t x = 0; x < t->w; x++, out += t->c) {
            struct box b = window(p, in, y, x);
            cell(out, in, sdfa_values(s, op->in), &b);
            if (p->act_min > -128 || p->act_max < 127)
                clamp_cell(out, t->c, p);
        }
}

static void run_mean(const struct sdfa *s, const struct sdfa_op *op) {
    run_pool(s, op, mean_cell);
}

static void run_max(const struct sdfa *s, const struct sdfa_op *op) {
    run_pool(s, op, max_cell);
}

const struct sdfa_kernel sdfa_kernel_avgpool = {SDFA_AVGPOOL, sizeof(struct sdfa_pool_op), check, run_mean};
const struct sdfa_kernel sdfa_kernel_maxpool = {SDFA_MAXPOOL, sizeof(struct sdfa_pool_op), check, run_max};
