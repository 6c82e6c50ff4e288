/* One window of the picture under a kernel. */
#include "sdfa_bytes_mve.h"
#include "sdfa_matvec.h"

#define REACH_MAX (1u << 29) /* keeps every coordinate inside int32 */

static int axis_ok(uint32_t out_n, uint32_t k, uint32_t stride, uint32_t dil, uint32_t pad) {
    uint32_t reach = k * dil, length = out_n * stride; /* of numbers of 16 bits; none may be 0 */
    return (reach | length) < REACH_MAX && pad < reach && length;
}

/* Scratch memory of n bytes, or of a CONV that may be packed room for two windows of int16 behind the one of int8. */
static int scratch_ok(const struct sdfa *s, const struct sdfa_conv_op *p, const struct sdfa_tensor *in, uint32_t n) {
    uint32_t len = n;
    if (p->flags & (SDFA_LAYER_PACKED | SDFA_LAYER_PACKABLE)) {
        if (n >= 1u << 28)
            return 0;
        len = ((n + 3) & ~3u) + 4 * n;
    }
    return sdfa_in_arena(s, p->scratch, len, 1) && sdfa_disjoint(p->scratch, len, in->off, sdfa_tensor_len(in));
}

int sdfa_window_ok(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                   const struct sdfa_tensor *out) {
    const struct sdfa_conv_op *p = (const struct sdfa_conv_op *)op;
    uint32_t cells = (uint32_t)p->kh * p->kw;
    uint64_t n = (uint64_t)cells * in->c;
    if (!axis_ok(out->h, p->kh, p->stride_h, p->dil_h, p->pad_top) ||
        !axis_ok(out->w, p->kw, p->stride_w, p->dil_w, p->pad_left) || n >> 32 || !scratch_ok(s, p, in, (uint32_t)n) ||
        !sdfa_act_ok(p->act_min, p->act_max))
        return 0;
    return sdfa_rows_ok(s, (const struct sdfa_rows_op *)op, out->c, op->kind == SDFA_CONV ? (uint32_t)n : cells,
                        s->data_len, p->flags);
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
    m.input_zero = 0;
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

struct SDFA_ALIAS block {
    uint32_t word[4];
};

static int aligned(const int8_t *a, const int8_t *b) {
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

/* n bytes. */
static inline void copy(int8_t *to, const int8_t *from, uint32_t n) {
    if (n >= 4 && aligned(to, from)) {
        for (; n >= 16; n -= 16, to += 16, from += 16)
            *(struct block *)(void *)to = *(const struct block *)(const void *)from;
        for (; n >= 4; n -= 4, to += 4, from += 4) {
            *(sdfa_u32 *)(void *)to = *(const sdfa_u32 *)(const void *)from;
            SDFA_LOOP(to);
        }
    }
    for (; n; n--) {
        *to++ = *from++;
        SDFA_LOOP(to);
    }
}

static void fill(int8_t *to, int32_t value, uint32_t n) {
    uint32_t word = (uint32_t)(value & 0xff) * 0x01010101u;
    if (aligned(to, to)) {
        for (; n >= 16; n -= 16, to += 16) {
            sdfa_u32 *w = (sdfa_u32 *)(void *)to;
            w[0] = w[1] = w[2] = w[3] = word;
            SDFA_LOOP(to);
        }
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
    int8_t *scratch, *other;      /* where this window is gathered, and the next */
    uint32_t c, row_len, run_len; /* bytes of a cell, of a row of the picture, of a row of taps */
    uint32_t kh, taps;
    int32_t h, w, zero_point;
    int32_t y_max, x_max; /* the last places of an inner window */
};

/* Bytes of a run of neighbouring taps that lie before, inside and behind the picture's row; from: of the first inside. */
struct span {
    uint32_t before, inside, behind, from;
};

/* n taps from column x on. */
static struct span span_of(const struct view *v, int32_t x, int32_t n) {
    int32_t before = sdfa_clamp(-x, 0, n), end = sdfa_clamp(v->w - x, before, n);
    struct span s;
    s.before = (uint32_t)before * v->c;
    s.inside = (uint32_t)(end - before) * v->c;
    s.behind = (uint32_t)(n - end) * v->c;
    s.from = (uint32_t)(x < 0 ? 0 : x) * v->c;
    return s;
}

/* row: NULL above and below the picture. */
static inline void gather_span(int8_t *to, const struct view *v, const struct span *s, const int8_t *row) {
    if (!row) {
        fill(to, v->zero_point, s->before + s->inside + s->behind);
        return;
    }
    if (s->before)
        fill(to, v->zero_point, s->before);
    if (s->inside)
        copy(to + s->before, row + s->from, s->inside);
    if (s->behind)
        fill(to + s->before + s->inside, v->zero_point, s->behind);
}

/* All taps of a column, or of a row of columns that are neighbours. */
static void gather_columns(int8_t *to, const struct view *v, int32_t y, int32_t x, int32_t n) {
    const struct span s = span_of(v, x, n);
    for (uint32_t ky = v->p->kh; ky; ky--, y += v->p->dil_h, to += v->run_len)
        gather_span(to, v, &s, y >= 0 && y < v->h ? v->picture + (uint32_t)y * v->row_len : NULL);
}

#if defined(__ARM_FEATURE_UNALIGNED) && __ARM_ARCH_ISA_THUMB == 2

/* Copies row_n runs of run_n bytes that stand row_len apart, one behind the other. Words may stand anywhere; blocks of 32
 * bytes are used where everything is aligned. */
void sdfa_copy_runs(int8_t *to, const int8_t *from, uint32_t run_n, uint32_t row_n, uint32_t row_len);
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_copy_runs")
        "push {r4-r11, lr}\n\t"
        "ldr lr, [sp, #36]\n\t"
        "orr r4, r0, r1\n\t"
        "orr r4, r4, r2\n\t"
        "orr r4, r4, lr\n\t"
        "sub lr, lr, r2\n\t"
        "lsls r4, r4, #30\n\t"
        "bne 4f\n\t"
        "cmp r2, #32\n\t"
        "blo 4f\n"
        "1:\n\t" /* a run by blocks */
        "sub r12, r2, #32\n"
        "2:\n\t"
        "ldm r1!, {r4-r11}\n\t"
        "subs r12, #32\n\t"
        "stm r0!, {r4-r11}\n\t"
        "bpl 2b\n\t"
        "adds r12, #32\n\t"
        "beq 9f\n"
        "3:\n\t"
        "ldr r4, [r1], #4\n\t"
        "subs r12, #4\n\t"
        "str r4, [r0], #4\n\t"
        "bne 3b\n"
        "9:\n\t"
        "subs r3, #1\n\t"
        "add r1, lr\n\t"
        "bne 1b\n\t"
        "pop {r4-r11, pc}\n"
        "4:\n\t" /* a run by words */
        "subs r12, r2, #4\n\t"
        "blo 6f\n"
        "5:\n\t"
        "ldr r4, [r1], #4\n\t"
        "subs r12, #4\n\t"
        "str r4, [r0], #4\n\t"
        "bhs 5b\n"
        "6:\n\t"
        "lsls r12, r2, #31\n\t" /* carry: two bytes are left; negative: one */
        "itt cs\n\t"
        "ldrhcs r4, [r1], #2\n\t"
        "strhcs r4, [r0], #2\n\t"
        "itt mi\n\t"
        "ldrbmi r4, [r1], #1\n\t"
        "strbmi r4, [r0], #1\n\t"
        "subs r3, #1\n\t"
        "add r1, lr\n\t"
        "bne 4b\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

#else

static void sdfa_copy_runs(int8_t *to, const int8_t *from, uint32_t run_n, uint32_t row_n, uint32_t row_len) {
    for (; row_n; row_n--, to += run_n, from += row_len)
        copy(to, from, run_n);
}

#endif

/* A window that lies inside the picture as a whole, without dilation. */
static inline const int8_t *inner_window(const struct view *v, const int8_t *from) {
    if (v->taps == 1)
        return from;
    sdfa_copy_runs(v->scratch, from, v->run_len, v->kh, v->row_len);
    return v->scratch;
}

static const int8_t *window(const struct view *v, int32_t y, int32_t x) {
    int8_t *to = v->scratch;
    if (y >= 0 && y <= v->y_max && x >= 0 && x <= v->x_max)
        return inner_window(v, v->picture + (uint32_t)y * v->row_len + (uint32_t)x * v->c);
    if (v->p->dil_w == 1)
        gather_columns(to, v, y, x, v->p->kw);
    else
        for (uint32_t kx = v->p->kw; kx; kx--, x += v->p->dil_w, to += v->c)
            gather_columns(to, v, y, x, 1);
    return v->scratch;
}

static struct view view_of(const struct sdfa *s, const struct sdfa_conv_op *p) {
    const struct sdfa_tensor *in = sdfa_tensor_at(s, p->op.in);
    struct view v;
    v.p = p;
    v.picture = sdfa_values(s, p->op.in);
    v.scratch = (int8_t *)s->arena + p->scratch;
    v.other = v.scratch + (p->flags & SDFA_LAYER_PACKABLE ? (p->kh * p->kw * in->c + 3u) & ~3u : 0u);
    v.c = in->c;
    v.row_len = in->w * in->c;
    v.run_len = p->kw * in->c;
    v.taps = (uint32_t)p->kh * p->kw;
    v.kh = p->kh;
    v.y_max = p->dil_h == 1 && p->dil_w == 1 ? in->h - p->kh : -1;
    v.x_max = in->w - p->kw;
    v.h = in->h;
    v.w = in->w;
    v.zero_point = in->zero_point;
    return v;
}

#if SDFA_THUMB2

static inline void swap(struct view *v) {
    int8_t *scratch = v->scratch;
    v->scratch = v->other;
    v->other = scratch;
}

#else

static inline void swap(const struct view *v) {
    (void)v; /* one place is enough for a core that finishes each window before the next */
}

#endif

void sdfa_each_window(const struct sdfa *s, const struct sdfa_conv_op *p, sdfa_cell *cell, void *context) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, p->op.out);
    struct view v = view_of(s, p);
    int8_t *out = sdfa_values(s, p->op.out);
    int32_t y = -(int32_t)p->pad_top, x;
    for (uint32_t oy = 0; oy < t->h; oy++, y += p->stride_h) {
        x = -(int32_t)p->pad_left;
        for (uint32_t ox = 0; ox < t->w; ox++, x += p->stride_w, out += t->c) {
            cell(context, window(&v, y, x), out);
            swap(&v);
        }
    }
}
