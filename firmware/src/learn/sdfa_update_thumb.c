/* int8 weights that move four at a time, on Thumb-2 without the DSP extension (SPEC.md 3.4). */
#include "sdfa_words.h"

#if SDFA_THUMB2

/* r0: weights; r1: inputs; r2: sum of changes, byte by byte; r3: state of the generator; r4, r5: its multiplier and
 * increment; r6: size of the step; r7: its upper bits tell which bytes passed their clamp; r8: 0x0fff0fff;
 * r9: 0x00ff00ff. r10, r11: activations 0, 2 and 1, 3, then times the step, plus dither: the upper four bits of each half
 * are a change. `flip` turns weights into bytes that grow; r12: before, r11: after. */
#define FOUR(flip, one)                                                                                                \
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
    "eor r12, r12, " flip "\n\t"                                                                                       \
    "add r2, r2, r11, lsr #4\n\t"                                                                                      \
    "add r11, r12, r11, lsr #4\n\t" one "orr r7, r7, r12\n\t"                                                          \
    "eor r11, r11, " flip "\n\t"                                                                                       \
    "str r11, [r0], #4\n\t"
#define UP   FOUR("#0x80808080", "bic r12, r12, r11\n\t")
#define DOWN FOUR("#0x7f7f7f7f", "add r10, r11, #0x01010101\n\tbic r12, r12, r10\n\t")
#define ROW(four)                                                                                                      \
    "lsls r10, r10, #30\n\t" /* carry: an odd word */                                                                  \
    "bcs 3f\n"                                                                                                         \
    "2:\n\t" four "3:\n\t" four "ldr lr, [sp]\n\t"                                                                     \
    "cmp r1, lr\n\t"                                                                                                   \
    "bne 2b\n\t"

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_move_words")
        "push {r3-r11, lr}\n\t"
        "push {r2}\n\t"
        "sub r10, r2, r1\n\t"
        "adr r12, 9f\n\t"
        "ldm r12, {r4, r5, r8, r9}\n\t"
        "ldrd r3, r6, [r3]\n\t"
        "movs r7, #0\n\t"
        "movs r2, #0\n\t"
        "cmp r6, #0\n\t"
        "bmi 1f\n\t"
        ROW(UP)
        "b 4f\n"
        "1:\n\t"
        "rsb r6, r6, #0\n\t"
        ROW(DOWN)
        "4:\n\t"
        "and r0, r9, r2, lsr #8\n\t"
        "and r2, r9, r2\n\t"
        "add r0, r0, r2\n\t"
        "add r0, r0, r0, lsr #16\n\t"
        "uxth r0, r0\n\t"
        "pop {r1, r2}\n\t"
        "str r3, [r2]\n\t"
        "tst r7, #0x80808080\n\t"
        "it ne\n\t"
        "mvnne r0, #0\n\t"
        "pop {r4-r11, pc}\n\t"
        ".align 2\n"
        "9:\n\t"
        ".word 747796405, 2891336453, 0x0fff0fff, 0x00ff00ff\n\t"
        ".popsection");
/* clang-format on */

#endif
