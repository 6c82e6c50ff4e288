/* Range checks on untrusted offsets and counts. */
#include "sdfa_internal.h"

#if SDFA_MVE

/* The least of n multipliers, and the least and the greatest of n shifts, -128 .. 127. */
static int scales_fit(const int32_t *mult, const int8_t *shift, uint32_t n, uint32_t flags) {
    int32_t least = INT32_MAX, low = 127, high = -128;
    __asm__("wlstp.32 lr, %[n], 2f\n"
            "1:\n\t"
            "vldrw.32 q0, [%[mult]], #16\n\t"
            "vminv.s32 %[least], q0\n\t"
            "letp lr, 1b\n"
            "2:\n\t"
            "wlstp.8 lr, %[n], 4f\n"
            "3:\n\t"
            "vldrb.8 q0, [%[shift]], #16\n\t"
            "vminv.s8 %[low], q0\n\t"
            "vmaxv.s8 %[high], q0\n\t"
            "letp lr, 3b\n"
            "4:"
            : [mult] "+r"(mult), [shift] "+r"(shift), [least] "+r"(least), [low] "+r"(low), [high] "+r"(high)
            : [n] "r"(n)
            : "q0", "lr", "memory");
    low = (int8_t)low;
    high = (int8_t)high;
    return flags & SDFA_LAYER_FAST ? least >= 1 << 30 && low >= -20 && high < 0 : least >= 0 && low >= -31 && high <= 30;
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

static int scales_fit(const int32_t *mult, const int8_t *shift, uint32_t n, uint32_t flags) {
    return !(flags & SDFA_LAYER_FAST ? slow_channels(mult, shift, n) : odd_channels(mult, shift, n));
}

#endif

int sdfa_scales_ok(const struct sdfa *s, uint32_t mult, uint32_t shift, uint32_t n, uint32_t flags) {
    return ((mult | shift) & 3u) == 0 && sdfa_items_in(mult, n, 4, s->data_len) &&
           sdfa_items_in(shift, n, 1, s->data_len) && scales_fit(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n, flags);
}

int sdfa_rows_ok(const struct sdfa *s, const struct sdfa_rows_op *p, uint32_t n, uint32_t k, uint32_t whole,
                 uint32_t flags) {
    uint64_t len = (uint64_t)n * k;
    return ((p->weights | p->bias) & 3u) == 0 && len >> 32 == 0 && sdfa_in_range(p->weights, (uint32_t)len, whole) &&
           sdfa_items_in(p->bias, n, 4, whole) && sdfa_scales_ok(s, p->mult, p->shift, n, flags);
}

int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_tensor *a, uint32_t in1, const struct sdfa_tensor *t) {
    const struct sdfa_tensor *b = sdfa_tensor_at(s, in1 < s->tensor_n ? in1 : 0);
    return in1 < s->tensor_n && a->h == t->h && a->w == t->w && a->c == t->c && b->h == t->h && b->w == t->w &&
           b->c == t->c;
}
