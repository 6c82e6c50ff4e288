/* Sums of products of plain rows on the DSP extension: the layers that learn, and what is left of packed ones. */
#include "sdfa_dot.h"

#if SDFA_DSP

/* r11, r12: values 0, 2 and 1, 3 of a word of x. */
#define ROW(w, sum)                                                                                                    \
    "ldr r2, [" w "], #4\n\t"                                                                                          \
    "sxtb16 r0, r2\n\t"                                                                                                \
    "sxtb16 r2, r2, ror #8\n\t"                                                                                        \
    "smlad " sum ", r0, r11, " sum "\n\t"                                                                              \
    "smlad " sum ", r2, r12, " sum "\n\t"
#define WORD                                                                                                           \
    "ldr r12, [r3], #4\n\t"                                                                                            \
    "sxtb16 r11, r12\n\t"                                                                                              \
    "sxtb16 r12, r12, ror #8\n\t" ROW("r1", "r4") ROW("r8", "r5") ROW("r9", "r6") ROW("r10", "r7")
#define ROW_BYTE(w, sum)                                                                                               \
    "ldrsb r2, [" w "], #1\n\t"                                                                                        \
    "mla " sum ", r2, r11, " sum "\n\t"
#define BYTE                                                                                                           \
    "ldrsb r11, [r3], #1\n\t" ROW_BYTE("r1", "r4") ROW_BYTE("r8", "r5") ROW_BYTE("r9", "r6") ROW_BYTE("r10", "r7")

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot4")
        "push {r0, r4-r11, lr}\n\t"
        "add r8, r1, r2\n\t"
        "ldr lr, [sp, #40]\n\t" /* n */
        "add r9, r8, r2\n\t"
        "ldm r0, {r4-r7}\n\t"
        "add r10, r9, r2\n\t"
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
