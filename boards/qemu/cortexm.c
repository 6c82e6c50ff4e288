/* Start-up of a Cortex-M: coprocessors, stack paint, variables, main. Any fault ends the emulator. */
#include <stdint.h>

#include "app.h"
#include "memory.h"
#include "semihost.h"

int main(void);
void reset(void) __attribute__((noreturn));
void fault(void);

/* Room for what paint_stack itself pushes; counted as used. */
enum { MARGIN_WORDS = 16 };

static void paint_stack(void) {
    uint32_t *sp;
    volatile uint32_t *word;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    for (word = memory_stack; word < sp - MARGIN_WORDS; word++)
        *word = MEMORY_PAINT;
}

static void init_variables(void) {
    const volatile uint32_t *from = memory_data_load;
    volatile uint32_t *to;

    for (to = memory_data; to < memory_data_end; to++)
        *to = *from++;
    for (to = memory_bss; to < memory_bss_end; to++)
        *to = 0;
}

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
    paint_stack();
    init_variables();
    semihost_exit((uint32_t)main());
}

static void __attribute__((used)) fault_exit(void) {
    semihost_exit(APP_EXIT_FAULT);
}

/* The stack may be what faulted: start a new one. */
void __attribute__((naked)) fault(void) {
    __asm__ volatile("ldr r0, =memory_stack_end\n\t"
                     "mov sp, r0\n\t"
                     "bl fault_exit\n\t"
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
