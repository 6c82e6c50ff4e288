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
    if (!m->fast || m->keep) {
        for (uint32_t k = 0; k < 4; k++)
            finish(out, m, i + k, acc[k]);
        return;
    }
    out[i] = sdfa_requantize_fast(acc[0], mult[0], shift[0], zero_point);
    out[i + 1] = sdfa_requantize_fast(acc[1], mult[1], shift[1], zero_point);
    out[i + 2] = sdfa_requantize_fast(acc[2], mult[2], shift[2], zero_point);
    out[i + 3] = sdfa_requantize_fast(acc[3], mult[3], shift[3], zero_point);
}

void sdfa_matvec_plain(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    uint32_t i = m->packed_n;
    const int8_t *w = m->weights + i * m->in_n;
    for (; i + 4 <= m->out_n; i += 4, w += 4 * m->in_n) {
        int32_t acc[4] = {m->bias[i], m->bias[i + 1], m->bias[i + 2], m->bias[i + 3]};
        sdfa_dot4(acc, w, m->in_n, x, m->in_n, m->input_zero);
        finish4(out, m, i, acc);
    }
    for (; i < m->out_n; i++, w += m->in_n)
        finish(out, m, i, sdfa_dot(m->bias[i], w, x, m->in_n, m->input_zero));
}

#endif
