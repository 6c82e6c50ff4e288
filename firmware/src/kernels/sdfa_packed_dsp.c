/* Packed rows on the DSP extension (SPEC.md 1.4, 2.2): one word holds two weights of each of two rows. SMLAD of the word
 * sums 256 times the second row plus the first, SMLAD of its lower bytes the first alone: four products in three
 * instructions. The loops are assembly because they need every register. */
#include "sdfa_dot.h"
#include "sdfa_matvec.h"

#if SDFA_DSP

/* What the assembly needs beside weights and values; it moves the four pointers on. The offsets stand in F_... below. */
struct work {
    uint32_t block_n, rest_n;    /* blocks of four inputs, inputs behind them */
    const sdfa_i32 *bias, *mult; /* of the next rows */
    const int8_t *shift;
    uint32_t offset; /* 2 * zero_point + 1 */
    int8_t *out;
    uint32_t second; /* distance from out to the outputs of the second vector */
    int32_t *sum;    /* not NULL: the sums go here, nothing is finished */
};
#define F_REST   "#4"
#define F_BIAS   "#8"
#define F_MULT   "#12"
#define F_SHIFT  "#16"
#define F_OFFSET "#20"
#define F_OUT    "#24"
#define F_SECOND "#28"
#define F_SUM    "#32"

#define CLEAR_SUMS                                                                                                     \
    "mov r4, #0\n\t"                                                                                                   \
    "mov r5, #0\n\t"                                                                                                   \
    "mov r6, #0\n\t"                                                                                                   \
    "mov r7, #0\n\t"                                                                                                   \
    "mov r8, #0\n\t"                                                                                                   \
    "mov r9, #0\n\t"                                                                                                   \
    "mov r10, #0\n\t"                                                                                                  \
    "mov r11, #0\n\t"

/* Adds four biases: `l` of a pair's first row; `h` is 256 times the second. */
#define ADD_BIAS(h, l, b0, b1)                                                                                         \
    "add " l ", " l ", " b0 "\n\t"                                                                                     \
    "add " h ", " b1 ", " h ", asr #8\n\t"

/* sdfa_requantize_fast in two parts. r0: offset; r1: the inverse of four shifts. */
#define SCALE(acc, mult)                                                                                               \
    "qadd " acc ", " acc ", " acc "\n\t"                                                                               \
    "smmulr " acc ", " acc ", " mult "\n\t"                                                                            \
    "add " acc ", " acc ", " acc ", asr #31\n\t"
#define ROUND(acc, shift)                                                                                              \
    "asr " acc ", " acc ", " shift "\n\t"                                                                              \
    "add " acc ", " acc ", r0\n\t"                                                                                     \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define FINISH(acc, mult, turn) SCALE(acc, mult) "uxtb " mult ", r1, ror #" turn "\n\t" ROUND(acc, mult)
#define JOIN(a, b, c, d)                                                                                               \
    "bfi " a ", " b ", #8, #8\n\t"                                                                                     \
    "bfi " a ", " c ", #16, #8\n\t"                                                                                    \
    "bfi " a ", " d ", #24, #8\n\t"

/* r0: work. Four biases or multipliers to r2, r3, r12, lr. */
#define LOAD_FOUR(field)                                                                                               \
    "ldr r1, [r0, " field "]\n\t"                                                                                      \
    "ldm r1!, {r2, r3, r12, lr}\n\t"                                                                                   \
    "str r1, [r0, " field "]\n\t"
/* Multipliers as above, shifts to r1, offset to r0. */
#define LOAD_SCALES                                                                                                    \
    LOAD_FOUR(F_MULT)                                                                                                  \
    "ldr r1, [r0, " F_SHIFT "]\n\t"                                                                                    \
    "add r1, #4\n\t"                                                                                                   \
    "str r1, [r0, " F_SHIFT "]\n\t"                                                                                    \
    "ldr r1, [r1, #-4]\n\t"                                                                                            \
    "ldr r0, [r0, " F_OFFSET "]\n\t"                                                                                   \
    "mvn r1, r1\n\t"

/* One vector, a whole group. r1: weights; r2: values; r0, r3: weights of two pairs. `x`: two values. */
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
#define REST_PAIR(h, l)                                                                                                \
    "ldrsh r0, [r1], #2\n\t"                                                                                           \
    "mla " h ", r0, r12, " h "\n\t"                                                                                    \
    "sxtb r0, r0\n\t"                                                                                                  \
    "mla " l ", r0, r12, " l "\n\t"

/* Eight rows. x: int8[4 * block_n + rest_n]. sum: int32[4][2], of each pair 256 times the second row plus the first, and
 * the first alone. */
void sdfa_dsp_group(struct work *work, const int8_t *weights, const int8_t *x);
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dsp_group")
        "push {r0, r4-r11, lr}\n\t"
        "ldr r3, [r0]\n\t"
        "add r12, r2, r3, lsl #2\n\t"
        "push {r12}\n\t"
        CLEAR_SUMS
        "cmp r3, #0\n\t"
        "beq 3f\n\t"
        "tst r3, #1\n\t"
        "bne 2f\n"
        "1:\n\t"
        BLOCK_OF_ONE
        "2:\n\t"
        BLOCK_OF_ONE
        "ldr r0, [sp]\n\t"
        "cmp r2, r0\n\t"
        "bne 1b\n"
        "3:\n\t"
        "ldr r0, [sp, #4]\n\t"
        "ldr lr, [r0, " F_REST "]\n\t"
        "cmp lr, #0\n\t"
        "beq 5f\n"
        "4:\n\t"
        "ldrsb r12, [r2], #1\n\t"
        REST_PAIR("r4", "r5") REST_PAIR("r6", "r7") REST_PAIR("r8", "r9") REST_PAIR("r10", "r11")
        "subs lr, #1\n\t"
        "bne 4b\n\t"
        "ldr r0, [sp, #4]\n"
        "5:\n\t"
        "ldr r1, [r0, " F_SUM "]\n\t"
        "cmp r1, #0\n\t"
        "beq 6f\n\t"
        "stm r1, {r4-r11}\n\t"
        "b 7f\n"
        "6:\n\t"
        "sub r4, r4, r5\n\t"
        "sub r6, r6, r7\n\t"
        "sub r8, r8, r9\n\t"
        "sub r10, r10, r11\n\t"
        LOAD_FOUR(F_BIAS)
        ADD_BIAS("r4", "r5", "r2", "r3") ADD_BIAS("r6", "r7", "r12", "lr")
        LOAD_FOUR(F_BIAS)
        ADD_BIAS("r8", "r9", "r2", "r3") ADD_BIAS("r10", "r11", "r12", "lr")
        LOAD_SCALES
        FINISH("r5", "r2", "0") FINISH("r4", "r3", "8") FINISH("r7", "r12", "16") FINISH("r6", "lr", "24")
        JOIN("r5", "r4", "r7", "r6")
        "ldr r0, [sp, #4]\n\t"
        LOAD_SCALES
        FINISH("r9", "r2", "0") FINISH("r8", "r3", "8") FINISH("r11", "r12", "16") FINISH("r10", "lr", "24")
        JOIN("r9", "r8", "r11", "r10")
        "ldr r0, [sp, #4]\n\t"
        "ldr r1, [r0, " F_OUT "]\n\t"
        "str r5, [r1], #4\n\t"
        "str r9, [r1], #4\n\t"
        "str r1, [r0, " F_OUT "]\n"
        "7:\n\t"
        "add sp, #8\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

/* Two vectors, half a group. r12, lr: values of each. */
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
#define REST_OF_TWO                                                                                                    \
    "ldrsh r12, [r2], #2\n\t"                                                                                          \
    "ldrsh lr, [r2], #2\n\t"                                                                                           \
    "ldrsh r0, [r1]\n\t"                                                                                               \
    "ldrsh r3, [r1, #2]\n\t"                                                                                           \
    "add r1, #8\n\t"                                                                                                   \
    "mla r4, r0, r12, r4\n\t"                                                                                          \
    "mla r5, r0, lr, r5\n\t"                                                                                           \
    "sxtb r0, r0\n\t"                                                                                                  \
    "mla r6, r3, r12, r6\n\t"                                                                                          \
    "mla r7, r3, lr, r7\n\t"                                                                                           \
    "sxtb r3, r3\n\t"                                                                                                  \
    "mla r8, r0, r12, r8\n\t"                                                                                          \
    "mla r9, r0, lr, r9\n\t"                                                                                           \
    "mla r10, r3, r12, r10\n\t"                                                                                        \
    "mla r11, r3, lr, r11\n\t"
#define FINISH_TWO(a, b, mult, turn)                                                                                   \
    SCALE(a, mult) SCALE(b, mult) "uxtb " mult ", r1, ror #" turn "\n\t" ROUND(a, mult) ROUND(b, mult)

/* Four rows. weights: of their first pair in the first block; rest: behind the last block. wide: int16[][2], from widen.
 * sum: int32[8], of {256 times the second row plus the first, the first} each {pair 0: vector 0, 1; pair 1: vector 0,
 * 1}. */
void sdfa_dsp_two(struct work *work, const int8_t *weights, const int16_t *wide, const int8_t *rest);
/* clang-format off */
__asm__(SDFA_FUNCTION("sdfa_dsp_two")
        "push {r0, r3, r4-r11, lr}\n\t"
        "ldr r3, [r0]\n\t"
        "add r12, r2, r3, lsl #4\n\t"
        "push {r12}\n\t"
        CLEAR_SUMS
        "cmp r3, #0\n\t"
        "beq 3f\n\t"
        "tst r3, #1\n\t"
        "bne 2f\n"
        "1:\n\t"
        BLOCK_OF_TWO
        "2:\n\t"
        BLOCK_OF_TWO
        "ldr r0, [sp]\n\t"
        "cmp r2, r0\n\t"
        "bne 1b\n"
        "3:\n\t"
        "ldr r0, [sp, #4]\n\t"
        "ldr r3, [r0, " F_REST "]\n\t"
        "cmp r3, #0\n\t"
        "beq 5f\n\t"
        "ldr r1, [sp, #8]\n\t"
        "add r3, r2, r3, lsl #2\n\t"
        "str r3, [sp]\n"
        "4:\n\t"
        REST_OF_TWO
        "ldr r0, [sp]\n\t"
        "cmp r2, r0\n\t"
        "bne 4b\n\t"
        "ldr r0, [sp, #4]\n"
        "5:\n\t"
        "ldr r1, [r0, " F_SUM "]\n\t"
        "cmp r1, #0\n\t"
        "beq 6f\n\t"
        "stm r1, {r4-r11}\n\t"
        "b 7f\n"
        "6:\n\t"
        "sub r4, r4, r8\n\t"
        "sub r5, r5, r9\n\t"
        "sub r6, r6, r10\n\t"
        "sub r7, r7, r11\n\t"
        LOAD_FOUR(F_BIAS)
        ADD_BIAS("r4", "r8", "r2", "r3") ADD_BIAS( "r5", "r9", "r2", "r3")
        ADD_BIAS("r6", "r10", "r12", "lr") ADD_BIAS("r7", "r11", "r12", "lr")
        LOAD_SCALES
        FINISH_TWO("r8", "r9", "r2", "0") FINISH_TWO("r4", "r5", "r3", "8")
        FINISH_TWO("r10", "r11", "r12", "16") FINISH_TWO("r6", "r7", "lr", "24")
        JOIN("r8", "r4", "r10", "r6") JOIN("r9", "r5", "r11", "r7")
        "ldr r0, [sp, #4]\n\t"
        "ldr r1, [r0, " F_OUT "]\n\t"
        "ldr r2, [r0, " F_SECOND "]\n\t"
        "str r9, [r1, r2]\n\t"
        "str r8, [r1], #4\n\t" /* last: it stays where there is no second vector */
        "str r1, [r0, " F_OUT "]\n"
        "7:\n\t"
        "add sp, #12\n\t"
        "pop {r4-r11, pc}\n\t"
        ".popsection");
/* clang-format on */

/* sum: where sums go that the assembly does not finish. */
static struct work begin(const struct sdfa_matvec *m, int32_t *sum) {
    struct work w;
    w.block_n = m->in_n / 4;
    w.rest_n = m->in_n & 3u;
    w.offset = (uint32_t)(2 * m->zero_point + 1);
    w.sum = m->fast ? NULL : sum;
    return w;
}

/* Before the first row of a vector. */
static inline void restart(struct work *w, const struct sdfa_matvec *m, int8_t *out) {
    w->bias = m->bias;
    w->mult = m->mult;
    w->shift = m->shift;
    w->out = out;
}

/* Both rows of a pair, i and i + 1. */
static void finish_pair(int8_t *out, const struct sdfa_matvec *m, uint32_t i, int32_t both, int32_t first) {
    sdfa_finish(out, m, i, sdfa_wrap_add(first, m->bias[i]));
    sdfa_finish(out, m, i + 1, sdfa_wrap_add(sdfa_wrap_sub(both, first) >> 8, m->bias[i + 1]));
}

/* Eight rows where sdfa_dsp_group left sums. */
static void finish_group(int8_t *out, const struct sdfa_matvec *m, uint32_t i, const int32_t *sum) {
    for (uint32_t p = 0; p < 8; p += 2)
        finish_pair(out, m, i + p, sum[p], sum[p + 1]);
}

/* All groups, for one vector. */
static inline void groups(int8_t *out, struct work *work, const struct sdfa_matvec *m, const int8_t *x) {
    const int8_t *group = m->weights;
    uint32_t i = 0;
    restart(work, m, out);
    do {
        sdfa_dsp_group(work, group, x);
        if (work->sum)
            finish_group(out, m, i, work->sum);
        i += 8;
        group += 8 * m->in_n;
    } while (i < m->packed_n);
}

void sdfa_matvec_packed(int8_t *out, const struct sdfa_matvec *m, const int8_t *x) {
    int32_t sum[8];
    struct work work = begin(m, sum);
    groups(out, &work, m, x);
}

/* Two windows of a convolution, whose sums are made together. */
struct two {
    const struct sdfa_matvec *m;
    int16_t *wide; /* int16[in_n][2] */
    int8_t *first; /* where the outputs of the first window go; NULL: there is no window yet */
    struct work work;
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

/* Four rows where sdfa_dsp_two left sums. */
static void finish_two(const struct two *t, int8_t *second, uint32_t i) {
    const int32_t *sum = t->work.sum;
    for (uint32_t p = 0; p < 4; p += 2, i += 2) {
        finish_pair(second, t->m, i, sum[p + 1], sum[p + 5]);
        finish_pair(t->first, t->m, i, sum[p], sum[p + 4]);
    }
}

static void packed_rows(struct two *t, int8_t *second) {
    const struct sdfa_matvec *m = t->m;
    const int8_t *group = m->weights, *rest = group + 32 * t->work.block_n;
    restart(&t->work, m, t->first);
    t->work.second = (uint32_t)((uintptr_t)second - (uintptr_t)t->first);
    for (uint32_t i = 0; i < m->packed_n; i += 8, group += 8 * m->in_n, rest += 8 * m->in_n) {
        sdfa_dsp_two(&t->work, group, t->wide, rest);
        if (t->work.sum)
            finish_two(t, second, i);
        sdfa_dsp_two(&t->work, group + 8, t->wide, rest + 4);
        if (t->work.sum)
            finish_two(t, second, i + 4);
    }
    t->first = NULL;
}

/* So small a window is not worth the way over int16. */
#define SMALL 16u

static void add_small_window(void *context, const int8_t *window, int8_t *out) {
    struct two *t = context;
    if (t->m->packed_n)
        groups(out, &t->work, t->m, window);
    if (t->m->packed_n < t->m->out_n)
        sdfa_matvec_plain(out, t->m, window);
}

static void add_window(void *context, const int8_t *window, int8_t *out) {
    struct two *t = context;
    widen(t->wide, window, t->m->in_n, t->first != NULL);
    if (t->first)
        packed_rows(t, out);
    else
        t->first = out;
    if (t->m->packed_n < t->m->out_n)
        sdfa_matvec_plain(out, t->m, window);
}

void sdfa_conv_windows(const struct sdfa *s, const struct sdfa_conv_op *p, struct sdfa_matvec *m) {
    int32_t sum[8];
    struct two t;
    t.m = m;
    t.first = NULL;
    t.work = begin(m, sum);
    t.wide = (int16_t *)(void *)(s->arena + p->scratch + ((m->in_n + 3) & ~3u));
    sdfa_each_window(s, p, m->packed_n && m->in_n >= SMALL ? add_window : add_small_window, &t);
    if (t.first) /* the last of an odd number, with any other beside it */
        packed_rows(&t, t.first);
}

#endif
