/* What the runtime's files share. Not for users. */
#ifndef SDFA_INTERNAL_H
#define SDFA_INTERNAL_H

#include "sdfa.h"
#include "sdfa_fixed.h"
#include "sdfa_format.h"

typedef int16_t SDFA_ALIAS sdfa_i16;
typedef uint16_t SDFA_ALIAS sdfa_u16;
typedef int32_t SDFA_ALIAS sdfa_i32;
typedef uint32_t SDFA_ALIAS sdfa_u32;

/* One operation. check: everything that run relies on, SDFA_ERR_OK or SDFA_ERR_OP; run cannot fail. */
struct sdfa_kernel {
    uint16_t kind, len;
    int (*check)(const struct sdfa *s, const struct sdfa_op *op);
    void (*run)(const struct sdfa *s, const struct sdfa_op *op);
};

/* One loss. check: the learning section, SDFA_ERR_OK or the reason. error: fills e from the kept accumulators (which it
 * may overwrite), counts, and returns whether any e is not zero. answer: const uint32_t * label, or const int16_t *
 * targets. */
struct sdfa_loss {
    int (*check)(const struct sdfa *s, uint32_t len);
    int (*error)(struct sdfa *s, sdfa_i16 *e, const void *answer);
};

/* One way of error delivery. Fills d, int16[N of layer l], before f' is applied; above: deltas of layer l + 1. */
struct sdfa_feedback {
    int (*check)(const struct sdfa *s);
    void (*deltas)(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above);
};

/* Views of the opened image. */
static inline const struct sdfa_tensor *sdfa_tensor_at(const struct sdfa *s, uint32_t i) {
    return (const struct sdfa_tensor *)(const void *)s->tensors + i;
}
static inline uint32_t sdfa_tensor_len(const struct sdfa_tensor *t) {
    return (uint32_t)t->h * t->w * t->c;
}
static inline int8_t *sdfa_values(const struct sdfa *s, uint32_t i) {
    return (int8_t *)s->arena + sdfa_tensor_at(s, i)->off;
}
static inline const int32_t *sdfa_data_i32(const struct sdfa *s, uint32_t off) {
    return (const int32_t *)(const void *)(s->data + off);
}
static inline const int8_t *sdfa_data_i8(const struct sdfa *s, uint32_t off) {
    return (const int8_t *)s->data + off;
}
static inline const struct sdfa_learning *sdfa_learning_of(const struct sdfa *s) {
    return (const struct sdfa_learning *)(const void *)s->learning;
}
static inline const struct sdfa_layer *sdfa_layer_at(const struct sdfa *s, uint32_t l) {
    return (const struct sdfa_layer *)(const void *)(s->learning + sizeof(struct sdfa_learning)) + l;
}
static inline const struct sdfa_dense_op *sdfa_layer_op(const struct sdfa *s, uint32_t l) {
    return (const struct sdfa_dense_op *)(const void *)(s->ops + sdfa_layer_at(s, l)->op);
}

/* Requantized, clamped output value. */
static inline int8_t sdfa_requantize(int32_t acc, int32_t mult, int32_t shift, int32_t zero_point, int32_t lo,
                                     int32_t hi) {
    return (int8_t)sdfa_clamp(sdfa_wrap_add(sdfa_mbqm(acc, mult, shift), zero_point), lo, hi);
}

/* The same for a fast channel (SPEC.md 2.1) (SPEC.md 2.1) and no clamp but int8. */
static inline int8_t sdfa_requantize_fast(int32_t acc, int32_t mult, int32_t shift, int32_t zero_point) {
    int32_t halves = -1 - shift; /* 0 .. 19 */
#if SDFA_DSP
    /* Doubling saturates where the output does; zero point and one half join the rounding. */
    int32_t v;
    __asm__("qadd %0, %1, %1\n\tsmmulr %0, %0, %2" : "=&r"(v) : "r"(acc), "r"(mult));
    v += v >> 31;
    v = (v >> halves) + 2 * zero_point + 1;
    __asm__("ssat %0, #8, %0, asr #1" : "+r"(v));
    return (int8_t)v;
#elif defined(__ARM_FEATURE_SAT)
    int32_t v;
    __asm__("ssat %0, #31, %1" : "=r"(v) : "r"(acc));
    v = sdfa_srdhm_small(v, mult);
    v += v >> 31;
    v = (v >> halves) + 2 * zero_point + 1;
    __asm__("ssat %0, #8, %0, asr #1" : "+r"(v));
    return (int8_t)v;
#else
    int32_t v = sdfa_srdhm(acc, mult);
    v = (sdfa_wrap_add(v, v >> 31) >> halves) + 1;
    return (int8_t)sdfa_sat8((v >> 1) + zero_point);
#endif
}

/* CRC-32 as zlib's crc32: crc is 0, or that of the bytes before (sdfa_crc.c). */
uint32_t sdfa_crc32(uint32_t crc, const void *data, uint32_t n);

/* All that the header says, but the CRC-32 (sdfa_open.c). */
int sdfa_check_header(const void *image, size_t image_len);

/* Checks for sdfa_bind (sdfa_check.c): all return 1 when the range is sound. */
static inline uint32_t sdfa_mul(uint32_t a, uint32_t b) { /* a * b, or UINT32_MAX when that does not fit */
    uint64_t product = (uint64_t)a * b;
    return product >> 32 ? UINT32_MAX : (uint32_t)product;
}
static inline int sdfa_in_range(uint32_t off, uint32_t len, uint32_t whole) {
    return (uint64_t)off + len <= whole;
}
static inline int sdfa_items_in(uint32_t off, uint32_t n, uint32_t size, uint32_t whole) { /* 4-aligned */
    return (off & 3u) == 0 && (uint64_t)n * size + off <= whole;
}
static inline int sdfa_in_data(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) {
    return sdfa_items_in(off, n, size, s->data_len);
}
static inline int sdfa_in_arena(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) {
    return sdfa_items_in(off, n, size, s->arena_len);
}
static inline int sdfa_act_ok(int32_t lo, int32_t hi) {
    return lo >= -128 && lo <= hi && hi <= 127;
}
static inline int sdfa_disjoint(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len) {
    return a >= b ? a - b >= b_len : b - a >= a_len;
}
int sdfa_shifts_ok(const struct sdfa *s, uint32_t off, uint32_t n); /* n shifts in DATA, each in -31 .. 30 */
int sdfa_mults_ok(const struct sdfa *s, uint32_t off, uint32_t n);  /* n multipliers in DATA, none negative */
int sdfa_channels_ok(const struct sdfa *s, uint32_t mult, uint32_t shift, uint32_t n, uint32_t flags);
int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_op *op, uint32_t in1); /* both inputs and the output */

const struct sdfa_kernel *sdfa_find_kernel(const struct sdfa_kernels *kernels, uint32_t kind); /* NULL: not linked */

/* Learning (sdfa_learning.c). The whole learning section, for both losses, and the rate in force. */
int sdfa_check_learning(const struct sdfa *s, uint32_t len);

/* rate_q24 = mant * 2^(exp + 24), mant in 32768 .. 65535; rate_q24 > 0. */
struct sdfa_rate {
    uint32_t mant;
    int32_t exp;
};
struct sdfa_rate sdfa_normalize_rate(uint32_t rate_q24);
int sdfa_rate_ok(const struct sdfa *s, uint32_t rate_q24);

/* int16 of one hidden layer's deltas, rounded up to even. */
uint32_t sdfa_delta_len(const struct sdfa *s);

/* Row i's right shift s of SPEC.md 3.4. */
static inline int32_t sdfa_row_shift(const struct sdfa_layer *layer, int32_t rate_exp, int32_t ratio_exp) {
    return -(33 + rate_exp + ratio_exp + layer->delta_exp);
}

/* The kept accumulators of the output layer. */
static inline sdfa_i32 *sdfa_kept(const struct sdfa *s) {
    uint32_t last = sdfa_learning_of(s)->layer_n - 1u;
    return (sdfa_i32 *)(void *)(s->arena + sdfa_layer_op(s, last)->acc);
}

/* One learning step; answer as for sdfa_loss.error (sdfa_step.c). Errors: FROZEN, ORDER. */
int sdfa_step(struct sdfa *s, const void *answer);

/* Logit c in the loss's fixed point (SPEC.md 3.1). */
int32_t sdfa_logit(const struct sdfa *s, uint32_t c, int32_t acc);

#endif
