/* Sums of products on Thumb-2 without DSP extension: every register is used, which compilers do not manage. */
#include "sdfa_dot.h"

#if SDFA_THUMB2

/* r2: x; r1, r8, r9, r10: four rows; r4 .. r7: their sums. */
#define ROW(w, sum)                                                                                                    \
    "ldrsb r12, [" w "], #1\n\t"                                                                                       \
    "mla " sum ", r12, r11, " sum "\n\t"
#define INPUT "ldrsb r11, [r2], #1\n\t" ROW("r1", "r4") ROW("r8", "r5") ROW("r9", "r6") ROW("r10", "r7")

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot4_plain")
        "push {r0, r4-r11, lr}\n\t"
        "add r8, r1, r2\n\t"
        "add r9, r8, r2\n\t"
        "add r10, r9, r2\n\t"
        "mov r2, r3\n\t"
        "ldr r3, [sp, #40]\n\t" /* n */
        "ldm r0, {r4-r7}\n\t"
        "ands lr, r3, #3\n\t"
        "add r3, r3, r2\n\t"
        "beq 3f\n"
        "1:\n\t"
        INPUT
        "subs lr, #1\n\t"
        "bne 1b\n\t"
        "b 3f\n"
        "2:\n\t"
        INPUT INPUT INPUT INPUT
        "3:\n\t"
        "cmp r2, r3\n\t"
        "bne 2b\n\t"
        "pop {r0}\n\t"
        "stm r0, {r4-r7}\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

/* r2: x; lr: its zero point; r3: the last of x; r1, r8, r9, r10: from x to four rows; r4 .. r7: their sums. */
#define ROW_LESS(w, sum)                                                                                               \
    "ldrsb r12, [r2, " w "]\n\t"                                                                                       \
    "mla " sum ", r12, r11, " sum "\n\t"
#define INPUT_LESS                                                                                                     \
    "ldrsb r11, [r2, #1]!\n\t"                                                                                         \
    "subs r11, r11, lr\n\t"                                                                                            \
    "beq 9f\n\t" ROW_LESS("r1", "r4") ROW_LESS("r8", "r5") ROW_LESS("r9", "r6") ROW_LESS("r10", "r7") "9:\n\t"

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot4_less")
        "push {r0, r4-r11, lr}\n\t"
        "sub r1, r1, r3\n\t"
        "add r8, r1, r2\n\t"
        "add r9, r8, r2\n\t"
        "add r10, r9, r2\n\t"
        "sub r2, r3, #1\n\t"
        "ldrd r3, lr, [sp, #40]\n\t" /* n, zero point */
        "ldm r0, {r4-r7}\n\t"
        "ands r0, r3, #3\n\t"
        "add r3, r3, r2\n\t"
        "beq 3f\n"
        "1:\n\t"
        INPUT_LESS
        "subs r0, #1\n\t"
        "bne 1b\n\t"
        "b 3f\n"
        "2:\n\t"
        INPUT_LESS INPUT_LESS INPUT_LESS INPUT_LESS
        "3:\n\t"
        "cmp r2, r3\n\t"
        "bne 2b\n\t"
        "pop {r0}\n\t"
        "stm r0, {r4-r7}\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

/* r2, r9: two vectors; r1, r8: two rows; r4 .. r7: sums of row 0, vector 0 and 1, row 1, vector 0 and 1. */
#define ROW_OF_TWO(w, sum0, sum1)                                                                                      \
    "ldrsb r12, [" w "], #1\n\t"                                                                                       \
    "mla " sum0 ", r12, r10, " sum0 "\n\t"                                                                             \
    "mla " sum1 ", r12, r11, " sum1 "\n\t"
#define INPUT_OF_TWO                                                                                                   \
    "ldrsb r10, [r2], #1\n\t"                                                                                          \
    "ldrsb r11, [r9], #1\n\t" ROW_OF_TWO("r1", "r4", "r5") ROW_OF_TWO("r8", "r6", "r7")

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot2x2")
        "push {r0, r4-r11, lr}\n\t"
        "mov r9, r3\n\t"
        "ldr r3, [sp, #40]\n\t" /* n */
        "add r8, r1, r3\n\t"
        "ldm r0, {r4-r7}\n\t"
        "ands lr, r3, #3\n\t"
        "add r3, r3, r2\n\t"
        "beq 3f\n"
        "1:\n\t"
        INPUT_OF_TWO
        "subs lr, #1\n\t"
        "bne 1b\n\t"
        "b 3f\n"
        "2:\n\t"
        INPUT_OF_TWO INPUT_OF_TWO INPUT_OF_TWO INPUT_OF_TWO
        "3:\n\t"
        "cmp r2, r3\n\t"
        "bne 2b\n\t"
        "pop {r0}\n\t"
        "stm r0, {r4-r7}\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

#endif
