/* Weights times one vector (SPEC.md 2.2: DENSE, CONV): plain rows, four at a time. */
#include "sdfa_matvec.h"
#include "sdfa_dot.h"

#if !SDFA_MVE

static void finish(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t acc) {
    if (m->keep)
        m->keep[i] = acc;
    sdfa_finish(out, m, i, acc);
}

void sdfa_matvec_plain(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    uint32_t i = m->packed_n;
    const int8_t *w = m->weights + i * m->in_n;
    for (; i + 4 <= m->out_n; i += 4, w += 4 * m->in_n) {
        int32_t acc[4] = {m->bias[i], m->bias[i + 1], m->bias[i + 2], m->bias[i + 3]};
        sdfa_dot4(acc, w, m->in_n, x, m->in_n);
        for (uint32_t k = 0; k < 4; k++)
            finish(out, m, i + k, acc[k]);
    }
    for (; i < m->out_n; i++, w += m->in_n)
        finish(out, m, i, sdfa_dot(m->bias[i], w, x, m->in_n));
}

#endif
