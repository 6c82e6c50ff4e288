/* What a RISC-V begins with, at the lowest address. Any fault goes to start_fault. */
#include "start.h"

void reset(void);
void fault(void);

/* Global pointer, so that the linker may shorten accesses to variables; stack; trap vector. */
void __attribute__((naked, section(".vectors"), used)) reset(void) {
    __asm__ volatile(".option push\n\t"
                     ".option norelax\n\t"
                     "la gp, __global_pointer$\n\t"
                     ".option pop\n\t"
                     "la sp, memory_stack_end\n\t"
                     "la t0, fault\n\t"
                     "csrw mtvec, t0\n\t"
                     "j start");
}

/* The stack may be what faulted: start a new one. A trap vector is aligned to 4. */
void __attribute__((naked, aligned(4))) fault(void) {
    __asm__ volatile("la sp, memory_stack_end\n\t"
                     "j start_fault");
}
