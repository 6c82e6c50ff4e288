/* Stack and instructions of a section of code: painted memory tells the one, the board's timer the other.
 *
 * Under -icount shift=10 each instruction takes 1024 ns of the emulator's time. A tick is shorter than that, so that a
 * count of ticks gives exactly one number of instructions.
 */
#include "app.h"
#include "memory.h"
#include "timer.h"

enum { INSTRUCTION_NS = 1024 };

static struct {
    uint32_t *lowest;    /* lowest stack word used before the section; NULL: none was begun */
    uint32_t *stack_top; /* stack pointer when it began */
    uint32_t ticks;      /* time when it began */
} section;

static uint32_t *lowest_used(void) {
    volatile uint32_t *word = memory_stack;

    while (*word == MEMORY_PAINT)
        word++;
    return (uint32_t *)word;
}

static uint32_t distance(const uint32_t *from, const uint32_t *to) {
    return (uint32_t)((uintptr_t)to - (uintptr_t)from);
}

static void note_lowest(uint32_t *word) {
    if (!section.lowest || word < section.lowest)
        section.lowest = word;
}

uint32_t app_stack_len(void) {
    note_lowest(lowest_used());
    return distance(section.lowest, memory_stack_end);
}

bool app_count(void) {
    timer_start();
    return true;
}

/* The lowest word of the stack keeps its colour: it tells that the stack overflowed. */
static void paint(uint32_t *from, const uint32_t *to) {
    volatile uint32_t *word = from == memory_stack ? from + 1 : from;

    for (; word < to; word++)
        *word = MEMORY_PAINT;
}

static uint32_t *stack_pointer(void) {
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

void app_section_begin(void) {
    uint32_t *used = lowest_used();

    note_lowest(used);
    section.stack_top = stack_pointer();
    paint(used, section.stack_top);
    section.ticks = timer_ticks();
}

static uint32_t instructions(uint32_t ticks) {
    const uint32_t divisor = TIMER_MHZ * INSTRUCTION_NS;

    return (uint32_t)(((uint64_t)ticks * 1000 + divisor / 2) / divisor);
}

uint32_t app_section_end(uint32_t *stack_len) {
    uint32_t ticks = timer_ticks() - section.ticks;
    uint32_t *used = lowest_used();

    note_lowest(used);
    *stack_len = distance(used, section.stack_top);
    return instructions(ticks);
}

/* bl, ldr, sub, str, 1000 * (subs, bne), add, bx */
void __attribute__((naked, noinline)) app_probe(void) {
    __asm__ volatile(".syntax unified\n\t"
                     "ldr r0, =1000\n\t"
                     "sub sp, #256\n\t"
                     "str r0, [sp]\n"
                     "1:\n\t"
                     "subs r0, #1\n\t"
                     "bne 1b\n\t"
                     "add sp, #256\n\t"
                     "bx lr\n\t"
                     ".ltorg");
}
