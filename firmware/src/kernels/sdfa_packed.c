/* Cores without the DSP extension: rows that are packed for it (SPEC.md 1.4, 2.2), and windows one by one. */
#include "sdfa_dot.h"
#include "sdfa_matvec.h"

#if !SDFA_DSP

/* Sums of two rows. high: 256 times the second row plus the first; both modulo 2^32. */
struct pair {
    uint32_t high, low;
};

static void add(struct pair *sum, const int8_t *w, int32_t x) {
    int32_t both = w[0] & 0xff;
    both |= w[1] * 256;
    sum->high += (uint32_t)(both * x);
    sum->low += (uint32_t)(w[0] * x);
}

/* Where input j of a row pair stands in a group: in blocks of four inputs the second and third change places. */
static uint32_t place(uint32_t j, uint32_t in_n) {
    uint32_t block = j & ~3u, k = j & 3u;
    if (block + 4 > in_n)
        return j * 8;
    return block * 8 + (k & 1u) * 16 + (k >> 1) * 2;
}

static struct pair sum_pair(const struct sdfa_matvec *m, const int8_t *group, uint32_t p, const int8_t *x) {
    struct pair sum = {0, 0};
    for (uint32_t j = 0; j < m->in_n; j++) {
        uint32_t step = (j & ~3u) + 4 > m->in_n ? 2 : 4;
        add(&sum, group + place(j, m->in_n) + p * step, x[j]);
    }
    return sum;
}

void sdfa_matvec_packed(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    for (uint32_t i = 0; i < m->packed_n; i += 2) {
        const int8_t *group = m->weights + (i & ~7u) * m->in_n;
        struct pair sum = sum_pair(m, group, (i & 7u) / 2, x);
        sdfa_finish(out, m, i, sdfa_wrap_add((int32_t)sum.low, m->bias[i]));
        sdfa_finish(out, m, i + 1, sdfa_wrap_add((int32_t)(sum.high - sum.low) >> 8, m->bias[i + 1]));
    }
}

static void any_window(void *context, const int8_t *window, int8_t *out) {
    const struct sdfa_matvec *m = context;
    if (m->packed_n)
        sdfa_matvec_packed(out, m, window);
    sdfa_matvec_plain(out, m, window);
}

#if SDFA_THUMB2

/* Two windows, whose sums are made together: each weight is loaded once for both. */
struct two {
    const struct sdfa_matvec *m;
    const int8_t *window; /* the first; NULL: there is none yet */
    int8_t *out;
};

static void two_windows(const struct two *t, const int8_t *window, int8_t *out) {
    const struct sdfa_matvec *m = t->m;
    const int8_t *w = m->weights;
    for (uint32_t i = 0; i < m->out_n; i += 2, w += 2 * m->in_n) {
        int32_t sum[4] = {m->bias[i], m->bias[i], m->bias[i + 1], m->bias[i + 1]};
        sdfa_dot2x2(sum, w, t->window, window, m->in_n);
        sdfa_finish(t->out, m, i, sum[0]);
        sdfa_finish(out, m, i, sum[1]);
        sdfa_finish(t->out, m, i + 1, sum[2]);
        sdfa_finish(out, m, i + 1, sum[3]);
    }
}

static void add_window(void *context, const int8_t *window, int8_t *out) {
    struct two *t = context;
    if (t->window) {
        two_windows(t, window, out);
        t->window = NULL;
        return;
    }
    t->window = window;
    t->out = out;
}

void sdfa_conv_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_matvec *m) {
    struct two t = {m, NULL, NULL};
    if (m->packed_n || m->out_n % 2 || !(p->flags & SDFA_LAYER_PACKABLE)) {
        sdfa_each_window(s, p, any_window, m);
        return;
    }
    sdfa_each_window(s, p, add_window, &t);
    if (t.window)
        sdfa_matvec_plain(t.out, m, t.window);
}

#else

void sdfa_conv_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_matvec *m) {
    sdfa_each_window(s, p, any_window, m);
}

#endif

#endif
