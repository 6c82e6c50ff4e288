/* Range checks on untrusted offsets and counts. */
#include "sdfa_internal.h"

uint32_t sdfa_mul(uint32_t a, uint32_t b) {
    uint64_t product = (uint64_t)a * b;
    return product > UINT32_MAX ? UINT32_MAX : (uint32_t)product;
}

int sdfa_in_range(uint32_t off, uint32_t len, uint32_t whole) {
    return off <= whole && len <= whole - off;
}

static int aligned_in(uint32_t off, uint32_t n, uint32_t size, uint32_t whole) {
    return (off & 3u) == 0 && sdfa_in_range(off, sdfa_mul(n, size), whole);
}

int sdfa_in_data(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) {
    return aligned_in(off, n, size, s->data_len);
}

int sdfa_in_arena(const struct sdfa *s, uint32_t off, uint32_t n, uint32_t size) {
    return aligned_in(off, n, size, s->arena_len);
}

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

/* Not 0: sdfa_requantize_fast may not be used, as a multiplier is neither 0 nor 2^30 and more, or a shift not in
 * -20 .. -1: with a smaller one, an accumulator of 2^30 would not saturate the output. */
static uint32_t slow_channels(const int32_t *mult, const int8_t *shift, uint32_t n) {
    uint32_t slow = 0;
    for (; n; n--) {
        uint32_t m = (uint32_t)*mult++;
        slow |= (m >> 31) | (m - 1u < (1u << 30) - 1u) | ((uint32_t)(*shift++ + 20) > 19u);
    }
    return slow;
}

int sdfa_channels_ok(const struct sdfa *s, uint32_t mult, uint32_t shift, uint32_t n, uint32_t flags) {
    if (!sdfa_in_data(s, mult, n, 4) || !sdfa_in_data(s, shift, n, 1))
        return 0;
    return !(flags & SDFA_LAYER_FAST ? slow_channels : odd_channels)(sdfa_data_i32(s, mult), sdfa_data_i8(s, shift), n);
}

int sdfa_act_ok(int32_t lo, int32_t hi) {
    return lo >= -128 && lo <= hi && hi <= 127;
}

int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_op *op, uint32_t in1) {
    const struct sdfa_tensor *a = sdfa_tensor_at(s, op->in), *b = sdfa_tensor_at(s, in1 < s->tensor_n ? in1 : 0),
                             *t = sdfa_tensor_at(s, op->out);
    return in1 < s->tensor_n && a->h == t->h && a->w == t->w && a->c == t->c && b->h == t->h && b->w == t->w &&
           b->c == t->c;
}

int sdfa_disjoint(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len) {
    return a >= b ? a - b >= b_len : b - a >= a_len;
}
