/* ADD on the vector extension: four values at a time. */
#include "sdfa_add.h"
#include "sdfa_matvec.h"

#if SDFA_MVE

/* In the order of the registers r3 .. r12. sign: -1 subtracts the second input. */
struct frame {
    int32_t zero_point0, zero_point1, mult0, mult1, shift0, shift1, sign, mult_out, shift_out, zero_point;
    int32_t act_min, act_max;
};

/* Rounding shift to the right by -shift bits, ties away from zero; mask: shift in every lane. A shift of 0 rounds
 * nothing. */
#define SHIFT(value, shift, mask)                                                                                      \
    "vand q2, " value ", " mask "\n\t"                                                                                 \
    "vshr.s32 q2, q2, #31\n\t"                                                                                         \
    "vadd.i32 " value ", " value ", q2\n\t"                                                                            \
    "vrshl.s32 " value ", " shift "\n\t"

void sdfa_mve_add(int8_t *out, const int8_t *a, const int8_t *b, uint32_t n, const struct frame *frame);

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_mve_add")
        "ldr r12, [sp]\n\t"
        "push {r4-r11, lr}\n\t"
        "sub sp, #4\n\t"
        "vpush {d8-d15}\n\t"
        "mov lr, r3\n\t"
        "ldrd r3, r4, [r12, #40]\n\t"
        "vdup.32 q3, r3\n\t"
        "vdup.32 q4, r4\n\t"
        "ldm r12, {r3-r12}\n\t"
        "vdup.32 q5, r7\n\t"
        "vdup.32 q6, r8\n\t"
        "vdup.32 q7, r11\n\t"
        "wlstp.32 lr, lr, 2f\n"
        "1:\n\t"
        "vldrb.s32 q0, [r1], #4\n\t"
        "vldrb.s32 q1, [r2], #4\n\t"
        "vsub.i32 q0, q0, r3\n\t"
        "vsub.i32 q1, q1, r4\n\t"
        "vshl.i32 q0, q0, #20\n\t"
        "vshl.i32 q1, q1, #20\n\t"
        "vqrdmulh.s32 q0, q0, r5\n\t"
        "vqrdmulh.s32 q1, q1, r6\n\t"
        SHIFT("q0", "r7", "q5") SHIFT("q1", "r8", "q6")
        "vmla.s32 q0, q1, r9\n\t"
        "vqrdmulh.s32 q0, q0, r10\n\t"
        SHIFT("q0", "r11", "q7")
        "vadd.i32 q0, q0, r12\n\t"
        "vmax.s32 q0, q0, q3\n\t"
        "vmin.s32 q0, q0, q4\n\t"
        "vstrb.32 q0, [r0], #4\n\t"
        "letp lr, 1b\n"
        "2:\n\t"
        "vpop {d8-d15}\n\t"
        "add sp, #4\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

void sdfa_add_values(const struct sdfa *s, const struct sdfa_op *op) {
    const struct sdfa_add_op *p = (const struct sdfa_add_op *)op;
    const struct sdfa_tensor *t = sdfa_tensor_at(s, op->out);
    struct frame f;
    f.zero_point0 = sdfa_tensor_at(s, op->in)->zero_point;
    f.zero_point1 = sdfa_tensor_at(s, p->in1)->zero_point;
    f.mult0 = p->mult0;
    f.mult1 = p->mult1;
    f.shift0 = p->shift0;
    f.shift1 = p->shift1;
    f.sign = p->flags & SDFA_ADD_SUBTRACT ? -1 : 1;
    f.mult_out = p->mult_out;
    f.shift_out = p->shift_out;
    f.zero_point = t->zero_point;
    f.act_min = p->act_min;
    f.act_max = p->act_max;
    sdfa_mve_add(sdfa_values(s, op->out), sdfa_values(s, op->in), sdfa_values(s, p->in1), sdfa_tensor_len(t), &f);
}

#endif
