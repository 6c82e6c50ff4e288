/* Packed rows on the DSP extension (SPEC.md 1.4, 2.2): one word holds two weights of each of two rows. SMLAD of the word
 * sums 256 times the second row plus the first, SMLAD of its lower bytes the first alone: four products in three
 * instructions. The loops are assembly because they need every register. */
#include "sdfa_dot.h"
#include "sdfa_matvec.h"

#if SDFA_DSP

/* r1: weights, r2: values, r0, r3: weights of two row pairs. Values in `x`; sums of pairs in `h0 h1`, of first rows in
 * `l0 l1`. */
#define TWO_PAIRS(x, h0, l0, h1, l1)                                                                                   \
    "ldrd r0, r3, [r1], #8\n\t"                                                                                        \
    "smlad " h0 ", r0, " x ", " h0 "\n\t"                                                                              \
    "sxtb16 r0, r0\n\t"                                                                                                \
    "smlad " h1 ", r3, " x ", " h1 "\n\t"                                                                              \
    "sxtb16 r3, r3\n\t"                                                                                                \
    "smlad " l0 ", r0, " x ", " l0 "\n\t"                                                                              \
    "smlad " l1 ", r3, " x ", " l1 "\n\t"
#define EIGHT_ROWS(x) TWO_PAIRS(x, "r4", "r5", "r6", "r7") TWO_PAIRS(x, "r8", "r9", "r10", "r11")
#define BLOCK_OF_ONE                                                                                                   \
    "ldr lr, [r2], #4\n\t"                                                                                             \
    "sxtb16 r12, lr\n\t"                                                                                               \
    "sxtb16 lr, lr, ror #8\n\t" EIGHT_ROWS("r12") EIGHT_ROWS("lr")

/* sum: int32[4][2], of each row pair both and the first alone. x: int8[4 * block_n].
 * block_n > 0. */
void sdfa_dsp_sum_group(int32_t *sum, const int8_t *weights, const void *x, uint32_t block_n);
__asm__(SDFA_FUNCTION("sdfa_dsp_sum_group") "push {r0, r4-r11, lr}\n\t"
                                            "tst r3, #1\n\t"
                                            "add r3, r2, r3, lsl #2\n\t"
                                            "push {r3, r12}\n\t" /* the end of x; r12 keeps the stack aligned */
                                            "mov r4, #0\n\t"
                                            "mov r5, #0\n\t"
                                            "mov r6, #0\n\t"
                                            "mov r7, #0\n\t"
                                            "mov r8, #0\n\t"
                                            "mov r9, #0\n\t"
                                            "mov r10, #0\n\t"
                                            "mov r11, #0\n\t"
                                            "bne 2f\n"
                                            "1:\n\t" BLOCK_OF_ONE "2:\n\t" BLOCK_OF_ONE "ldr r0, [sp]\n\t"
                                            "cmp r2, r0\n\t"
                                            "bne 1b\n\t"
                                            "ldr r0, [sp, #8]\n\t"
                                            "stm r0, {r4-r11}\n\t"
                                            "add sp, #12\n\t"
                                            "pop {r4-r11, pc}\n\t"
                                            ".popsection");

/* The same for two vectors and two of a group's row pairs. r12, lr: values of each vector. */
#define HALF_BLOCK_OF_TWO                                                                                              \
    "ldrd r12, lr, [r2], #8\n\t"                                                                                       \
    "ldrd r0, r3, [r1], #16\n\t"                                                                                       \
    "smlad r4, r0, r12, r4\n\t"                                                                                        \
    "smlad r5, r0, lr, r5\n\t"                                                                                         \
    "sxtb16 r0, r0\n\t"                                                                                                \
    "smlad r6, r3, r12, r6\n\t"                                                                                        \
    "smlad r7, r3, lr, r7\n\t"                                                                                         \
    "sxtb16 r3, r3\n\t"                                                                                                \
    "smlad r8, r0, r12, r8\n\t"                                                                                        \
    "smlad r9, r0, lr, r9\n\t"                                                                                         \
    "smlad r10, r3, r12, r10\n\t"                                                                                      \
    "smlad r11, r3, lr, r11\n\t"
#define BLOCK_OF_TWO HALF_BLOCK_OF_TWO HALF_BLOCK_OF_TWO

/* sum: int32[8], of {both rows, first rows} each {pair 0: vector 0, 1; pair 1: vector 0, 1}. wide: int16[4 * block_n][2]
 * as widen writes it. block_n > 0. */
void sdfa_dsp_sum_two(int32_t *sum, const int8_t *weights, const void *x, uint32_t block_n);
__asm__(SDFA_FUNCTION("sdfa_dsp_sum_two") "push {r0, r4-r11, lr}\n\t"
                                          "tst r3, #1\n\t"
                                          "add r3, r2, r3, lsl #4\n\t"
                                          "push {r3, r12}\n\t"
                                          "mov r4, #0\n\t"
                                          "mov r5, #0\n\t"
                                          "mov r6, #0\n\t"
                                          "mov r7, #0\n\t"
                                          "mov r8, #0\n\t"
                                          "mov r9, #0\n\t"
                                          "mov r10, #0\n\t"
                                          "mov r11, #0\n\t"
                                          "bne 2f\n"
                                          "1:\n\t" BLOCK_OF_TWO "2:\n\t" BLOCK_OF_TWO "ldr r0, [sp]\n\t"
                                          "cmp r2, r0\n\t"
                                          "bne 1b\n\t"
                                          "ldr r0, [sp, #8]\n\t"
                                          "stm r0, {r4-r11}\n\t"
                                          "add sp, #12\n\t"
                                          "pop {r4-r11, pc}\n\t"
                                          ".popsection");

static int32_t halfword(const int8_t *w) {
    return (w[0] & 0xff) | w[1] * 256;
}

static inline int32_t mac(int32_t sum, int32_t w, int32_t x) {
    return (int32_t)((uint32_t)sum + (uint32_t)(w * x));
}

/* Both rows of a pair, i and i + 1. */
static inline void finish_pair(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t both, int32_t first) {
    sdfa_finish(out, m, i, sdfa_wrap_add(first, m->bias[i]));
    sdfa_finish(out, m, i + 1, sdfa_wrap_add(sdfa_wrap_sub(both, first) >> 8, m->bias[i + 1]));
}

/* The inputs behind the last block of four; rest: their weights. */
static void sum_rest(int32_t sum[8], const int8_t *rest, const int8_t *x, uint32_t n) {
    for (; n--; x++)
        for (uint32_t p = 0; p < 4; p++, rest += 2) {
            sum[2 * p] = mac(sum[2 * p], halfword(rest), *x);
            sum[2 * p + 1] = mac(sum[2 * p + 1], *rest, *x);
        }
}

void sdfa_matvec_packed(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    const int8_t *group = m->weights;
    uint32_t whole = m->in_n & ~3u;
    for (uint32_t i = 0; i < m->packed_n; i += 8, group += 8 * m->in_n) {
        int32_t sum[8] = {0};
        if (whole)
            sdfa_dsp_sum_group(sum, group, x, whole / 4);
        sum_rest(sum, group + 8 * whole, x + whole, m->in_n - whole);
        for (uint32_t p = 0; p < 4; p++)
            finish_pair(out, m, i + 2 * p, sum[2 * p], sum[2 * p + 1]);
    }
}

/* Two windows of a convolution, whose sums are made together. */
struct two {
    const struct sdfa_matvec *m;
    int16_t *wide; /* int16[in_n][2] */
    int8_t *first; /* where the outputs of the first window go; NULL: there is no window yet */
};

/* x as vector v of two in `wide`. Blocks of four values: words of the first and third of vector 0, of 1, then of the
 * second and fourth of each. The rest of the values stand singly, vector 0 before 1. */
static void widen(int16_t *wide, const int8_t *x, uint32_t n, uint32_t v) {
    sdfa_u32 *word = (sdfa_u32 *)(void *)wide + v;
    for (; n >= 4; n -= 4, x += 4, word += 4) {
        uint32_t four = sdfa_load4(x);
        word[0] = (uint32_t)__sxtb16((int8x4_t)four);
        word[2] = (uint32_t)sdfa_odd(four);
    }
    for (wide = (int16_t *)(void *)(word - v) + v; n--; wide += 2)
        *wide = *x++;
}

/* The inputs behind the last block, for two row pairs. */
static void sum_two_rest(int32_t sum[8], const int8_t *rest, const int16_t *wide, uint32_t n) {
    for (; n--; rest += 8, wide += 2)
        for (uint32_t k = 0; k < 4; k++) {
            const int8_t *w = rest + (k & 2u);
            sum[k] = mac(sum[k], halfword(w), wide[k & 1u]);
            sum[4 + k] = mac(sum[4 + k], *w, wide[k & 1u]);
        }
}

/* Rows i .. i + 3 of both windows; pairs: the weights of the first of their two pairs. */
static void four_rows(const struct two *t, int8_t *second, uint32_t i, const int8_t *pairs) {
    const struct sdfa_matvec *m = t->m;
    uint32_t whole = m->in_n & ~3u;
    int32_t sum[8] = {0};
    if (whole)
        sdfa_dsp_sum_two(sum, pairs, t->wide, whole / 4);
    if (whole < m->in_n)
        sum_two_rest(sum, pairs + 8 * whole - (i & 4u), t->wide + 2 * whole, m->in_n - whole);
    for (uint32_t p = 0; p < 4; p += 2, i += 2) {
        finish_pair(second, m, i, sum[p + 1], sum[p + 5]);
        finish_pair(t->first, m, i, sum[p], sum[p + 4]); /* last: it stays where there is no second window */
    }
}

static void packed_rows(struct two *t, int8_t *second) {
    const int8_t *group = t->m->weights;
    for (uint32_t i = 0; i < t->m->packed_n; i += 8, group += 8 * t->m->in_n) {
        four_rows(t, second, i, group);
        four_rows(t, second, i + 4, group + 8);
    }
    t->first = NULL;
}

static void one_window(void *context, const int8_t *window, int8_t *out) {
    sdfa_matvec_plain(out, context, window);
}

static void add_window(void *context, const int8_t *window, int8_t *out) {
    struct two *t = context;
    widen(t->wide, window, t->m->in_n, t->first != NULL);
    if (t->first)
        packed_rows(t, out);
    else
        t->first = out;
    sdfa_matvec_plain(out, t->m, window);
}

void sdfa_conv_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_matvec *m) {
    struct two t = {m, NULL, NULL};
    t.wide = (int16_t *)(void *)(s->arena + p->scratch + ((m->in_n + 3) & ~3u));
    sdfa_each_window(s, p, m->packed_n ? add_window : one_window, m->packed_n ? (void *)&t : (void *)m);
    if (t.first) /* the last of an odd number, with any other beside it */
        packed_rows(&t, t.first);
}

#endif
