/* Sums of products of int8 weights and x - z, modulo 2^32: one row, or four rows that share each load of x. z: 0, or the
 * zero point where the bias does not hold it. */
#ifndef SDFA_DOT_H
#define SDFA_DOT_H

#include "sdfa_core.h"

#include <stdint.h>

#if SDFA_DSP

/* DSP extension (Cortex-M4, M7, M33): two products an instruction. These cores load words from any address. */
#include <arm_acle.h>
#include <string.h>

static inline uint32_t sdfa_load4(const int8_t *p) {
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

/* Bytes 1 and 3, widened; the compiler does not find the rotation by itself. */
static inline int16x2_t sdfa_odd(uint32_t word) {
    int16x2_t lanes;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(lanes) : "r"(word));
    return lanes;
}

/* acc + the four products of two words of int8. even, odd: bytes 0, 2 and 1, 3 of x, widened. */
static inline int32_t sdfa_mac4(int32_t acc, const int8_t *w, int16x2_t even, int16x2_t odd) {
    uint32_t word = sdfa_load4(w);
    acc = __smlad(__sxtb16((int8x4_t)word), even, acc);
    return __smlad(sdfa_odd(word), odd, acc);
}

static inline int32_t sdfa_dot(int32_t acc, const int8_t *w, const int8_t *x, uint32_t n, int32_t z) {
    const uint32_t less = ((uint32_t)-z & 0xffffu) * 0x10001u;
    for (; n >= 4; n -= 4, w += 4, x += 4) {
        uint32_t word = sdfa_load4(x);
        int16x2_t even, odd;
        __asm__("sxtab16 %0, %2, %3\n\tsxtab16 %1, %2, %3, ror #8" : "=&r"(even), "=r"(odd) : "r"(less), "r"(word));
        acc = sdfa_mac4(acc, w, even, odd);
    }
    for (; n; n--)
        acc = (int32_t)((uint32_t)acc + (uint32_t)(*w++ * (*x++ - z)));
    return acc;
}

/* sdfa_dot_dsp.c: four rows, `step` apart, times one vector of n values. acc: int32[4]. */
void sdfa_dot4(int32_t *acc, const int8_t *w, uint32_t step, const int8_t *x, uint32_t n, int32_t z);

/* out = max(out, at) for the whole words of n values; returns how many values that were. */
static inline uint32_t sdfa_max_words(int8_t *out, const int8_t *at, uint32_t n) {
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t a = sdfa_load4(out + i), b = sdfa_load4(at + i), v;
        __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(v) : "r"(a), "r"(b));
        memcpy(out + i, &v, 4);
    }
    return i;
}

#else

/* Portable C. */
static inline uint32_t sdfa_max_words(int8_t *out, const int8_t *at, uint32_t n) {
    (void)out, (void)at, (void)n;
    return 0;
}

static inline int32_t sdfa_dot(int32_t acc, const int8_t *w, const int8_t *x, uint32_t n, int32_t z) {
    uint32_t sum = (uint32_t)acc;
    while (n--)
        sum += (uint32_t)(*w++ * (*x++ - z));
    return (int32_t)sum;
}

#if SDFA_THUMB1

/* sdfa_thumb1.c: two rows, all that eight registers hold. acc: int32[2]. */
void sdfa_dot2(int32_t *acc, const int8_t *w, uint32_t step, const int8_t *x, uint32_t n);

/* Four rows, where many of n > 0 values of x are -128, which is their zero point. acc: int32[4]. */
void sdfa_dot4_sparse(int32_t *acc, const int8_t *w, uint32_t step, const int8_t *x, uint32_t n);

#elif SDFA_THUMB2

/* sdfa_thumb2.c: acc: int32[4]. */
void sdfa_dot4_plain(int32_t *acc, const int8_t *w, uint32_t step, const int8_t *x, uint32_t n);

/* The same with a zero point; passes over values that are it. */
void sdfa_dot4_less(int32_t *acc, const int8_t *w, uint32_t step, const int8_t *x, uint32_t n, int32_t z);

/* Two rows, n apart, times two vectors. acc: int32[4]: row 0 with vector 0 and 1, row 1 with both. */
void sdfa_dot2x2(int32_t *acc, const int8_t *w, const int8_t *x0, const int8_t *x1, uint32_t n);

#endif

static inline void sdfa_dot4_any(int32_t acc[4], const int8_t *w, uint32_t step, const int8_t *x, uint32_t n,
                                 int32_t z) {
    uint32_t a = (uint32_t)acc[0], b = (uint32_t)acc[1], c = (uint32_t)acc[2], d = (uint32_t)acc[3];
    const int8_t *end = w + n, *w1 = w + step, *w2 = w1 + step, *w3 = w2 + step;
    while (w != end) {
        int32_t v = *x++ - z;
        a += (uint32_t)(*w++ * v);
        b += (uint32_t)(*w1++ * v);
        c += (uint32_t)(*w2++ * v);
        d += (uint32_t)(*w3++ * v);
    }
    acc[0] = (int32_t)a;
    acc[1] = (int32_t)b;
    acc[2] = (int32_t)c;
    acc[3] = (int32_t)d;
}

#if SDFA_THUMB1

static inline void sdfa_dot4(int32_t acc[4], const int8_t *w, uint32_t step, const int8_t *x, uint32_t n, int32_t z) {
    if (z == 0) {
        sdfa_dot2(acc, w, step, x, n);
        sdfa_dot2(acc + 2, w + 2 * step, step, x, n);
        return;
    }
    if (z == -128) {
        sdfa_dot4_sparse(acc, w, step, x, n);
        return;
    }
    sdfa_dot4_any(acc, w, step, x, n, z);
}

#elif SDFA_THUMB2

static inline void sdfa_dot4(int32_t acc[4], const int8_t *w, uint32_t step, const int8_t *x, uint32_t n, int32_t z) {
    if (z == 0)
        sdfa_dot4_plain(acc, w, step, x, n);
    else
        sdfa_dot4_less(acc, w, step, x, n, z);
}

#else

static inline void sdfa_dot4(int32_t acc[4], const int8_t *w, uint32_t step, const int8_t *x, uint32_t n, int32_t z) {
    sdfa_dot4_any(acc, w, step, x, n, z);
}

#endif

#endif

#endif
