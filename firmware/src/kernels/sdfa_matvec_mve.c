/* Weights times one vector (SPEC.md 2.2: DENSE, CONV) on the vector extension: plain rows, four at a time. The last four
 * may overlap those before them, whose outputs are then computed twice. */
#include "sdfa_matvec.h"

#if SDFA_MVE

#include <stddef.h>

/* The assembly reads the struct by these offsets. */
typedef char
    sdfa_assert_matvec[offsetof(struct sdfa_matvec, bias) == 4 && offsetof(struct sdfa_matvec, mult) == 8 &&
                               offsetof(struct sdfa_matvec, shift) == 12 && offsetof(struct sdfa_matvec, keep) == 16 &&
                               offsetof(struct sdfa_matvec, in_n) == 20 && offsetof(struct sdfa_matvec, out_n) == 24 &&
                               offsetof(struct sdfa_matvec, packed_n) == 28 &&
                               offsetof(struct sdfa_matvec, zero_point) == 32 &&
                               offsetof(struct sdfa_matvec, act_min) == 36 && offsetof(struct sdfa_matvec, fast) == 44
                           ? 1
                           : -1];

/* acc + the products of w and x - z. */
int32_t sdfa_mve_dot(int32_t acc, const int8_t *w, const int8_t *x, uint32_t n, int32_t z);

/* Rows packed_n to the end, four or more. r4: out, r6: in_n, r11: bias, r12: weights.
 * Stack: m, x, mult - bias, shift - out, out of the last four, whether there is more to do than the fast way. */
void sdfa_mve_rows(int8_t *out, const struct sdfa_matvec *m, const int8_t *x);

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_mve_dot")
        "push {r4, lr}\n\t"
        "movs r4, #0\n\t" /* the sum of the weights */
        "wlstp.8 lr, r3, 2f\n"
        "1:\n\t"
        "vldrb.8 q0, [r1], #16\n\t"
        "vldrb.8 q1, [r2], #16\n\t"
        "vmladava.s8 r0, q0, q1\n\t"
        "vaddva.s8 r4, q0\n\t"
        "letp lr, 1b\n"
        "2:\n\t"
        "ldr r1, [sp, #8]\n\t"
        "mls r0, r1, r4, r0\n\t"
        "pop {r4, pc}\n\t"
        ".popsection");

__asm__(SDFA_FUNCTION("sdfa_mve_rows")
        "push {r3-r11, lr}\n\t"
        "vpush {d8-d15}\n\t"
        "sub sp, #24\n\t"
        "ldrd r3, r4, [r1, #32]\n\t" /* zero_point, act_min */
        "ldrd r5, r9, [r1, #40]\n\t" /* act_max, fast */
        "vdup.32 q4, r3\n\t"
        "vdup.32 q5, r4\n\t"
        "vdup.32 q6, r5\n\t"
        "ldrd r12, r11, [r1]\n\t"
        "ldrd r4, r5, [r1, #8]\n\t"
        "ldrd r10, r6, [r1, #16]\n\t"
        "ldrd r7, r3, [r1, #24]\n\t"
        "clz r9, r9\n\t" /* 32 if not fast */
        "sub r4, r11\n\t"
        "sub r5, r0\n\t"
        "orr r9, r10, r9, lsr #5\n\t"
        "add r7, r0\n\t"
        "subs r7, #4\n\t"
        "vmov.i32 q7, #0\n\t"
        "stm sp, {r1, r2, r4, r5, r7, r9}\n\t"
        "add r4, r0, r3\n\t"
        "mla r12, r3, r6, r12\n\t"
        "add r11, r11, r3, lsl #2\n"
        "1:\n\t"
        "ldr r1, [sp, #4]\n\t"
        "mov r3, r12\n\t"
        "add r5, r12, r6\n\t"
        "add r7, r5, r6\n\t"
        "add r9, r7, r6\n\t"
        "add r12, r9, r6\n\t"
        "ldrd r0, r2, [r11], #8\n\t"
        "ldrd r8, r10, [r11], #8\n\t"
        "wlstp.8 lr, r6, 3f\n"
        "2:\n\t"
        "vldrb.8 q0, [r1], #16\n\t"
        "vldrb.8 q1, [r3], #16\n\t"
        "vmladava.s8 r0, q0, q1\n\t"
        "vldrb.8 q2, [r5], #16\n\t"
        "vmladava.s8 r2, q0, q2\n\t"
        "vldrb.8 q1, [r7], #16\n\t"
        "vmladava.s8 r8, q0, q1\n\t"
        "vldrb.8 q2, [r9], #16\n\t"
        "vmladava.s8 r10, q0, q2\n\t"
        "letp lr, 2b\n"
        "3:\n\t"
        "ldrd r1, r3, [sp, #8]\n\t"
        "vmov q0[2], q0[0], r0, r8\n\t"
        "vmov q0[3], q0[1], r2, r10\n\t"
        "ldrd r5, r7, [sp, #16]\n\t"
        "add r1, r11\n\t"
        "add r3, r4\n\t"
        "vldrw.u32 q1, [r1, #-16]\n\t"
        "vldrb.s32 q2, [r3]\n\t"
        "cbnz r7, 6f\n\t"
        "vqrdmulh.s32 q0, q0, q1\n\t"
        "vshr.s32 q1, q0, #31\n\t"
        "vadd.i32 q0, q0, q1\n"
        "4:\n\t"
        "vrshl.s32 q0, q0, q2\n\t"
        "vadd.i32 q0, q0, q4\n\t"
        "vmax.s32 q0, q0, q5\n\t"
        "vmin.s32 q0, q0, q6\n\t"
        "vstrb.32 q0, [r4], #4\n\t"
        "cmp r4, r5\n\t"
        "bls 1b\n\t"
        "subs r0, r4, r5\n\t"
        "subs r0, #4\n\t" /* minus the rows that are left */
        "beq 5f\n\t"
        "adds r0, #4\n\t" /* so many rows back */
        "mls r12, r0, r6, r12\n\t"
        "sub r11, r11, r0, lsl #2\n\t"
        "sub r4, r0\n\t"
        "b 1b\n"
        "5:\n\t"
        "add sp, #24\n\t"
        "vpop {d8-d15}\n\t"
        "pop {r3-r11, pc}\n"
        "6:\n\t" /* accumulators to keep, shifts to the left, clamps */
        "ldr r1, [sp]\n\t"
        "ldr r0, [r1, #16]\n\t"
        "cbz r0, 7f\n\t"
        "ldr r2, [r1, #4]\n\t"
        "subs r0, r0, r2\n\t"
        "add r0, r11\n\t"
        "vstrw.32 q0, [r0, #-16]\n"
        "7:\n\t"
        "vmax.s32 q3, q2, q7\n\t"
        "vshl.s32 q0, q0, q3\n\t"
        "vmin.s32 q2, q2, q7\n\t"
        "vqrdmulh.s32 q0, q0, q1\n\t"
        "vand q1, q0, q2\n\t"
        "vshr.s32 q1, q1, #31\n\t"
        "vadd.i32 q0, q0, q1\n\t"
        "b 4b\n\t"
        ".popsection");
/* clang-format on */

/* Also rows whose bias does not hold the zero point. */
static void few_rows(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    for (uint32_t i = m->packed_n; i < m->out_n; i++) {
        int32_t acc = sdfa_mve_dot(m->bias[i], m->weights + i * m->in_n, x, m->in_n, m->input_zero);
        if (m->keep)
            m->keep[i] = acc;
        sdfa_finish(out, m, i, acc);
    }
}

void sdfa_matvec_plain(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    if (m->out_n - m->packed_n < 4 || m->input_zero)
        few_rows(out, m, x);
    else
        sdfa_mve_rows(out, m, x);
}

#endif
