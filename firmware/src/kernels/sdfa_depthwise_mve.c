/* DEPTHWISE on the vector extension: eight channels at a time, from the gathered window to the output. The last eight may
 * overlap those before them, whose outputs are then computed twice. */
#include "sdfa_depthwise.h"

#if SDFA_MVE

/* m: the operation, one output channel for each of the input, at least eight, every shift negative.
 *
 * Taps go in pairs, whose sum of products is made in 16 bits: 32512 is added, so that it lies in 0 .. 65280 for any
 * weights. The accumulators begin that much lower.
 * r0: out, r1, r2: window, r3, r4: weights, r5: channels, r6: shifts, r7: 32512, r8: bias, r9: mult, r10: -32512 * pairs,
 * r11: taps, r12: the last eight of out; q3: zero point, q4, q5: accumulators of even and odd channels, q6, q7: clamps. */
void sdfa_mve_depthwise(int8_t *out, const struct sdfa_matvec *m, const int8_t *window);

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_mve_depthwise")
        "push {r3-r11, lr}\n\t"
        "vpush {d8-d15}\n\t"
        "ldrd r3, r5, [r1, #32]\n\t" /* zero_point, act_min */
        "ldr r6, [r1, #40]\n\t" /* act_max */
        "vdup.16 q3, r3\n\t"
        "vdup.16 q6, r5\n\t"
        "vdup.16 q7, r6\n\t"
        "ldrd r4, r8, [r1]\n\t"
        "ldrd r9, r6, [r1, #8]\n\t"
        "ldrd r11, r5, [r1, #20]\n\t" /* in_n, out_n */
        "movw r7, #32512\n\t"
        "lsr r10, r11, #1\n\t"
        "mul r10, r10, r7\n\t"
        "neg r10, r10\n\t"
        "add r12, r0, r5\n\t"
        "sub r12, #8\n"
        "1:\n\t" /* eight channels */
        "mov r1, r2\n\t"
        "mov r3, r4\n\t"
        "vld20.32 {q4, q5}, [r8]\n\t"
        "vld21.32 {q4, q5}, [r8]!\n\t"
        "vadd.i32 q4, q4, r10\n\t"
        "vadd.i32 q5, q5, r10\n\t"
        "lsrs lr, r11, #1\n\t"
        "bcc 2f\n\t"
        "vldrb.s16 q0, [r1]\n\t" /* one tap of an odd number */
        "vldrb.s16 q1, [r3]\n\t"
        "add r1, r5\n\t"
        "add r3, r5\n\t"
        "vmul.i16 q0, q0, q1\n\t"
        "vmovlb.s16 q1, q0\n\t"
        "vadd.i32 q4, q4, q1\n\t"
        "vmovlt.s16 q0, q0\n\t"
        "vadd.i32 q5, q5, q0\n"
        "2:\n\t"
        "wls lr, lr, 4f\n"
        "3:\n\t" /* two taps */
        "vldrb.s16 q0, [r1]\n\t"
        "vldrb.s16 q1, [r3]\n\t"
        "add r1, r5\n\t"
        "add r3, r5\n\t"
        "vmlas.s16 q0, q1, r7\n\t"
        "vldrb.s16 q1, [r1]\n\t"
        "vldrb.s16 q2, [r3]\n\t"
        "add r1, r5\n\t"
        "add r3, r5\n\t"
        "vmul.i16 q1, q1, q2\n\t"
        "vadd.i16 q0, q0, q1\n\t"
        "vmovlb.u16 q1, q0\n\t"
        "vadd.i32 q4, q4, q1\n\t"
        "vmovlt.u16 q0, q0\n\t"
        "vadd.i32 q5, q5, q0\n\t"
        "le lr, 3b\n"
        "4:\n\t" /* sdfa_requantize_fast, with clamps */
        "vld20.32 {q0, q1}, [r9]\n\t"
        "vld21.32 {q0, q1}, [r9]!\n\t"
        "vqrdmulh.s32 q4, q4, q0\n\t"
        "vqrdmulh.s32 q5, q5, q1\n\t"
        "vldrb.s16 q2, [r6], #8\n\t"
        "vshr.s32 q0, q4, #31\n\t"
        "vshr.s32 q1, q5, #31\n\t"
        "vadd.i32 q4, q4, q0\n\t"
        "vadd.i32 q5, q5, q1\n\t"
        "vmovlb.s16 q0, q2\n\t"
        "vmovlt.s16 q1, q2\n\t"
        "vrshl.s32 q4, q4, q0\n\t"
        "vrshl.s32 q5, q5, q1\n\t"
        "vqmovnb.s32 q0, q4\n\t"
        "vqmovnt.s32 q0, q5\n\t"
        "vqadd.s16 q0, q0, q3\n\t"
        "vmax.s16 q0, q0, q6\n\t"
        "vmin.s16 q0, q0, q7\n\t"
        "vstrb.16 q0, [r0], #8\n\t"
        "adds r2, #8\n\t"
        "adds r4, #8\n\t"
        "cmp r0, r12\n\t"
        "bls 1b\n\t"
        "sub r1, r0, r12\n\t"
        "subs r3, r1, #8\n\t" /* minus the channels that are left */
        "beq 5f\n\t"
        "sub r0, r1\n\t" /* so many channels back */
        "sub r2, r1\n\t"
        "sub r4, r1\n\t"
        "sub r6, r1\n\t"
        "sub r8, r8, r1, lsl #2\n\t"
        "sub r9, r9, r1, lsl #2\n\t"
        "b 1b\n"
        "5:\n\t"
        "vpop {d8-d15}\n\t"
        "pop {r3-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

static void run_cell(void *context, const int8_t *window, int8_t *out) {
    const struct sdfa_depthwise *d = context;
    sdfa_mve_depthwise(out, &d->m, window);
}

static int all_negative(const int8_t *shift, uint32_t n) {
    int32_t all = -1;
    while (n--)
        all &= *shift++;
    return all < 0;
}

void sdfa_depthwise_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_depthwise *w) {
    int fits = w->m.out_n == w->in_c && w->in_c >= 8 && all_negative(w->m.shift, w->in_c);
    sdfa_each_window(s, p, fits ? run_cell : sdfa_depthwise_any, w);
}

#endif
