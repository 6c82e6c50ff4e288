/* Copies of weights. Apart from sdfa_bind, whose registers it would take. */
#include "sdfa_internal.h"

#include "sdfa_core.h"

struct SDFA_ALIAS block {
    uint32_t word[4];
};

void sdfa_copy(uint8_t *to, const uint8_t *from, uint32_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16) {
        *(struct block *)(void *)to = *(const struct block *)(const void *)from;
        SDFA_LOOP(to);
    }
    for (; n; n--) {
        *to++ = *from++;
        SDFA_LOOP(to);
    }
}
