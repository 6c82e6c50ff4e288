/* What a Cortex-M begins with: vectors, coprocessors. Any fault goes to start_fault. */
#include <stdint.h>

#include "memory.h"
#include "start.h"

void reset(void) __attribute__((noreturn));
void fault(void);

/* CP10 and CP11: the FPU of an M4F or M7, the FPU and the vector unit of an M33 or M55. */
static void enable_coprocessors(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xe000ed88u;

    *cpacr |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
}

void reset(void) {
    enable_coprocessors();
    start();
}

/* The stack may be what faulted: start a new one. */
void __attribute__((naked)) fault(void) {
    __asm__ volatile("ldr r0, =memory_stack_end\n\t"
                     "mov sp, r0\n\t"
                     "bl start_fault\n\t"
                     ".ltorg");
}

/* Initial stack pointer, reset, then every exception that can occur without interrupts. */
struct vectors {
    uint32_t *stack;
    void (*handler[15])(void);
};

const struct vectors vectors __attribute__((section(".vectors"), used)) = {
    memory_stack_end,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};
