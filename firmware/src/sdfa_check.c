/* Checks of untrusted records and of what they point to. */
#include "sdfa_internal.h"

int sdfa_check_tensors(const struct sdfa *s, uint32_t len) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, 0);
    uint32_t high = 0, off = 0, zero_point = 0;
    if (s->tensor_n == 0 || len != s->tensor_n * sizeof *t || s->input >= s->tensor_n || s->output >= s->tensor_n)
        return SDFA_ERR_TENSOR;
    for (uint32_t n = s->tensor_n; n; n--, t++) {
        uint64_t behind = (uint64_t)((uint32_t)t->h * t->w) * t->c + t->off;
        if ((uint32_t)behind > s->arena_len || (uint32_t)behind == t->off) /* empty */
            return SDFA_ERR_TENSOR;
        high |= (uint32_t)(behind >> 32);
        off |= t->off;
        zero_point |= (uint32_t)(t->zero_point + 128);
    }
    return high || (off & 3u) || zero_point > 255 ? SDFA_ERR_TENSOR : SDFA_ERR_OK;
}

const struct sdfa_kernel *sdfa_search_kernel(const struct sdfa_kernels *kernels, uint32_t kind) {
    for (uint32_t i = 0; i < kernels->op_n; i++)
        if (kernels->op[i]->kind == kind)
            return kernels->op[i];
    return NULL;
}

static int check_op(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_kernels *kernels,
                    const struct sdfa_tensor *tensors, uint32_t tensor_n) {
    const struct sdfa_kernel *kernel = sdfa_find_kernel(kernels, op->kind);
    if (!kernel)
        return SDFA_ERR_KERNEL;
    if (op->len != kernel->len || op->in >= tensor_n || op->out >= tensor_n ||
        !kernel->check(s, op, tensors + op->in, tensors + op->out))
        return SDFA_ERR_OP;
    return SDFA_ERR_OK;
}

int sdfa_check_ops(const struct sdfa *s) {
    const struct sdfa_tensor *tensors = sdfa_tensor_at(s, 0);
    const struct sdfa_kernels *kernels = s->kernels;
    const uint8_t *at = s->ops;
    uint32_t left = s->ops_len, tensor_n = s->tensor_n;
    for (uint32_t n = s->op_n; n; n--) {
        const struct sdfa_op *op = (const struct sdfa_op *)(const void *)at;
        int error;
        if (left < sizeof *op || left < op->len)
            return SDFA_ERR_OP;
        left -= op->len;
        at += op->len;
        error = check_op(s, op, kernels, tensors, tensor_n);
        if (error)
            return error;
    }
    return left ? SDFA_ERR_OP : SDFA_ERR_OK;
}

int sdfa_scales_any(const int32_t *mult, const int8_t *shift, uint32_t n) {
    uint32_t odd = 0;
    for (; n; n--)
        odd |= ((uint32_t)*mult++ >> 31) | ((uint32_t)(*shift++ + 31) > 61u);
    return odd == 0;
}

#if SDFA_MVE

/* Sixteen channels at a time: the least of the upper bytes of the multipliers, and of the shifts, -1 being the greatest. */
int sdfa_scales_fast(const int32_t *mult, const int8_t *shift, uint32_t n) {
    uint32_t upper = 3, least = 127, low = 255;
    __asm__("vidup.u8 q1, %[upper], #4\n\t"
            "wlstp.8 lr, %[n], 2f\n"
            "1:\n\t"
            "vldrb.u8 q0, [%[mult], q1]\n\t"
            "vldrb.8 q2, [%[shift]], #16\n\t"
            "vminv.s8 %[least], q0\n\t"
            "vminv.u8 %[low], q2\n\t"
            "adds %[mult], #64\n\t"
            "letp lr, 1b\n"
            "2:"
            : [mult] "+r"(mult), [shift] "+r"(shift), [upper] "+Te"(upper), [least] "+r"(least), [low] "+r"(low)
            : [n] "r"(n)
            : "q0", "q1", "q2", "lr", "cc", "memory");
    return (int8_t)least >= 0x40 && (uint8_t)low >= 256 - 20;
}

#else

/* Four channels at a time. */
int sdfa_scales_fast(const int32_t *mult, const int8_t *shift, uint32_t n) {
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
    return odd == 0;
}

#endif

int sdfa_same_shapes(const struct sdfa *s, const struct sdfa_tensor *a, uint32_t in1, const struct sdfa_tensor *t) {
    const struct sdfa_tensor *b = sdfa_tensor_at(s, in1 < s->tensor_n ? in1 : 0);
    return in1 < s->tensor_n && a->h == t->h && a->w == t->w && a->c == t->c && b->h == t->h && b->w == t->w &&
           b->c == t->c;
}
