/* Weights times one vector (SPEC.md 2.2: DENSE, CONV): plain rows, four at a time. */
#include "sdfa_matvec.h"
#include "sdfa_dot.h"

#if !SDFA_MVE

static void finish(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t acc) {
    if (m->keep)
        m->keep[i] = acc;
    sdfa_finish(out, m, i, acc);
}

/* Rows i .. i + 3. */
static inline void finish4(int8_t *out, const struct sdfa_matvec *m, uint32_t i, const int32_t acc[4]) {
    const int32_t *mult = m->mult + i, zero_point = m->zero_point;
    const int8_t *shift = m->shift + i;
    if (!m->fast) {
        for (uint32_t k = 0; k < 4; k++)
            finish(out, m, i + k, acc[k]);
        return;
    }
    if (m->keep) {
        sdfa_i32 *keep = m->keep + i;
        keep[0] = acc[0];
        keep[1] = acc[1];
        keep[2] = acc[2];
        keep[3] = acc[3];
    }
    out += i;
    out[0] = sdfa_requantize_fast(acc[0], mult[0], shift[0], zero_point);
    out[1] = sdfa_requantize_fast(acc[1], mult[1], shift[1], zero_point);
    out[2] = sdfa_requantize_fast(acc[2], mult[2], shift[2], zero_point);
    out[3] = sdfa_requantize_fast(acc[3], mult[3], shift[3], zero_point);
}

/* n groups of four rows from row i on. */
static void fours(int8_t *out, const struct sdfa_matvec *m, const int8_t *x, uint32_t i, uint32_t n) {
    for (; n; n--, i += 4) {
        const sdfa_i32 *bias = m->bias + i;
        int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
        sdfa_dot4(acc, m->weights + i * m->in_n, m->in_n, x, m->in_n, m->input_zero);
        finish4(out, m, i, acc);
    }
}

#if SDFA_DSP

/* sdfa_dot_dsp.c: an even number of fast rows, from row i on, of 8, 16 ... 64 values. */
void sdfa_dot_pairs(int8_t *out, const struct sdfa_matvec *m, const int8_t *x, uint32_t i);

static inline int is_small(const struct sdfa_matvec *m) {
    return m->fast && ((m->in_n - 8u) & ~56u) == 0; /* in_n is 8, 16 ... 64 */
}

#endif

static void rows(int8_t *out, const struct sdfa_matvec *m, const int8_t *x, uint32_t i) {
    uint32_t n = (m->out_n - i) / 4;
    if (n) {
        fours(out, m, x, i, n);
        i += 4 * n;
        if (m->out_n - i >= 2) { /* with one or two that are done already, two or three rows are sooner done */
            i = m->out_n - 4;
            fours(out, m, x, i, 1);
            return;
        }
    }
    for (; i < m->out_n; i++)
        finish(out, m, i, sdfa_dot(m->bias[i], m->weights + i * m->in_n, x, m->in_n, m->input_zero));
}

void sdfa_matvec_plain(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    uint32_t i = m->packed_n;
#if SDFA_DSP
    uint32_t n = m->out_n - i;
    if (n > 1 && is_small(m)) {
        if ((n & 1u) == 0) {
            sdfa_dot_pairs(out, m, x, i);
            return;
        }
        sdfa_dot_pairs(out, m, x, i);
        i += n - 1;
    }
#endif
    rows(out, m, x, i);
}

#endif
