/* Stack and instructions of a section of code: painted memory tells the one, a counter of the board the other. */
#include "app.h"
#include "counter.h"
#include "cpu.h"
#include "memory.h"

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
    counter_start();
    return true;
}

/* The lowest word of the stack keeps its colour: it tells that the stack overflowed. */
static void paint(uint32_t *from, const uint32_t *to) {
    volatile uint32_t *word = from == memory_stack ? from + 1 : from;

    for (; word < to; word++)
        *word = MEMORY_PAINT;
}

void app_section_begin(void) {
    uint32_t *used = lowest_used();

    note_lowest(used);
    section.stack_top = cpu_stack_pointer();
    paint(used, section.stack_top);
    section.ticks = counter_ticks();
}

uint32_t app_section_end(uint32_t *stack_len) {
    uint32_t ticks = counter_ticks() - section.ticks;
    uint32_t *used = lowest_used();

    note_lowest(used);
    *stack_len = distance(used, section.stack_top);
    return counter_instructions(ticks);
}
