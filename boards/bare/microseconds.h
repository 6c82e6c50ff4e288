/* Microseconds since the start, from a 32-bit counter that wraps: to be asked more often than it does. */
#ifndef MICROSECONDS_H
#define MICROSECONDS_H

#include <stdint.h>

/* ticks: of the counter, now; mhz: its clock. One clock for each file that asks. */
static inline uint32_t microseconds(uint32_t ticks, uint32_t mhz) {
    static uint32_t us, last;
    uint32_t passed = (ticks - last) / mhz;

    last += passed * mhz;
    us += passed;
    return us;
}

#endif
