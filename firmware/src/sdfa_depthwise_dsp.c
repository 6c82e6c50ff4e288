/* DEPTHWISE on the DSP extension: four channels at a time, from the gathered window to the output. */
#include "sdfa_depthwise.h"

#if SDFA_DSP

/* The stack frame of the assembly below. */
struct frame {
    uint32_t start;          /* minus the bytes of a window */
    uint32_t channel_n;      /* also the distance from tap to tap */
    uint32_t mult_from_bias; /* distances, modulo 2^32 */
    uint32_t shift_from_out;
    uint32_t offset; /* 2 * zero_point + 1 */
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
__asm__(SDFA_FUNCTION("sdfa_dsp_depthwise") "ldr r12, [sp]\n\t"
                                            "push {r4-r11, lr}\n\t"
                                            "ldm r12, {r4-r9}\n\t"
                                            "sub sp, #28\n\t"
                                            "stm sp, {r4-r9}\n"
                                            "1:\n\t" /* four channels */
                                            "ldr r10, [sp]\n\t"
                                            "ldr r12, [sp, #4]\n\t"
                                            "ldm r1!, {r4-r7}\n"
                                            "2:\n\t" /* three taps, or fewer the last time */
        TAP "beq 3f\n\t" TAP "beq 3f\n\t" TAP "bne 2b\n"
                                            "3:\n\t"
                                            "ldr r8, [sp, #8]\n\t"
                                            "ldr lr, [sp, #12]\n\t"
                                            "add r8, r8, r1\n\t"
                                            "ldr lr, [lr, r0]\n\t"
                                            "ldr r12, [sp, #16]\n\t"
                                            "mvn lr, lr\n\t"
                                            "ldm r8, {r8-r11}\n\t" FINISH("r4", "r8", "0") FINISH("r5", "r9", "8")
                                                FINISH("r6", "r10", "16")
                                                    FINISH("r7", "r11", "24") "ldr r12, [sp, #20]\n\t"
                                                                              "add r2, #4\n\t"
                                                                              "add r3, #4\n\t"
                                                                              "cmp r0, r12\n\t"
                                                                              "bne 1b\n\t"
                                                                              "add sp, #28\n\t"
                                                                              "pop {r4-r11, pc}\n\t"
                                                                              ".popsection");

static void run_cell(void *context, const int8_t *window, int8_t *out) {
    const struct sdfa_matvec *m = context;
    uint32_t len = m->in_n * m->out_n;
    struct frame f;
    f.start = 0u - len;
    f.channel_n = m->out_n;
    f.mult_from_bias = (uint32_t)((uintptr_t)m->mult - (uintptr_t)m->bias) - 16u;
    f.shift_from_out = (uint32_t)((uintptr_t)m->shift - (uintptr_t)out);
    f.offset = (uint32_t)(2 * m->zero_point + 1);
    f.out_end = (uint32_t)(uintptr_t)(out + m->out_n);
    sdfa_dsp_depthwise(out, m->bias, window + len, m->weights + len, &f);
}

sdfa_cell *sdfa_depthwise_cell(const struct sdfa_depthwise *d) {
    return d->m.fast && d->m.out_n == d->in_c && d->in_c % 4 == 0 ? run_cell : sdfa_depthwise_any;
}

#endif
