/* Counts executed instructions: under -icount shift=0 the counter of retired instructions tells their number. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

static inline void counter_start(void) {
}

static inline uint32_t counter_ticks(void) {
    uint32_t retired;

    __asm__ volatile("csrr %0, minstret" : "=r"(retired));
    return retired;
}

static inline uint32_t counter_instructions(uint32_t ticks) {
    return ticks;
}

#endif
