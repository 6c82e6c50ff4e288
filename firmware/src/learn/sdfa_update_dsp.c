/* int8 weights that move four at a time, on the DSP extension (SPEC.md 3.4). */
#include "sdfa_words.h"

#if SDFA_DSP

/* r0: weights; r1: inputs; r3: state of the generator; r4, r5: its multiplier and increment; r6: size of the step;
 * r7: 0x00800080; r8: 0x0fff0fff; r9: its upper bits tell which bytes passed their clamp; lr: sum of changes, byte by
 * byte. r11, r10: activations 0, 2 and 1, 3, then times the step, plus dither: the upper four bits of each half are a
 * change. r12: weights before, r11: after. */
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
    "and r11, r11, #0xf000f000\n\t"                                                                                    \
    "and r10, r10, #0xf000f000\n\t"                                                                                    \
    "orr r10, r10, r11, lsr #8\n\t"                                                                                    \
    "lsr r10, r10, #4\n\t"                                                                                             \
    "add lr, lr, r10\n\t" move "orr r9, r9, r2\n\t"                                                                    \
    "str r11, [r0], #4\n\t"
#define UP                                                                                                             \
    "sadd8 r11, r12, r10\n\t"                                                                                          \
    "bic r2, r11, r12\n\t" /* a sign that appears */
#define DOWN                                                                                                           \
    "ssub8 r11, r12, r10\n\t"                                                                                          \
    "sub r2, r11, #0x01010101\n\t" /* a borrow may see one that is not there */                                        \
    "bic r2, r12, r2\n\t"          /* a sign that is lost */
/* A loop, entered so that the words that are no multiple of four come first: r10, bits 2 and 3. */
#define ROW(move)                                                                                                      \
    "lsls r10, r10, #29\n\t"                                                                                           \
    "bcs 7f\n\t"                                                                                                       \
    "bmi 5f\n"                                                                                                         \
    "2:\n\t" FOUR(move) "3:\n\t" FOUR(move) "4:\n\t" FOUR(move) "5:\n\t" FOUR(move) "ldr r2, [sp]\n\t"                 \
                                                                                    "cmp r1, r2\n\t"                   \
                                                                                    "bne 2b\n\t"                       \
                                                                                    "b 6f\n"                           \
                                                                                    "7:\n\t"                           \
                                                                                    "bmi 3b\n\t"                       \
                                                                                    "b 4b\n"

/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_move_words")
        "push {r3-r11, lr}\n\t"
        "push {r2}\n\t"
        "sub r10, r2, r1\n\t"
        "adr r12, 9f\n\t"
        "ldm r12, {r4, r5, r7-r9, lr}\n\t"
        "ldrd r3, r6, [r3]\n\t"
        "cmp r6, #0\n\t"
        "bmi 1f\n\t"
        ROW(UP)
        "1:\n\t"
        "rsb r6, r6, #0\n\t"
        ROW(DOWN)
        "6:\n\t"
        "mov r2, #0\n\t"
        "usad8 r0, lr, r2\n\t"
        "pop {r1, r2}\n\t"
        "str r3, [r2]\n\t"
        "tst r9, #0x80808080\n\t"
        "it ne\n\t"
        "mvnne r0, #0\n\t"
        "pop {r4-r11, pc}\n\t"
        ".align 2\n"
        "9:\n\t"
        ".word 747796405, 2891336453, 0x00800080, 0x0fff0fff, 0, 0\n\t"
        ".popsection");
/* clang-format on */

#endif
