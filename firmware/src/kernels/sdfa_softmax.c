/* SOFTMAX (SPEC.md 2.2) in gemmlowp's fixed point. Qm.n: m integer bits, n fractional bits, one sign bit. */
#include "sdfa_internal.h"

#define ROW_MAX 4095u /* keeps the sum of exponentials, Q12.19, inside 31 bits */

static int check(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out) {
    const struct sdfa_softmax_op *p = (const struct sdfa_softmax_op *)op;
    (void)s;
    return in->h == out->h && in->w == out->w && in->c == out->c && in->c <= ROW_MAX && p->mult >= 0 &&
           (uint32_t)p->shift <= 30 && p->diff_min <= 0;
}

/* x * 2^n, saturating. */
static int32_t shl_saturate(int32_t x, uint32_t n) {
    int32_t limit = INT32_MAX >> n;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : sdfa_wrap_shl(x, n);
}

/* exp(a) for a in [-1/4, 0), Q0.31 to Q0.31: Taylor about -1/8. */
static int32_t exp_quarter(int32_t a) {
    const int32_t exp_eighth = 1895147668, third = 715827883;
    int32_t x = sdfa_wrap_add(a, 1 << 28);
    int32_t x2 = sdfa_srdhm(x, x), x3 = sdfa_srdhm(x2, x), x4 = sdfa_srdhm(x2, x2);
    int32_t tail = sdfa_wrap_add(sdfa_srdhm(sdfa_wrap_add(sdfa_rdbpot(x4, 2), x3), third), x2);
    return sdfa_wrap_add(exp_eighth, sdfa_srdhm(exp_eighth, sdfa_wrap_add(x, sdfa_rdbpot(tail, 1))));
}

/* exp(a) for a <= 0, Q5.26 to Q0.31. */
static int32_t exp_negative(int32_t a) {
    /* exp(-2^k) for k = -2 .. 4, Q0.31 */
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    int32_t part = (a & (quarter - 1)) - quarter;
    uint32_t rest = (uint32_t)part - (uint32_t)a;
    int32_t result = exp_quarter(shl_saturate(part, 5));
    for (uint32_t k = 0; k < 7; k++)
        if (rest & (1u << (24 + k)))
            result = sdfa_srdhm(result, factor[k]);
    return a == 0 ? INT32_MAX : result;
}

/* 1 / (1 + a) for a in [0, 1), Q0.31 to Q0.31: three Newton steps in Q2.29. */
static int32_t reciprocal(int32_t a) {
    int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = sdfa_wrap_add(1515870810, sdfa_srdhm(half, -1010580540));
    for (int i = 0; i < 3; i++) {
        int32_t miss = sdfa_wrap_add(1 << 29, (int32_t)-sdfa_srdhm(half, x));
        x = sdfa_wrap_add(x, shl_saturate(sdfa_srdhm(x, miss), 2));
    }
    return shl_saturate(x, 1);
}

static int32_t exp_of(const struct sdfa_softmax_op *p, int32_t diff) {
    return exp_negative(sdfa_srdhm(sdfa_wrap_shl(diff, (uint32_t)p->shift), p->mult));
}

static void run_row(const struct sdfa_softmax_op *p, const int8_t *in, int8_t *out, uint32_t n) {
    int32_t max = -128, scale;
    uint32_t sum = 0, zeros, shift;
    for (uint32_t i = 0; i < n; i++)
        max = in[i] > max ? in[i] : max;
    for (uint32_t i = 0; i < n; i++)
        if (in[i] - max >= p->diff_min)
            sum += (uint32_t)sdfa_rdbpot(exp_of(p, in[i] - max), 12);
    zeros = 31u - sdfa_log2_floor(sum | 1u);
    scale = reciprocal((int32_t)((sum << zeros) - (1u << 31)));
    shift = 12u + 23u - zeros;
    for (uint32_t i = 0; i < n; i++) {
        int32_t v = 0;
        if (in[i] - max >= p->diff_min && shift < 32)
            v = sdfa_rdbpot(sdfa_srdhm(scale, exp_of(p, in[i] - max)), shift);
        out[i] = (int8_t)sdfa_clamp(sdfa_wrap_add(v, -128), -128, 127);
    }
}

static void run(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_softmax_op *p = (const struct sdfa_softmax_op *)op;
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->in);
    uint32_t rows = (uint32_t)t->h * t->w;
    const int8_t *in = sdfa_values(s, op->in);
    int8_t *out = sdfa_values(s, op->out);
    for (uint32_t r = 0; r < rows; r++)
        run_row(p, in + r * t->c, out + r * t->c, t->c);
}

const struct sdfa_kernel sdfa_kernel_softmax = {SDFA_SOFTMAX, sizeof(struct sdfa_softmax_op), check, run};
