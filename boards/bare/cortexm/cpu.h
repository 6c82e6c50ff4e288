/* Instructions of the processor that C has no words for. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

static inline uint32_t *cpu_stack_pointer(void) {
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

/* A call of semihosting by its number; returns the answer. */
static inline uint32_t cpu_semihost(uint32_t number, const uintptr_t *args) {
    register uint32_t r0 __asm__("r0") = number;
    register const uintptr_t *r1 __asm__("r1") = args;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Starts the processor anew (Armv6-M and later: AIRCR, SYSRESETREQ). */
static inline void __attribute__((noreturn)) cpu_reset(void) {
    *(volatile uint32_t *)0xe000ed0cu = 0x05fa0004u;
    for (;;) {
    }
}

#endif
