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

#endif
