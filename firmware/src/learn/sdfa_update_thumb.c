/* int8 weights that move four at a time, on Thumb-2, with and without the DSP extension (SPEC.md 3.4). */
#include "sdfa_words.h"

#if SDFA_WORDS_THUMB2

/* r0: weights; r1: inputs; r10: scratch; r3: size of the step; r4, r5: what is left of weights 0, 2 and 1, 3, in halves;
 * r2: end of the inputs; r8: its upper bits tell which bytes passed their clamp; r9: sum of changes, byte by byte;
 * x: four inputs, then weights after; w: weights before. */

/* Step times activations is added to what is left: the upper four bits of each half are a change. x: the changes, in the
 * upper halves of its bytes. */
#define SPLIT(x)                                                                                                       \
    "and r10, r5, #0xf000f000\n\t"                                                                                     \
    "and " x ", r4, #0xf000f000\n\t"                                                                                   \
    "bic r4, r4, #0xf000f000\n\t"                                                                                      \
    "bic r5, r5, #0xf000f000\n\t"                                                                                      \
    "orr " x ", r10, " x ", lsr #8\n\t"

#if SDFA_THUMB2 /* r11: 0x00ff00ff */

#define MASK "0x00ff00ff"
#define CHANGES(x)                                                                                                     \
    "eor " x ", " x ", #0x80808080\n\t"                                                                                \
    "and r10, r11, " x "\n\t"                                                                                          \
    "mla r4, r10, r3, r4\n\t"                                                                                          \
    "and r10, r11, " x ", lsr #8\n\t"                                                                                  \
    "mla r5, r10, r3, r5\n\t" SPLIT(x)
/* `flip` turns weights into bytes that grow. */
#define MOVE(x, w, flip)                                                                                               \
    "eor " w ", " w ", " flip "\n\t"                                                                                   \
    "add r9, r9, " x ", lsr #4\n\t"                                                                                    \
    "add " x ", " w ", " x ", lsr #4\n\t"
#define UP(x, w)                                                                                                       \
    CHANGES(x)                                                                                                         \
    MOVE(x, w, "#0x80808080")                                                                                          \
    "bic " w ", " w ", " x "\n\t"                                                                                      \
    "eor " x ", " x ", #0x80808080\n\t"                                                                                \
    "orr r8, r8, " w "\n\t"
#define DOWN(x, w)                                                                                                     \
    CHANGES(x)                                                                                                         \
    MOVE(x, w, "#0x7f7f7f7f")                                                                                          \
    "add r10, " x ", #0x01010101\n\t"                                                                                  \
    "bic " w ", " w ", r10\n\t"                                                                                        \
    "eor " x ", " x ", #0x7f7f7f7f\n\t"                                                                                \
    "orr r8, r8, " w "\n\t"
#define SUM                                                                                                            \
    "and r0, r11, r9, lsr #8\n\t"                                                                                      \
    "and r9, r9, r11\n\t"                                                                                              \
    "add r0, r0, r9\n\t"                                                                                               \
    "add r0, r0, r0, lsr #16\n\t"                                                                                      \
    "uxth r0, r0\n\t"

#else /* r11: 0x00800080 */

#define MASK "0x00800080"
#define CHANGES(x)                                                                                                     \
    "sxtab16 r10, r11, " x "\n\t"                                                                                      \
    "mla r4, r10, r3, r4\n\t"                                                                                          \
    "sxtab16 r10, r11, " x ", ror #8\n\t"                                                                              \
    "mla r5, r10, r3, r5\n\t" SPLIT(x) "lsrs " x ", " x ", #4\n\t"                                                     \
                                       "add r9, r9, " x "\n\t"
#define UP(x, w)                                                                                                       \
    CHANGES(x)                                                                                                         \
    "sadd8 " x ", " w ", " x "\n\t"                                                                                    \
    "bic " w ", " x ", " w "\n\t" /* a sign that appears */                                                            \
    "orr r8, r8, " w "\n\t"
#define DOWN(x, w)                                                                                                     \
    CHANGES(x)                                                                                                         \
    "ssub8 " x ", " w ", " x "\n\t"                                                                                    \
    "sub r10, " x ", #0x01010101\n\t" /* a borrow may see one that is not there */                                     \
    "bic " w ", " w ", r10\n\t"       /* a sign that is lost */                                                        \
    "orr r8, r8, " w "\n\t"
#define SUM                                                                                                            \
    "mov r10, #0\n\t"                                                                                                  \
    "usad8 r0, r9, r10\n\t"

#endif

/* A loop over two words each; before, the one that is odd. Carry: there is one. */
#define ROW(move)                                                                                                      \
    "bcc 2f\n\t"                                                                                                       \
    "ldr r6, [r1], #4\n\t"                                                                                             \
    "ldr r12, [r0]\n\t" move("r6", "r12") "str r6, [r0], #4\n\t"                                                       \
                                          "b 3f\n"                                                                     \
                                          "2:\n\t"                                                                     \
                                          "ldrd r6, r7, [r1], #8\n\t"                                                  \
                                          "ldrd r12, lr, [r0]\n\t" move("r6", "r12")                                   \
                                              move("r7", "lr") "strd r6, r7, [r0], #8\n"                               \
                                                               "3:\n\t"                                                \
                                                               "cmp r1, r2\n\t"                                        \
                                                               "bne 2b\n\t"

/* At [sp]: weights, inputs, step or 0 when weights are put back; at [sp, #48]: random. */
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_move_words")
        "push {r0, r1, r3-r11, lr}\n\t"
        "mov r11, #" MASK "\n\t"
        "mov r8, #0\n"
        "0:\n\t"
        "ldr r4, [sp, #48]\n\t"
        "lsrs r5, r4, #4\n\t"
        "bic r4, r4, #0xf000f000\n\t"
        "bic r5, r5, #0xf000f000\n\t"
        "sub r9, r2, r1\n\t"
        "lsls r9, r9, #30\n\t" /* 0, and whether the number of words is odd */
        "movs r6, r3\n\t"       /* keeps the carry */
        "bmi 1f\n\t"
        ROW(UP)
        "b 4f\n"
        "1:\n\t"
        "rsb r3, r3, #0\n\t"
        ROW(DOWN)
        "4:\n\t"
        "tst r8, #0x80808080\n\t"
        "bne 5f\n\t"
        SUM
        "pop {r1-r11, pc}\n"
        "5:\n\t"
        "ldm sp, {r0, r1, r6}\n\t"
        "rsbs r3, r6, #0\n\t"
        "beq 6f\n\t"
        "movs r6, #0\n\t"
        "str r6, [sp, #8]\n\t"
        "b 0b\n"
        "6:\n\t"
        "subs r0, r6, #1\n\t"
        "pop {r1-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

#endif
