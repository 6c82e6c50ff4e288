#include "start.h"

#include <stdint.h>

#include "cpu.h"
#include "memory.h"

int main(void);

/* Room for what paint_stack itself pushes; counted as used. */
enum { MARGIN_WORDS = 16 };

static void paint_stack(void) {
    uint32_t *sp = cpu_stack_pointer();
    volatile uint32_t *word;

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

void start(void) {
    paint_stack();
    init_variables();
    start_end(main());
}

void __attribute__((weak)) start_end(int code) {
    (void)code;
    cpu_reset();
}

void __attribute__((weak)) start_fault(void) {
    cpu_reset();
}
