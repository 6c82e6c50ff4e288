/* Weights times one vector (SPEC.md 2.2: DENSE, CONV). */
#include "sdfa_matvec.h"
#include "sdfa_dot.h"

static void finish(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t acc) {
    if (m->keep)
        m->keep[i] = acc;
    out[i] = sdfa_requantize(acc, m->mult[i], m->shift[i], m->zero_point, m->act_min, m->act_max);
}

void sdfa_matvec(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    const int8_t *w = m->weights;
    uint32_t i = 0;
    for (; i + 4 <= m->out_n; i += 4, w += 4 * m->in_n) {
        int32_t acc[4] = {m->bias[i], m->bias[i + 1], m->bias[i + 2], m->bias[i + 3]};
        sdfa_dot4(acc, w, m->in_n, x, m->in_n);
        for (uint32_t k = 0; k < 4; k++)
            finish(out, m, i + k, acc[k]);
    }
    for (; i < m->out_n; i++, w += m->in_n)
        finish(out, m, i, sdfa_dot(m->bias[i], w, x, m->in_n));
}
