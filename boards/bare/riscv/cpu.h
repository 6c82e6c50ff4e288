/* Instructions of the processor that C has no words for. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

static inline uint32_t *cpu_stack_pointer(void) {
    uint32_t *sp;

    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}

/* A call of semihosting by its number; returns the answer. The three instructions must be long ones, on one page. */
static inline uint32_t cpu_semihost(uint32_t number, const uintptr_t *args) {
    register uint32_t a0 __asm__("a0") = number;
    register const uintptr_t *a1 __asm__("a1") = args;

    __asm__ volatile(".option push\n\t"
                     ".option norvc\n\t"
                     ".balign 16\n\t"
                     "slli zero, zero, 0x1f\n\t"
                     "ebreak\n\t"
                     "srai zero, zero, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

/* Starts the processor anew: by the test device of QEMU's board virt. */
static inline void __attribute__((noreturn)) cpu_reset(void) {
    *(volatile uint32_t *)0x100000u = 0x7777u;
    for (;;) {
    }
}

#endif
