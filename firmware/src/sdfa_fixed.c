/* What Thumb-1 calls: elsewhere it is short enough to stand in line (sdfa_fixed.h). */
#include "sdfa_fixed.h"

#if SDFA_THUMB1

/* There is no instruction for it, and the compiler's function is five times as long. */
SDFA_COLD uint32_t sdfa_divide(uint32_t a, uint32_t b) {
    uint32_t quotient = 0;
    for (uint32_t i = 17; i--;)
        if (a >> i >= b) {
            a -= b << i;
            quotient += 1u << i;
        }
    return quotient;
}

uint32_t sdfa_random(uint32_t *state) {
    *state = sdfa_next_state(*state);
    return sdfa_mixed(*state);
}

#endif
