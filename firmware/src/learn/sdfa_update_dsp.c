/* int8 weights that move four at a time, on the DSP extension (SPEC.md 3.4). */
#include "sdfa_update.h"

#if SDFA_DSP

/* r0: weights; r1: inputs; r3: state of the generator; r4, r5: its multiplier and increment; r6: size of the step;
 * r7: 0x00800080; r8: 0x0fff0fff; r9: 0x0f0f0f0f; lr: sum of changes, byte by byte. r11, r10: activations 0, 2 and 1, 3,
 * then times the step, plus dither: the upper four bits of each half are a change. GE marks bytes 1 and 3. */
#define FOUR(move)                                                                                                     \
    "ldr r10, [r1], #4\n\t"                                                                                            \
    "mla r3, r3, r4, r5\n\t"                                                                                           \
    "sxtab16 r11, r7, r10\n\t"                                                                                         \
    "sxtab16 r10, r7, r10, ror #8\n\t"                                                                                 \
    "eor r12, r3, r3, lsr #16\n\t"                                                                                     \
    "and r2, r8, r12\n\t"                                                                                              \
    "and r12, r8, r12, lsr #4\n\t"                                                                                     \
    "mla r11, r11, r6, r2\n\t"                                                                                         \
    "mla r10, r10, r6, r12\n\t"                                                                                        \
    "ldr r12, [r0]\n\t"                                                                                                \
    "lsr r11, r11, #8\n\t"                                                                                             \
    "sel r10, r10, r11\n\t"                                                                                            \
    "and r10, r9, r10, lsr #4\n\t" move " r12, r12, r10\n\t"                                                           \
    "add lr, lr, r10\n\t"                                                                                              \
    "str r12, [r0], #4\n\t"
/* A loop, entered so that the words of a row that are no multiple of four come first. */
#define ROW(move)                                                                                                      \
    "cmp r10, #2\n\t"                                                                                                  \
    "bhi 3f\n\t"                                                                                                       \
    "beq 4f\n\t"                                                                                                       \
    "cmp r10, #1\n\t"                                                                                                  \
    "beq 5f\n"                                                                                                         \
    "2:\n\t" FOUR(move) "3:\n\t" FOUR(move) "4:\n\t" FOUR(move) "5:\n\t" FOUR(move) "ldr r2, [sp]\n\t"                 \
                                                                                    "cmp r1, r2\n\t"                   \
                                                                                    "bne 2b\n\t"

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_move_some")
        "push {r4-r11, lr}\n\t"
        "ldr r12, [sp, #36]\n\t"
        "ubfx r10, r2, #2, #2\n\t"
        "adds r2, r1, r2\n\t"
        "push {r2, r12}\n\t" /* end of the inputs, place of the state */
        "movw r4, #0x77b5\n\t" /* 747796405 */
        "movt r4, #0x2c92\n\t"
        "movw r5, #0x4b05\n\t" /* 2891336453 */
        "movt r5, #0xac56\n\t"
        "mov r7, #0x00800080\n\t"
        "mvn r8, #0xf000f000\n\t"
        "mov r9, #0x0f0f0f0f\n\t"
        "mov r2, #0x000a0000\n\t"
        "msr APSR_g, r2\n\t"
        "mov lr, #0\n\t"
        "movs r6, r3\n\t"
        "ldr r3, [r12]\n\t"
        "bmi 1f\n\t"
        ROW("qadd8")
        "b 6f\n"
        "1:\n\t"
        "rsb r6, r6, #0\n\t"
        ROW("qsub8")
        "6:\n\t"
        "mov r2, #0\n\t"
        "usad8 r0, lr, r2\n\t"
        "pop {r2, r12}\n\t"
        "str r3, [r12]\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

#endif
