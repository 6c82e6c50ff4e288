/* DEPTHWISE on the DSP extension: four channels at a time, from the gathered window to the output. */
#include "sdfa_depthwise.h"

#if SDFA_DSP

/* The stack frame of the assembly below. */
struct frame {
    uint32_t start;                          /* minus the bytes of a window */
    uint32_t channel_n;                      /* also the distance from tap to tap */
    uint32_t odd;                            /* taps modulo 9 */
    uint32_t mult_from_bias, shift_from_out; /* distances, modulo 2^32 */
    uint32_t offset;                         /* 2 * zero_point + 1 */
    uint32_t out_end;
};

/* One tap of four channels. r2, r3: ends of window and weights, r10: minus the bytes to go, r12: a tap. */
#define TAP                                                                                                            \
    "ldr r8, [r2, r10]\n\t"                                                                                            \
    "ldr r9, [r3, r10]\n\t"                                                                                            \
    "sxtb16 r11, r8\n\t"                                                                                               \
    "sxtb16 lr, r9\n\t"                                                                                                \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                        \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                        \
    "smlabb r4, r11, lr, r4\n\t"                                                                                       \
    "smlabb r5, r8, r9, r5\n\t"                                                                                        \
    "smlatt r6, r11, lr, r6\n\t"                                                                                       \
    "smlatt r7, r8, r9, r7\n\t"                                                                                        \
    "adds r10, r10, r12\n\t"

/* sdfa_requantize_fast; lr: the inverse of four shifts, r12: offset, r0: output. */
#define FINISH(acc, mult, turn)                                                                                        \
    "qadd " acc ", " acc ", " acc "\n\t"                                                                               \
    "smmulr " acc ", " acc ", " mult "\n\t"                                                                            \
    "uxtb " mult ", lr, ror #" turn "\n\t"                                                                             \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                                       \
    "asr " acc ", " acc ", " mult "\n\t"                                                                               \
    "add " acc ", " acc ", r12\n\t"                                                                                    \
    "ssat " acc ", #8, " acc ", asr #1\n\t"                                                                            \
    "strb " acc ", [r0], #1\n\t"

void sdfa_dsp_depthwise(int8_t *out, const sdfa_i32 *bias, const int8_t *window_end, const int8_t *weights_end,
                        const struct frame *frame);
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dsp_depthwise")
        "ldr r12, [sp]\n\t"
        "push {r4-r11, lr}\n\t"
        "ldm r12, {r4-r10}\n\t"
        "sub sp, #28\n\t"
        "stm sp, {r4-r10}\n"
        "1:\n\t" /* four channels */
        "ldm sp, {r10, r12, lr}\n\t"
        "ldm r1!, {r4-r7}\n\t"
        "cmp lr, #0\n\t"
        "bne 4f\n"
        "2:\n\t"
        TAP TAP TAP TAP TAP TAP TAP TAP TAP
        "bne 2b\n"
        "3:\n\t"
        "ldrd r8, lr, [sp, #12]\n\t"
        "add r8, r8, r1\n\t"
        "ldr lr, [lr, r0]\n\t"
        "ldr r12, [sp, #20]\n\t"
        "mvn lr, lr\n\t"
        "ldm r8, {r8-r11}\n\t"
        FINISH("r4", "r8", "0") FINISH("r5", "r9", "8") FINISH("r6", "r10", "16") FINISH("r7", "r11", "24")
        "ldr r12, [sp, #24]\n\t"
        "add r2, #4\n\t"
        "add r3, #4\n\t"
        "cmp r0, r12\n\t"
        "bne 1b\n\t"
        "add sp, #28\n\t"
        "pop {r4-r11, pc}\n"
        "4:\n\t"
        TAP
        "bne 4b\n\t"
        "b 3b\n\t"
        ".popsection");
/* clang-format on */

/* What run_cell needs; of the frame, out_end and shift_from_out follow the output. */
struct dsp {
    const struct sdfa_matvec *m;
    uint32_t len;
    struct frame frame;
};

static void run_cell(void *context, const int8_t *window, int8_t *out) {
    struct dsp *d = context;
    const struct sdfa_matvec *m = d->m;
    d->frame.shift_from_out = (uint32_t)((uintptr_t)m->shift - (uintptr_t)out);
    d->frame.out_end = (uint32_t)(uintptr_t)(out + m->out_n);
    sdfa_dsp_depthwise(out, m->bias, window + d->len, m->weights + d->len, &d->frame);
}

void sdfa_depthwise_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_depthwise *w) {
    struct dsp d;
    d.m = &w->m;
    d.len = w->m.in_n * w->m.out_n;
    d.frame.start = 0u - d.len;
    d.frame.channel_n = w->m.out_n;
    d.frame.odd = w->m.in_n % 9;
    d.frame.mult_from_bias = (uint32_t)((uintptr_t)w->m.mult - (uintptr_t)w->m.bias) - 16u;
    d.frame.offset = (uint32_t)(2 * w->m.zero_point + 1);
    if (w->m.fast && w->m.out_n == w->in_c && w->in_c % 4 == 0)
        sdfa_each_window(s, p, run_cell, &d);
    else
        sdfa_each_window(s, p, sdfa_depthwise_any, w);
}

#endif
