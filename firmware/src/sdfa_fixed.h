/* Fixed-point arithmetic (SPEC.md 2.1, 3.3). Sums that may leave 32 bits are taken on unsigned values: they wrap. */
#ifndef SDFA_FIXED_H
#define SDFA_FIXED_H

#include "sdfa_core.h"

#include <stdint.h>

/* The runtime shifts negative values to the right and needs the arithmetic shift that every supported compiler has. */
typedef char sdfa_assert_shift[(-5 >> 1) == -3 ? 1 : -1];

static inline int32_t sdfa_wrap_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t sdfa_wrap_sub(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

static inline int32_t sdfa_wrap_shl(int32_t a, uint32_t n) {
    return (int32_t)((uint32_t)a << n);
}

static inline int32_t sdfa_clamp(int32_t x, int32_t lo, int32_t hi) {
    return x < lo ? lo : x > hi ? hi : x;
}

/* Clamped to +-32767. */
static inline int16_t sdfa_limit16(int32_t x) {
#if defined(__ARM_FEATURE_SAT)
    __asm__("ssat %0, #16, %0" : "+r"(x));
    return (int16_t)(x < -32767 ? -32767 : x);
#else
    return (int16_t)sdfa_clamp(x, -32767, 32767);
#endif
}

static inline int16_t sdfa_sat16(int64_t x) {
    return (int16_t)(x > 32767 ? 32767 : x < -32767 ? -32767 : x);
}

#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)

/* Rounding doubling high multiply; not both of them INT32_MIN. In halves, for cores that multiply 32 bits to 32. */
static inline int32_t sdfa_srdhm(int32_t a, int32_t b) {
    int32_t a_high = a >> 16, b_high = b >> 16;
    uint32_t a_low = (uint32_t)a & 0xffffu, b_low = (uint32_t)b & 0xffffu;
    int32_t middle = a_high * (int32_t)b_low + (int32_t)(a_low * b_low >> 16);
    int32_t middle2 = (int32_t)a_low * b_high + (middle & 0xffff) + (1 << 14); /* below 2^31 for all a and b */
    int32_t high = a_high * b_high + (middle >> 16);
    return (int32_t)((uint32_t)high * 2u + (uint32_t)(middle2 >> 15));
}

#else

/* Rounding doubling high multiply, b >= 0: then nothing saturates, and the result is never INT32_MIN. */
static inline int32_t sdfa_srdhm(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

#endif

#if SDFA_DSP

/* The same for -2^30 <= a < 2^30. */
static inline int32_t sdfa_srdhm_small(int32_t a, int32_t b) {
    int32_t v;
    __asm__("smmulr %0, %1, %2" : "=r"(v) : "r"(a * 2), "r"(b));
    return v;
}

#elif defined(__ARM_FEATURE_SAT)

static inline int32_t sdfa_srdhm_small(int32_t a, int32_t b) {
    int64_t product = (int64_t)(a * 2) * b;
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
}

#else

static inline int32_t sdfa_srdhm_small(int32_t a, int32_t b) {
    return sdfa_srdhm(a, b);
}

#endif

/* Rounding division by 2^n, ties away from zero. 0 <= n <= 31, x > INT32_MIN. */
static inline int32_t sdfa_rdbpot(int32_t x, uint32_t n) {
    if (n == 0)
        return x;
    return ((sdfa_wrap_add(x, x >> 31) >> (n - 1)) + 1) >> 1;
}

/* x * m * 2^(s - 31), rounded twice. -31 <= s <= 30. */
static inline int32_t sdfa_mbqm(int32_t x, int32_t m, int32_t s) {
    if (s >= 0)
        return sdfa_srdhm(sdfa_wrap_shl(x, (uint32_t)s), m);
    return sdfa_rdbpot(sdfa_srdhm(x, m), (uint32_t)-s);
}

/* Clamped to int8. */
static inline int32_t sdfa_sat8(int32_t x) {
#if defined(__ARM_FEATURE_SAT)
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return x;
#else
    return sdfa_clamp(x, -128, 127);
#endif
}

/* x > 0. */
static inline uint32_t sdfa_leading_zeros(uint32_t x) {
#if defined(__ARM_FEATURE_CLZ)
    return (uint32_t)__builtin_clz(x);
#else
    uint32_t n = 0;
    for (; (x & 0x80000000u) == 0; x <<= 1)
        n++;
    return n;
#endif
}

/* floor(log2(x)), x > 0. */
static inline uint32_t sdfa_log2_floor(uint32_t x) {
#if defined(__ARM_FEATURE_CLZ)
    return 31u - sdfa_leading_zeros(x);
#else
    uint32_t n = 0; /* x is small where this is used often */
    while (x >>= 1)
        n++;
    return n;
#endif
}

/* a / b, which is below 2^17. */
#if SDFA_THUMB1
uint32_t sdfa_divide(uint32_t a, uint32_t b); /* sdfa_fixed.c */
#else
static inline uint32_t sdfa_divide(uint32_t a, uint32_t b) {
    return a / b;
}
#endif

/* The generator (SPEC.md 3.3): its state after this one, and what it returns for a state. */
static inline uint32_t sdfa_next_state(uint32_t x) {
    return x * 747796405u + 2891336453u;
}
static inline uint32_t sdfa_mixed(uint32_t x) {
    return x ^ (x >> 16);
}

/* Its next word. */
#if SDFA_THUMB1
uint32_t sdfa_random(uint32_t *state); /* sdfa_fixed.c */
#else
static inline uint32_t sdfa_random(uint32_t *state) {
    *state = sdfa_next_state(*state);
    return sdfa_mixed(*state);
}
#endif

#endif
