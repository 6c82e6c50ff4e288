/* Sums of products of plain rows on the DSP extension: the layers that learn, and what is left of packed ones. */
#include "sdfa_dot.h"

#if SDFA_DSP

/* r11, r12: values 0, 2 and 1, 3 of a word of x, less the zero point; r10: twice minus the zero point, 16 bits each. The
 * rows stand at r1, r1 + r8, r1 + 2 * r8 and r1 + r9. */
#define ROW(load, sum)                                                                                                 \
    load "sxtb16 r0, r2\n\t"                                                                                           \
         "sxtb16 r2, r2, ror #8\n\t"                                                                                   \
         "smlad " sum ", r0, r11, " sum "\n\t"                                                                         \
         "smlad " sum ", r2, r12, " sum "\n\t"
#define WORD                                                                                                           \
    "ldr r12, [r3], #4\n\t"                                                                                            \
    "sxtab16 r11, r10, r12\n\t"                                                                                        \
    "sxtab16 r12, r10, r12, ror #8\n\t" ROW("ldr r2, [r1, r8]\n\t", "r5") ROW("ldr r2, [r1, r8, lsl #1]\n\t", "r6")    \
        ROW("ldr r2, [r1, r9]\n\t", "r7") ROW("ldr r2, [r1], #4\n\t", "r4")
#define ROW_BYTE(load, sum) load "mla " sum ", r2, r11, " sum "\n\t"
#define BYTE                                                                                                           \
    "ldrsb r11, [r3], #1\n\t"                                                                                          \
    "sxtah r11, r11, r10\n\t" ROW_BYTE("ldrsb r2, [r1, r8]\n\t", "r5")                                                 \
        ROW_BYTE("ldrsb r2, [r1, r8, lsl #1]\n\t", "r6") ROW_BYTE("ldrsb r2, [r1, r9]\n\t", "r7")                      \
            ROW_BYTE("ldrsb r2, [r1], #1\n\t", "r4")

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot4")
        "push {r0, r4-r11, lr}\n\t"
        "mov r8, r2\n\t"
        "ldrd lr, r10, [sp, #40]\n\t" /* n, zero point */
        "add r9, r8, r8, lsl #1\n\t"
        "ldm r0, {r4-r7}\n\t"
        "rsb r10, r10, #0\n\t"
        "pkhbt r10, r10, r10, lsl #16\n\t"
        "lsrs r0, lr, #3\n\t" /* carry: an odd word */
        "bic lr, lr, #3\n\t"
        "add lr, lr, r3\n\t" /* the end of the words of x */
        "bcs 2f\n\t"
        "b 3f\n"
        "1:\n\t"
        WORD
        "2:\n\t"
        WORD
        "3:\n\t"
        "cmp r3, lr\n\t"
        "bne 1b\n\t"
        "ldr lr, [sp, #40]\n\t"
        "ands lr, lr, #3\n\t"
        "beq 5f\n"
        "4:\n\t"
        BYTE
        "subs lr, #1\n\t"
        "bne 4b\n"
        "5:\n\t"
        "pop {r0}\n\t"
        "stm r0, {r4-r7}\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

/* sdfa_requantize_fast. r0: offset; shift: its lower byte is the inverse of one. */
#define FINISH(acc, mult, shift)                                                                                       \
    "qadd " acc ", " acc ", " acc "\n\t"                                                                               \
    "smmulr " acc ", " acc ", " mult "\n\t"                                                                            \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                                       \
    "asr " acc ", " acc ", " shift "\n\t"                                                                              \
    "add " acc ", " acc ", r0\n\t"                                                                                     \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

/* r0: values, widened: 0, 2; 1, 3; 4, 6; 5, 7; r1, r2: two rows; r11, r12: their sums. */
#define ROW_OF_EIGHT(row, sum)                                                                                         \
    "ldrd r8, r9, [" row "], #8\n\t"                                                                                   \
    "sxtb16 r10, r8\n\t"                                                                                               \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                        \
    "smlad " sum ", r10, r4, " sum "\n\t"                                                                              \
    "smlad " sum ", r8, r5, " sum "\n\t"                                                                               \
    "sxtb16 r10, r9\n\t"                                                                                               \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                        \
    "smlad " sum ", r10, r6, " sum "\n\t"                                                                              \
    "smlad " sum ", r9, r7, " sum "\n\t"
#define EIGHT "ldm r0!, {r4-r7}\n\t" ROW_OF_EIGHT("r1", "r11") ROW_OF_EIGHT("r2", "r12")

/* r0: out; r1: struct sdfa_matvec, whose words stand in their order; r2: x; r3: the first row. Values are widened once, into
 * 128 bytes of stack. Below them stand, from sp on: their place and their end, n, the end of the biases; the offset, the
 * ends of shifts, multipliers, sums (or NULL) and outputs. lr counts rows up to 0. */
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot_pairs")
        "push {r4-r11, lr}\n\t"
        "sub sp, #128\n\t"
        "ldr r12, [r1, #24]\n\t" /* out_n */
        "ldr r9, [r1, #48]\n\t" /* input_zero */
        "ldr r5, [r1, #32]\n\t" /* zero_point */
        "sub lr, r12, r3\n\t"
        "bic lr, lr, #1\n\t"
        "add r12, r3, lr\n\t"
        "rsb lr, lr, #0\n\t"
        "rsb r9, r9, #0\n\t"
        "pkhbt r9, r9, r9, lsl #16\n\t"
        "lsls r5, r5, #1\n\t"
        "adds r5, r5, #1\n\t"
        "ldrd r7, r6, [r1, #8]\n\t" /* mult, shift */
        "add r7, r7, r12, lsl #2\n\t"
        "add r6, r6, r12\n\t"
        "ldrd r8, r10, [r1, #16]\n\t" /* keep, in_n */
        "cmp r8, #0\n\t"
        "it ne\n\t"
        "addne r8, r8, r12, lsl #2\n\t"
        "ldrd r4, r11, [r1]\n\t" /* weights, bias */
        "mla r1, r3, r10, r4\n\t"
        "add r11, r11, r12, lsl #2\n\t"
        "add r12, r12, r0\n\t"
        "mov r3, sp\n\t"
        "push {r5-r8, r12}\n\t"
        "mov r8, r3\n\t"
        "mov r0, r3\n\t"
        "mov r3, r9\n\t"
        "add r9, r0, r10, lsl #1\n\t"
        "push {r8-r11}\n"
        "1:\n\t"
        "ldr r8, [r2], #4\n\t"
        "ldr r10, [r2], #4\n\t"
        "sxtab16 r4, r3, r8\n\t"
        "sxtab16 r5, r3, r8, ror #8\n\t"
        "sxtab16 r6, r3, r10\n\t"
        "sxtab16 r7, r3, r10, ror #8\n\t"
        "stm r0!, {r4-r7}\n\t"
        "cmp r0, r9\n\t"
        "bne 1b\n"
        "2:\n\t"
        "ldm sp, {r0, r3, r4, r5}\n\t"
        "add r5, r5, lr, lsl #2\n\t"
        "ldrd r11, r12, [r5]\n\t"
        "add r2, r1, r4\n\t"
        "lsls r4, r4, #28\n\t" /* the eights that are no multiple of four come first */
        "bcs 7f\n\t"
        "bmi 4f\n"
        "3:\n\t"
        EIGHT
        "8:\n\t"
        EIGHT
        "9:\n\t"
        EIGHT
        "4:\n\t"
        EIGHT
        "cmp r0, r3\n\t"
        "bne 3b\n\t"
        "add r0, sp, #16\n\t"
        "ldm r0, {r0, r3, r4, r5, r6}\n\t"
        "cbz r5, 5f\n\t"
        "add r5, r5, lr, lsl #2\n\t"
        "strd r11, r12, [r5]\n"
        "5:\n\t"
        "ldrh r3, [r3, lr]\n\t"
        "add r4, r4, lr, lsl #2\n\t"
        "mvns r3, r3\n\t"
        "ldrd r4, r5, [r4]\n\t"
        FINISH("r11", "r4", "r3") "lsrs r3, r3, #8\n\t" FINISH("r12", "r5", "r3")
        "bfi r11, r12, #8, #8\n\t"
        "strh r11, [r6, lr]\n\t"
        "mov r1, r2\n\t"
        "adds lr, lr, #2\n\t"
        "bne 2b\n\t"
        "add sp, #164\n\t"
        "pop {r4-r11, pc}\n"
        "7:\n\t"
        "bmi 8b\n\t"
        "b 9b\n\t"
        ".popsection");
/* clang-format on */

#endif
