/* Counts executed instructions by a free-running 32-bit timer of the emulated board. The table of machines in
 * pytools/sdfa/targets/machines.py says which: TIMER_CMSDK, TIMER_NRF51 or TIMER_SSE; its address TIMER_ORIGIN and clock
 * TIMER_MHZ.
 *
 * Under -icount shift=10 each instruction takes 1024 ns of the emulator's time. A tick is shorter than that, so that a
 * count of ticks gives exactly one number of instructions. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

static inline volatile uint32_t *timer_register(uint32_t offset) {
    return (volatile uint32_t *)((uintptr_t)TIMER_ORIGIN + offset);
}

#if defined(TIMER_CMSDK) /* counts down from RELOAD */

enum { TIMER_CTRL = 0x00, TIMER_VALUE = 0x04, TIMER_RELOAD = 0x08 };

static inline void counter_start(void) {
    *timer_register(TIMER_RELOAD) = UINT32_MAX;
    *timer_register(TIMER_VALUE) = UINT32_MAX;
    *timer_register(TIMER_CTRL) = 1;
}

static inline uint32_t counter_ticks(void) {
    return UINT32_MAX - *timer_register(TIMER_VALUE);
}

#elif defined(TIMER_NRF51) /* shows its count in CC0 after a capture */

enum { TIMER_START = 0x000, TIMER_CAPTURE0 = 0x040, TIMER_BITMODE = 0x508, TIMER_PRESCALER = 0x510, TIMER_CC0 = 0x540 };
enum { TIMER_BITMODE_32 = 3 };

static inline void counter_start(void) {
    *timer_register(TIMER_BITMODE) = TIMER_BITMODE_32;
    *timer_register(TIMER_PRESCALER) = 0;
    *timer_register(TIMER_START) = 1;
}

static inline uint32_t counter_ticks(void) {
    *timer_register(TIMER_CAPTURE0) = 1;
    return *timer_register(TIMER_CC0);
}

#elif defined(TIMER_SSE) /* the system counter of an SSE-300, its lower word */

enum { TIMER_CNTCR = 0x00, TIMER_CNTCV = 0x08 };

static inline void counter_start(void) {
    *timer_register(TIMER_CNTCR) = 1;
}

static inline uint32_t counter_ticks(void) {
    return *timer_register(TIMER_CNTCV);
}

#else
#error "no timer: say -DTIMER_CMSDK, -DTIMER_NRF51 or -DTIMER_SSE"
#endif

static inline uint32_t counter_instructions(uint32_t ticks) {
    const uint32_t instruction_ns = 1024, divisor = TIMER_MHZ * instruction_ns;

    return (uint32_t)(((uint64_t)ticks * 1000 + divisor / 2) / divisor);
}

#endif
