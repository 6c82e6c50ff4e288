/* A free-running 32-bit counter of TIMER_MHZ. */
#ifndef TIMER_H
#define TIMER_H

#include "board.h"

#if defined(TIMER_MTIME) /* of a RISC-V, its lower word */

#include <stdint.h>

static inline void timer_start(void) {
}

static inline uint32_t timer_ticks(void) {
    return *(volatile uint32_t *)(uintptr_t)TIMER_ORIGIN;
}

#else

#include "counter.h"

#define timer_start counter_start
#define timer_ticks counter_ticks

#endif

#endif
