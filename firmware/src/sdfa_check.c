/* Range checks on untrusted offsets and counts. */
#include "sdfa_internal.h"

int sdfa_shifts_ok(const struct sdfa *s, uint32_t off, uint32_t n) {
    if (!sdfa_in_data(s, off, n, 1))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->data[off + i] > 30 && s->data[off + i] < 256 - 31)
            return 0;
    return 1;
}

int sdfa_mults_ok(const struct sdfa *s, uint32_t off, uint32_t n) {
    if (!sdfa_in_data(s, off, n, 4))
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (sdfa_data_i32(s, off)[i] < 0)
            return 0;
    return 1;
}

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

int sdfa_channels_ok(const struct sdfa *s, uint32_t mult, uint32_t shift, uint32_t n, uint32_t flags) {
    if (!sdfa_in_data(s, mult, n, 4) || !sdfa_in_data(s, shift, n, 1))
        return 0;
    if (flags & SDFA_LAYER_FAST)
        return !slow_channels(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n);
    return !odd_channels(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n);
}

int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_op *op, uint32_t in1) {
    const struct sdfa_tensor *a = sdfa_tensor_at(s, op->in), *b = sdfa_tensor_at(s, in1 < s->tensor_n ? in1 : 0),
                             *t = sdfa_tensor_at(s, op->out);
    return in1 < s->tensor_n && a->h == t->h && a->w == t->w && a->c == t->c && b->h == t->h && b->w == t->w &&
           b->c == t->c;
}
