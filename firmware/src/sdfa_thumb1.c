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
/* clang-format on */

#endif
