/* Sums of products on Thumb-1: the index counts up to zero, which needs no comparison. */
#include "sdfa_dot.h"

#if SDFA_THUMB1

/* r1, r2: ends of two rows; r3: of x; r4: minus the values to go; r5, r6: sums. */
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dot2")
        "push {r0, r4-r7, lr}\n\t"
        "ldr r4, [sp, #24]\n\t" /* n */
        "ldr r5, [r0]\n\t"
        "ldr r6, [r0, #4]\n\t"
        "adds r2, r1, r2\n\t"
        "adds r1, r1, r4\n\t"
        "adds r2, r2, r4\n\t"
        "adds r3, r3, r4\n\t"
        "rsbs r4, r4, #0\n\t"
        "beq 2f\n"
        "1:\n\t"
        "ldrsb r7, [r3, r4]\n\t"
        "ldrsb r0, [r1, r4]\n\t"
        "muls r0, r7, r0\n\t"
        "adds r5, r5, r0\n\t"
        "ldrsb r0, [r2, r4]\n\t"
        "muls r0, r7, r0\n\t"
        "adds r6, r6, r0\n\t"
        "adds r4, r4, #1\n\t"
        "bne 1b\n"
        "2:\n\t"
        "pop {r0}\n\t"
        "str r5, [r0]\n\t"
        "str r6, [r0, #4]\n\t"
        "pop {r4-r7, pc}\n\t"
        ".popsection");

/* r1, r2, r5, r6: ends of four rows; r3: of x; r4: minus the values to go; r8 .. r11: sums. */
#define ROW(w, sum) "ldrsb r0, [" w ", r4]\n\t" "muls r0, r7, r0\n\t" "add " sum ", r0\n\t"
#define INPUT                                                                                                          \
    "ldrsb r7, [r3, r4]\n\t"                                                                                           \
    "adds r7, #128\n\t"                                                                                                \
    "beq 9f\n\t" ROW("r1", "r8") ROW("r5", "r9") ROW("r6", "r10") ROW("r2", "r11") "9:\n\t"                             \
    "adds r4, #1\n\t"
__asm__(SDFA_FUNCTION("sdfa_dot4_sparse")
        "push {r4-r7, lr}\n\t"
        "mov r4, r8\n\t"
        "mov r5, r9\n\t"
        "mov r6, r10\n\t"
        "mov r7, r11\n\t"
        "push {r0, r4-r7}\n\t"
        "ldm r0!, {r4-r7}\n\t"
        "mov r8, r4\n\t"
        "mov r9, r5\n\t"
        "mov r10, r6\n\t"
        "mov r11, r7\n\t"
        "ldr r4, [sp, #40]\n\t" /* n */
        "adds r1, r1, r4\n\t"
        "adds r3, r3, r4\n\t"
        "adds r5, r1, r2\n\t"
        "adds r6, r5, r2\n\t"
        "adds r2, r6, r2\n\t"
        "movs r7, #3\n\t"
        "ands r7, r4\n\t" /* those that are no multiple of four come first */
        "rsbs r4, r4, #0\n\t"
        "cmp r7, #2\n\t"
        "bhi 2f\n\t"
        "beq 3f\n\t"
        "cmp r7, #1\n\t"
        "beq 4f\n"
        "1:\n\t"
        INPUT
        "2:\n\t"
        INPUT
        "3:\n\t"
        INPUT
        "4:\n\t"
        INPUT
        "bne 1b\n\t"
        "pop {r0, r4-r7}\n\t"
        "mov r1, r8\n\t"
        "mov r2, r9\n\t"
        "str r1, [r0]\n\t"
        "str r2, [r0, #4]\n\t"
        "mov r1, r10\n\t"
        "mov r2, r11\n\t"
        "str r1, [r0, #8]\n\t"
        "str r2, [r0, #12]\n\t"
        "mov r8, r4\n\t"
        "mov r9, r5\n\t"
        "mov r10, r6\n\t"
        "mov r11, r7\n\t"
        "pop {r4-r7, pc}\n\t"
        ".popsection");
/* clang-format on */

#endif
