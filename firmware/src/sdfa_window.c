/* One window of the picture under a kernel. */
#include "sdfa_bytes_mve.h"
#include "sdfa_matvec.h"

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
           sdfa_channels_ok(s, p->mult, p->shift, out->c, p->flags) && sdfa_act_ok(p->act_min, p->act_max);
}

struct sdfa_matvec sdfa_conv_matvec(const struct sdfa *s, const struct sdfa_conv_op *p, uint32_t in_n) {
    struct sdfa_matvec m;
    m.weights = sdfa_data_i8(s, p->weights);
    m.bias = sdfa_data_i32(s, p->bias);
    m.mult = sdfa_data_i32(s, p->mult);
    m.shift = sdfa_data_i8(s, p->shift);
    m.keep = NULL;
    m.in_n = in_n;
    m.out_n = sdfa_tensor_at(s, p->op.out)->c;
    m.packed_n = p->flags & SDFA_LAYER_PACKED ? m.out_n & ~7u : 0;
    m.zero_point = sdfa_tensor_at(s, p->op.out)->zero_point;
    m.act_min = p->act_min;
    m.act_max = p->act_max;
    m.fast = sdfa_is_fast(p->flags, p->act_min, p->act_max);
    return m;
}

#if SDFA_MVE

static inline void copy(int8_t *to, const int8_t *from, uint32_t n) {
    sdfa_bytes_copy(to, from, n);
}

static inline void fill(int8_t *to, int32_t value, uint32_t n) {
    sdfa_bytes_fill(to, value, n);
}

#else

/* Keeps a short loop a loop: a call of memset or memcpy costs more, and small C libraries work by bytes. */
#if defined(__GNUC__)
#define SDFA_LOOP(p) __asm__("" : "+r"(p))
#else
#define SDFA_LOOP(p) ((void)0)
#endif

struct SDFA_ALIAS block {
    uint32_t word[4];
};

static int aligned(const int8_t *a, const int8_t *b) {
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

/* n > 0 bytes; by blocks where everything is aligned. */
static inline void copy(int8_t *to, const int8_t *from, uint32_t n) {
    if (n >= 4 && aligned(to, from)) {
        for (; n >= 32; n -= 32, to += 32, from += 32) {
            ((struct block *)(void *)to)[0] = ((const struct block *)(const void *)from)[0];
            ((struct block *)(void *)to)[1] = ((const struct block *)(const void *)from)[1];
        }
        for (; n >= 4; n -= 4, to += 4, from += 4) {
            *(sdfa_u32 *)(void *)to = *(const sdfa_u32 *)(const void *)from;
            SDFA_LOOP(to);
        }
        if (n == 0)
            return;
    }
    do {
        *to++ = *from++;
        SDFA_LOOP(to);
    } while (--n);
}

static void fill(int8_t *to, int32_t value, uint32_t n) {
    uint32_t word = (uint32_t)(value & 0xff) * 0x01010101u;
    const struct block four = {{word, word, word, word}};
    if (aligned(to, to)) {
        for (; n >= 16; n -= 16, to += 16)
            *(struct block *)(void *)to = four;
        for (; n >= 4; n -= 4, to += 4) {
            *(sdfa_u32 *)(void *)to = word;
            SDFA_LOOP(to);
        }
    }
    for (; n; n--) {
        *to++ = (int8_t)value;
        SDFA_LOOP(to);
    }
}

#endif

/* The picture, and the part of a row of taps that lies inside it. */
struct view {
    const struct sdfa_conv_op *p;
    const int8_t *picture;
    int8_t *scratch;
    uint32_t c, row_len, run_len,
        taps; /* bytes of a cell, of a row of the picture, of a row of taps; cells of a window */
    int32_t h, w, zero_point;
    int32_t y_max, x_max; /* the last places of an inner window */
};

/* Taps kx = 0 .. n - 1 of one row, which are neighbours in the picture from column x on. row: NULL outside. */
static void gather_run(int8_t *to, const struct view *v, const int8_t *row, int32_t x, uint32_t n) {
    uint32_t before = 0, inside = n * v->c, whole = inside;
    if (!row)
        inside = 0;
    else if (x < 0 || x + (int32_t)n > v->w) {
        before = (uint32_t)sdfa_clamp(-x, 0, (int32_t)n) * v->c;
        inside = (uint32_t)sdfa_clamp(v->w - x, 0, (int32_t)n) * v->c;
        inside = inside > before ? inside - before : 0;
    }
    if (before)
        fill(to, v->zero_point, before);
    if (inside)
        copy(to + before, row + (uint32_t)(x < 0 ? 0 : x) * v->c, inside);
    if (before + inside < whole)
        fill(to + before + inside, v->zero_point, whole - before - inside);
}

static void gather_row(int8_t *to, const struct view *v, const int8_t *row, int32_t x) {
    if (v->p->dil_w == 1) {
        gather_run(to, v, row, x, v->p->kw);
        return;
    }
    for (uint32_t kx = 0; kx < v->p->kw; kx++, x += v->p->dil_w, to += v->c)
        gather_run(to, v, row, x, 1);
}

/* A window that lies inside the picture as a whole, without dilation: one run a row. */
static const int8_t *inner_window(const struct view *v, const int8_t *from) {
    int8_t *to = v->scratch;
    if (v->taps == 1)
        return from;
    for (uint32_t ky = v->p->kh; ky; ky--, to += v->run_len, from += v->row_len)
        copy(to, from, v->run_len);
    return v->scratch;
}

static const int8_t *window(const struct view *v, int32_t y, int32_t x) {
    int8_t *to = v->scratch;
    if (y >= 0 && y <= v->y_max && x >= 0 && x <= v->x_max)
        return inner_window(v, v->picture + (uint32_t)y * v->row_len + (uint32_t)x * v->c);
    for (uint32_t ky = 0; ky < v->p->kh; ky++, y += v->p->dil_h, to += v->run_len)
        gather_row(to, v, y >= 0 && y < v->h ? v->picture + (uint32_t)y * v->row_len : NULL, x);
    return v->scratch;
}

static struct view view_of(const struct sdfa *s, const struct sdfa_conv_op *p) {
    const struct sdfa_tensor *in = sdfa_tensor_at(s, p->op.in);
    struct view v;
    v.p = p;
    v.picture = sdfa_values(s, p->op.in);
    v.scratch = (int8_t *)s->arena + p->scratch;
    v.c = in->c;
    v.row_len = in->w * in->c;
    v.run_len = p->kw * in->c;
    v.taps = (uint32_t)p->kh * p->kw;
    v.y_max = p->dil_h == 1 && p->dil_w == 1 ? in->h - p->kh : -1;
    v.x_max = in->w - p->kw;
    v.h = in->h;
    v.w = in->w;
    v.zero_point = in->zero_point;
    return v;
}

void sdfa_each_window(const struct sdfa *s, const struct sdfa_conv_op *p, sdfa_cell *cell, void *context) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, p->op.out);
    const struct view v = view_of(s, p);
    int8_t *out = sdfa_values(s, p->op.out);
    int32_t y = -(int32_t)p->pad_top, x;
    for (uint32_t oy = 0; oy < t->h; oy++, y += p->stride_h) {
        x = -(int32_t)p->pad_left;
        for (uint32_t ox = 0; ox < t->w; ox++, x += p->stride_w, out += t->c)
            cell(context, window(&v, y, x), out);
    }
}
