/* Checks of untrusted records and of what they point to. */
#include "sdfa_internal.h"

#if !SDFA_MVE

int sdfa_tensors_ok(const struct sdfa_tensor *t, uint32_t n, uint32_t arena_len) {
    uint32_t high = 0, off = 0, zero_point = 0;
    for (; n; n--, t++) {
        uint64_t behind = (uint64_t)((uint32_t)t->h * t->w) * t->c + t->off;
        if ((uint32_t)behind > arena_len || (uint32_t)behind == t->off) /* empty */
            return 0;
        high |= (uint32_t)(behind >> 32);
        off |= t->off;
        zero_point |= (uint32_t)(t->zero_point + 128);
    }
    return !high && (off & 3u) == 0 && zero_point <= 255;
}

#endif

int sdfa_check_tensors(const struct sdfa *s, uint32_t len) {
    const struct sdfa_tensor *t = sdfa_tensor_at(s, 0);
    if (s->tensor_n == 0 || len != s->tensor_n * sizeof *t || s->input >= s->tensor_n || s->output >= s->tensor_n ||
        !sdfa_tensors_ok(t, s->tensor_n, s->arena_len))
        return SDFA_ERR_TENSOR;
    return SDFA_ERR_OK;
}

const struct sdfa_kernel *sdfa_search_kernel(const struct sdfa_kernels *kernels, const struct sdfa_op *op) {
    for (uint32_t i = 0; i < kernels->op_n; i++)
        if (sdfa_fits(kernels->op[i], op))
            return kernels->op[i];
    return NULL;
}

/* Of a record that has no kernel: its length is wrong, or its kind. */
static int no_kernel(const struct sdfa_kernels *kernels, const struct sdfa_op *op) {
    for (uint32_t i = 0; i < kernels->op_n; i++)
        if (kernels->op[i]->kind == op->kind)
            return SDFA_ERR_OP;
    return op->len & 3u ? SDFA_ERR_OP : SDFA_ERR_KERNEL;
}

static int check_op(const struct sdfa *s, const struct sdfa_op *op, const struct sdfa_kernels *kernels,
                    const struct sdfa_tensor *tensors, uint32_t tensor_n) {
    const struct sdfa_kernel *kernel = sdfa_find_kernel(kernels, op);
    if (!kernel)
        return no_kernel(kernels, op);
    if (op->in >= tensor_n || op->out >= tensor_n || !kernel->check(s, op, tensors + op->in, tensors + op->out))
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

#if !SDFA_MVE

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
