/* Range checks on untrusted offsets and counts. */
#include "sdfa_internal.h"

#if SDFA_MVE

/* Sixteen channels at a time: the least of the upper bytes of the multipliers, and the least and the greatest shift. */
int sdfa_scales_fit(const int32_t *mult, const int8_t *shift, uint32_t n, uint32_t flags) {
    const int8_t *upper = (const int8_t *)mult + 3;
    int32_t least = 127, low = 127, high = -128;
    uint32_t step = 0;
    __asm__("vidup.u8 q1, %[step], #4\n\t"
            "wlstp.8 lr, %[n], 2f\n"
            "1:\n\t"
            "vldrb.u8 q0, [%[upper], q1]\n\t"
            "vldrb.8 q2, [%[shift]], #16\n\t"
            "vminv.s8 %[least], q0\n\t"
            "vminv.s8 %[low], q2\n\t"
            "vmaxv.s8 %[high], q2\n\t"
            "adds %[upper], #64\n\t"
            "letp lr, 1b\n"
            "2:"
            : [upper] "+r"(upper), [shift] "+r"(shift), [step] "+Te"(step), [least] "+l"(least), [low] "+l"(low),
              [high] "+l"(high)
            : [n] "r"(n)
            : "q0", "q1", "q2", "lr", "cc", "memory");
    if (flags & SDFA_LAYER_FAST)
        return (int8_t)least >= 0x40 && (int8_t)low >= -20 && (int8_t)high < 0;
    return (int8_t)least >= 0 && (int8_t)low >= -31 && (int8_t)high <= 30;
}

#else

/* Not 0: a multiplier is negative, or a shift outside -31 .. 30. */
static uint32_t odd_channels(const int32_t *mult, const int8_t *shift, uint32_t n) {
    uint32_t odd = 0;
    for (; n; n--)
        odd |= ((uint32_t)*mult++ >> 31) | ((uint32_t)(*shift++ + 31) > 61u);
    return odd;
}

/* Not 0: sdfa_requantize_fast may not be used, as a multiplier is below 2^30, or a shift not in -20 .. -1: with a
 * smaller one, an accumulator of 2^30 would not saturate the output. Four channels at a time: this is most of opening. */
static uint32_t slow_channels(const int32_t *mult, const int8_t *shift, uint32_t n) {
    const uint32_t normal = 1u << 30; /* of the upper two bits, the one that is set */
    uint32_t odd = 0, high = ~0u, low = ~0u;
    for (; n >= 4; n -= 4, mult += 4, shift += 4) {
        uint32_t word = *(const sdfa_u32 *)(const void *)shift;
        odd |= ((uint32_t)mult[0] ^ normal) | ((uint32_t)mult[1] ^ normal) | ((uint32_t)mult[2] ^ normal) |
               ((uint32_t)mult[3] ^ normal);
        /* -20 is 0xec: its upper three bits are set, and its lower five reach 32 with 20 more */
        high &= word;
        low &= (word & 0x1f1f1f1fu) + 0x14141414u;
    }
    odd = (odd >> 30) | (~high & 0xe0e0e0e0u) | (~low & 0x20202020u);
    for (; n; n--)
        odd |= (((uint32_t)*mult++ >> 30) ^ 1u) | ((uint32_t)(*shift++ + 20) > 19u);
    return odd;
}

int sdfa_scales_fit(const int32_t *mult, const int8_t *shift, uint32_t n, uint32_t flags) {
    return !(flags & SDFA_LAYER_FAST ? slow_channels(mult, shift, n) : odd_channels(mult, shift, n));
}

#endif

int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_tensor *a, uint32_t in1, const struct sdfa_tensor *t) {
    const struct sdfa_tensor *b = sdfa_tensor_at(s, in1 < s->tensor_n ? in1 : 0);
    return in1 < s->tensor_n && a->h == t->h && a->w == t->w && a->c == t->c && b->h == t->h && b->w == t->w &&
           b->c == t->c;
}
