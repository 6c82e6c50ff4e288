/* int8 weights that move four at a time, on Thumb-2 without the DSP extension (SPEC.md 3.4). */
#include "sdfa_update.h"

#if SDFA_THUMB2

/* r0: weights; r1: inputs; r2: sum of changes, byte by byte; r3: state of the generator; r4, r5: its multiplier and
 * increment; r6: size of the step; r7: what turns weights into bytes that grow; r8: 0x0fff0fff; r9: 0x00ff00ff. r10, r11:
 * activations 0, 2 and 1, 3, then times the step, plus dither: the upper four bits of each half are a change. */
#define FOUR                                                                                                           \
    "ldr r10, [r1], #4\n\t"                                                                                            \
    "mla r3, r3, r4, r5\n\t"                                                                                           \
    "eor r10, r10, #0x80808080\n\t"                                                                                    \
    "eor r12, r3, r3, lsr #16\n\t"                                                                                     \
    "and r11, r9, r10, lsr #8\n\t"                                                                                     \
    "and r10, r9, r10\n\t"                                                                                             \
    "and lr, r8, r12\n\t"                                                                                              \
    "and r12, r8, r12, lsr #4\n\t"                                                                                     \
    "mla r10, r10, r6, lr\n\t"                                                                                         \
    "mla r11, r11, r6, r12\n\t"                                                                                        \
    "ldr r12, [r0]\n\t"                                                                                                \
    "and r10, r10, #0xf000f000\n\t"                                                                                    \
    "and r11, r11, #0xf000f000\n\t"                                                                                    \
    "orr r11, r11, r10, lsr #8\n\t"                                                                                    \
    "eor r12, r12, r7\n\t"                                                                                             \
    "add r2, r2, r11, lsr #4\n\t"                                                                                      \
    "add r12, r12, r11, lsr #4\n\t"                                                                                    \
    "eor r12, r12, r7\n\t"                                                                                             \
    "str r12, [r0], #4\n\t"

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_move_some")
        "push {r4-r11, lr}\n\t"
        "ldr r12, [sp, #36]\n\t"
        "adds r11, r1, r2\n\t"
        "push {r11, r12}\n\t" /* end of the inputs, place of the state */
        "movw r4, #0x77b5\n\t" /* 747796405 */
        "movt r4, #0x2c92\n\t"
        "movw r5, #0x4b05\n\t" /* 2891336453 */
        "movt r5, #0xac56\n\t"
        "mov r7, #0x80808080\n\t"
        "mvn r8, #0xf000f000\n\t"
        "mov r9, #0x00ff00ff\n\t"
        "movs r6, r3\n\t"
        "itt mi\n\t"
        "rsbmi r6, r6, #0\n\t"
        "mvnmi r7, r7\n\t"
        "ldr r3, [r12]\n\t"
        "tst r2, #4\n\t"
        "mov r2, #0\n\t"
        "bne 2f\n"
        "1:\n\t"
        FOUR
        "2:\n\t"
        FOUR
        "ldr lr, [sp]\n\t"
        "cmp r1, lr\n\t"
        "bne 1b\n\t"
        "and r0, r9, r2, lsr #8\n\t"
        "and r2, r9, r2\n\t"
        "add r0, r0, r2\n\t"
        "add r0, r0, r0, lsr #16\n\t"
        "uxth r0, r0\n\t"
        "pop {r2, r12}\n\t"
        "str r3, [r12]\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

#endif
