/* Families of cores, and what their code has in common. */
#ifndef SDFA_CORE_H
#define SDFA_CORE_H

/* DSP extension (Cortex-M4, M7, M33): two products an instruction; these cores load words from any address. */
#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32 && !defined(__ARM_FEATURE_MVE)
#define SDFA_DSP 1
#else
#define SDFA_DSP 0
#endif

/* Vector extension (Cortex-M55): sixteen products an instruction. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define SDFA_MVE 1
#else
#define SDFA_MVE 0
#endif

/* Thumb-2 without either (Cortex-M3). */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2 && !SDFA_DSP && !SDFA_MVE
#define SDFA_THUMB2 1
#else
#define SDFA_THUMB2 0
#endif

/* Thumb-1 (Cortex-M0). */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define SDFA_THUMB1 1
#else
#define SDFA_THUMB1 0
#endif

/* Keeps a pointer as it is, and so a loop a loop: a call of memset costs more, and small C libraries work by bytes. */
#if defined(__GNUC__)
#define SDFA_LOOP(p) __asm__("" : "+r"(p))
#else
#define SDFA_LOOP(p) ((void)0)
#endif

/* Runs once or seldom: small rather than fast. */
#if defined(__GNUC__)
#define SDFA_COLD __attribute__((cold))
#else
#define SDFA_COLD
#endif

/* Small rather than fast on Cortex-M0, where flash is scarce. */
#if SDFA_THUMB1
#define SDFA_LEAN SDFA_COLD
#else
#define SDFA_LEAN
#endif

/* Called, though used once: that is smaller. */
#if defined(__GNUC__)
#define SDFA_APART __attribute__((noinline))
#else
#define SDFA_APART
#endif

/* The usual case, which is put first. */
#if defined(__GNUC__)
#define SDFA_LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define SDFA_LIKELY(x) (x)
#endif

/* A function in assembly: whole, so that no compiler counts its registers or drops its arguments. */
#define SDFA_FUNCTION(name)                                                                                            \
    ".pushsection .text." name ",\"ax\",%progbits\n\t"                                                                 \
    ".syntax unified\n\t"                                                                                              \
    ".thumb\n\t"                                                                                                       \
    ".align 2\n\t"                                                                                                     \
    ".global " name "\n\t"                                                                                             \
    ".type " name ", %function\n" name ":\n\t"

#endif
