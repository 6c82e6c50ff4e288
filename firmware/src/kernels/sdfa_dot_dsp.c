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

/* sdfa_requantize_fast. r0: offset; r3: the inverse of four shifts. */
#define FINISH(acc, mult, turn)                                                                                        \
    "qadd " acc ", " acc ", " acc "\n\t"                                                                               \
    "smmulr " acc ", " acc ", " mult "\n\t"                                                                            \
    "uxtb " mult ", r3, ror #" turn "\n\t"                                                                             \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                                       \
    "asr " acc ", " acc ", " mult "\n\t"                                                                               \
    "add " acc ", " acc ", r0\n\t"                                                                                     \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

/* Offsets into struct sdfa_fours: those of its pointers and words in their order, four bytes each. */
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot_fours")
        "push {r0, r4-r11, lr}\n\t"
        "ldr r1, [r0]\n\t"
        "ldr r8, [r0, #4]\n\t"
        "ldr r10, [r0, #12]\n"
        "1:\n\t"
        "add r9, r8, r8, lsl #1\n\t"
        "ldr r2, [r0, #16]\n\t"
        "ldr r3, [r0, #8]\n\t"
        "ldm r2!, {r4-r7}\n\t"
        "str r2, [r0, #16]\n\t"
        "lsrs r2, r8, #3\n\t" /* carry: an odd word */
        "bic lr, r8, #3\n\t"
        "add lr, lr, r3\n\t" /* the end of the words of x */
        "bcs 3f\n\t"
        "b 4f\n"
        "2:\n\t"
        WORD
        "3:\n\t"
        WORD
        "4:\n\t"
        "cmp r3, lr\n\t"
        "bne 2b\n\t"
        "ands lr, r8, #3\n\t"
        "bne 7f\n"
        "5:\n\t"
        "ldr r0, [sp]\n\t"
        "add r1, r1, r9\n\t"
        "ldr r2, [r0, #36]\n\t"
        "cbz r2, 6f\n\t"
        "stm r2!, {r4-r7}\n\t"
        "str r2, [r0, #36]\n"
        "6:\n\t"
        "ldr r2, [r0, #24]\n\t"
        "ldr r3, [r2], #4\n\t"
        "str r2, [r0, #24]\n\t"
        "mvn r3, r3\n\t"
        "ldr r2, [r0, #20]\n\t"
        "ldm r2!, {r9, r11, r12, lr}\n\t"
        "str r2, [r0, #20]\n\t"
        "ldr r0, [r0, #28]\n\t"
        FINISH("r4", "r9", "0") FINISH("r5", "r11", "8") FINISH("r6", "r12", "16") FINISH("r7", "lr", "24")
        "bfi r4, r5, #8, #8\n\t"
        "bfi r4, r6, #16, #8\n\t"
        "bfi r4, r7, #24, #8\n\t"
        "ldr r0, [sp]\n\t"
        "ldr r2, [r0, #32]\n\t"
        "str r4, [r2], #4\n\t"
        "str r2, [r0, #32]\n\t"
        "ldr r2, [r0, #40]\n\t"
        "subs r2, #1\n\t"
        "str r2, [r0, #40]\n\t"
        "bne 1b\n\t"
        "pop {r0, r4-r11, pc}\n"
        "7:\n\t"
        BYTE
        "subs lr, #1\n\t"
        "bne 7b\n\t"
        "b 5b\n\t"
        ".popsection");
/* clang-format on */

#endif
