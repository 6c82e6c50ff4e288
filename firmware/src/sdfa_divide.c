/* Division on Thumb-1, which has no instruction for it; the compiler's function is five times as long. */
#include "sdfa_fixed.h"

#if SDFA_THUMB1

SDFA_COLD uint32_t sdfa_divide(uint32_t a, uint32_t b) {
    uint32_t quotient = 0;
    for (uint32_t i = 17; i--;)
        if (a >> i >= b) {
            a -= b << i;
            quotient += 1u << i;
        }
    return quotient;
}

#endif
