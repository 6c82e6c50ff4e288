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

/* What DENSE, CONV and DEPTHWISE begin with. */
struct SDFA_ALIAS sdfa_rows_op {
    struct sdfa_op op;
    uint32_t weights, bias, mult, shift;
};

/* One operation. check: whether all is sound that run relies on, for a record whose tensors are in and out; run cannot
 * fail. */
struct sdfa_kernel {
    uint16_t kind, len;
    int (*check)(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_tensor *in,
                 const struct sdfa_tensor *out);
    void (*run)(const struct sdfa *s, const struct sdfa_op *op);
};

/* One loss. check: the learning section, SDFA_ERR_OK or the reason. error: fills e from the kept accumulators (which it
 * may overwrite), counts, and returns whether any e is not zero. answer: const uint32_t * label, or const int16_t *
 * targets. */
struct sdfa_loss {
    int (*check)(const struct sdfa *s, uint32_t len);
    int (*error)(struct sdfa *s, sdfa_i16 *e, const void *answer);
};

/* One way of error delivery. check: what hidden layer l needs, SDFA_ERR_OK or the reason. deltas: fills d, int16[N of
 * layer l], before f' is applied; above: deltas of layer l + 1. It may overwrite the kept accumulators. */
struct sdfa_feedback {
    int (*check)(const struct sdfa *s, uint32_t l);
    void (*deltas)(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above);
};

/* One kind of weights in RAM. check: its memory, SDFA_ERR_OK or SDFA_ERR_LEARNING. layer: moves the rows of layer l;
 * d: its deltas, int16[N]. */
struct sdfa_update {
    int (*check)(const struct sdfa *s);
    void (*layer)(struct sdfa *s, uint32_t l, const sdfa_i16 *d);
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

/* n bytes, both aligned to 4, by words: small C libraries copy them one by one (sdfa_copy.c). */
void sdfa_copy(uint8_t *to, const uint8_t *from, uint32_t n);

/* All that the header says, but the CRC-32 (sdfa_open.c). */
int sdfa_check_header(const void *image, size_t image_len);

/* Checks for sdfa_bind (sdfa_check.c). Of all tensors, the section's length being len, and of all operations. */
int sdfa_check_tensors(const struct sdfa *s, uint32_t len);
int sdfa_check_ops(const struct sdfa *s);
/* Each of n tensors: no dimension is 0, it lies inside the arena at a multiple of 4, its zero point is an int8. */
int sdfa_tensors_ok(const struct sdfa_tensor *t, uint32_t n, uint32_t arena_len);

/* Parts of them: all return 1 when the range is sound. */
static inline uint32_t sdfa_mul(uint32_t a, uint32_t b) { /* a * b, or UINT32_MAX when that does not fit */
    uint64_t product = (uint64_t)a * b;
    return product >> 32 ? UINT32_MAX : (uint32_t)product;
}
static inline int sdfa_items_in(uint32_t off, uint32_t n, uint32_t size, uint32_t whole) { /* size: 1, 2, 4 ... */
    return n <= whole / size && off <= whole - n * size;
}
static inline int sdfa_in_range(uint32_t off, uint32_t len, uint32_t whole) {
    return sdfa_items_in(off, len, 1, whole);
}
static inline int sdfa_in_data(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) { /* 4-aligned */
    return (off & 3u) == 0 && sdfa_items_in(off, n, size, s->data_len);
}
static inline int sdfa_in_arena(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) { /* 4-aligned */
    return (off & 3u) == 0 && sdfa_items_in(off, n, size, s->arena_len);
}
static inline int sdfa_act_ok(int32_t lo, int32_t hi) {
    return lo >= -128 && lo <= hi && hi <= 127;
}
static inline int sdfa_disjoint(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len) {
    return a >= b ? a - b >= b_len : b - a >= a_len;
}
/* No multiplier is negative, and each shift is in -31 .. 30. */
int sdfa_scales_any(const int32_t *mult, const int8_t *shift, uint32_t n);
/* sdfa_requantize_fast may be used: no multiplier is below 2^30, and each shift is in -20 .. -1. With a smaller one, an
 * accumulator of 2^30 would not saturate the output. */
int sdfa_scales_fast(const int32_t *mult, const int8_t *shift, uint32_t n);
/* The one that flags ask for, of scales that stand in DATA; mult and shift are multiples of 4. */
static inline int sdfa_scales_ok(const struct sdfa *s, uint32_t mult, uint32_t shift, uint32_t n, uint32_t flags) {
    if (!sdfa_items_in(mult, n, 4, s->data_len) || !sdfa_items_in(shift, n, 1, s->data_len))
        return 0;
    if (flags & SDFA_LAYER_FAST)
        return sdfa_scales_fast(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n);
    return sdfa_scales_any(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n);
}
/* The same, and the record's n rows of weights, k bytes each, and biases stand in a block of `whole` bytes. */
static inline int sdfa_rows_ok(const struct sdfa *s, const struct sdfa_rows_op *p, uint32_t n, uint32_t k,
                               uint32_t whole, uint32_t flags) {
    uint64_t len = (uint64_t)n * k;
    if (((p->weights | p->bias | p->mult | p->shift) & 3u) || len >> 32 ||
        !sdfa_in_range(p->weights, (uint32_t)len, whole) || !sdfa_items_in(p->bias, n, 4, whole))
        return 0;
    return sdfa_scales_ok(s, p->mult, p->shift, n, flags);
}
/* Both inputs and the output have one shape. */
int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_tensor *in, uint32_t in1, const struct sdfa_tensor *out);

/* The kernel of a record's kind and length; NULL if it is not linked. */
const struct sdfa_kernel *sdfa_search_kernel(const struct sdfa_kernels *kernels, const struct sdfa_op *op);
static inline int sdfa_fits(const struct sdfa_kernel *kernel, const struct sdfa_op *op) { /* compares both at once */
    return *(const sdfa_u32 *)(const void *)&kernel->kind == *(const sdfa_u32 *)(const void *)&op->kind;
}
static inline const struct sdfa_kernel *sdfa_find_kernel(const struct sdfa_kernels *kernels, const struct sdfa_op *op) {
    uint32_t i = op->kind - 1u;
    if (SDFA_LIKELY(i < kernels->op_n && sdfa_fits(kernels->op[i], op))) /* where all of them stand in order */
        return kernels->op[i];
    return sdfa_search_kernel(kernels, op);
}

/* Learning (sdfa_learning.c). The whole learning section, for both losses, and the rate in force. */
int sdfa_check_learning(const struct sdfa *s, uint32_t len);

/* rate_q24 = mant * 2^(exp + 24), mant in 32768 .. 65535; rate_q24 > 0. */
struct sdfa_rate {
    uint32_t mant;
    int32_t exp;
};
static inline struct sdfa_rate sdfa_normalize_rate(uint32_t rate_q24) {
    uint32_t zeros = sdfa_leading_zeros(rate_q24);
    struct sdfa_rate r = {(rate_q24 << zeros) >> 16, -8 - (int32_t)zeros};
    return r;
}
int sdfa_rate_ok(const struct sdfa *s, uint32_t rate_q24);

/* How the error reaches hidden layer l; NULL: not linked. */
const struct sdfa_feedback *sdfa_rule_of(const struct sdfa *s, uint32_t l);

/* Whether layer l learns, by sdfa_freeze. */
static inline int sdfa_learns(const struct sdfa *s, uint32_t l) {
    return l > 15u || !(s->frozen >> l & 1u);
}

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

/* Learning keeps every bias within this, on both sides. */
#define SDFA_BIAS_MAX (1 << 30)

/* Offset in the tail of the fractions of master weights, int8[N][K]: behind the weights. */
static inline uint32_t sdfa_fractions_at(const struct sdfa_dense_op *op) {
    return op->weights + ((op->in_n * op->out_n + 3u) & ~3u);
}

/* Whether output c is a spare one that no class has yet: learning never makes a bias so low. */
static inline int sdfa_slot_closed(const struct sdfa *s, uint32_t c) {
    const struct sdfa_dense_op *last = sdfa_layer_op(s, sdfa_learning_of(s)->layer_n - 1u);
    return ((const sdfa_i32 *)(const void *)(s->tail + last->bias))[c] < -SDFA_BIAS_MAX;
}

/* The tail in RAM holds other weights than learning left there: to be called whenever something else wrote them. */
void sdfa_tail_changed(struct sdfa *s);

/* One learning step; answer as for sdfa_loss.error (sdfa_step.c). Errors: FROZEN, ORDER. */
int sdfa_step(struct sdfa *s, const void *answer);

/* A logit in the loss's fixed point (SPEC.md 3.1). */
static inline int32_t sdfa_scaled(int32_t acc, int32_t mult, int32_t shift) {
    int32_t v = acc;
    if (SDFA_LIKELY(shift > 0)) {
        v = sdfa_wrap_shl(acc, (uint32_t)shift);
        if (!SDFA_LIKELY(v >> shift == acc)) /* the clamp of SPEC.md 3.1 */
            v = sdfa_wrap_shl((INT32_MAX ^ acc >> 31) >> shift, (uint32_t)shift);
    }
    SDFA_LOOP(shift); /* so that no compiler multiplies at two places */
    v = sdfa_srdhm(v, mult);
    return SDFA_LIKELY(shift >= 0) ? v : sdfa_rdbpot(v, (uint32_t)-shift);
}
static inline int32_t sdfa_logit(const struct sdfa *s, uint32_t c, int32_t acc) {
    const struct sdfa_learning *g = sdfa_learning_of(s);
    return sdfa_scaled(acc, sdfa_data_i32(s, g->zmult)[c], sdfa_data_i8(s, g->zshift)[c]);
}

#endif
