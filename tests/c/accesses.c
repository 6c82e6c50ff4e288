/* Counts what the runtime reads and writes to bring the error to hidden layers, one line per hidden layer from above:
 *
 *   accesses IMAGE: weights, scales, indices, coefficients, errors above, outputs, list, deltas written
 *
 * The runtime is compiled with the calls that a thread sanitizer would get at each access of memory; this file takes
 * the sanitizer's place. Every input is 0 to 127 in turn, and the label is 0. */
#include "api_net.h"

#include "sdfa_internal.h"

#define HOOK __attribute__((no_sanitize("thread")))

enum { WEIGHTS, SCALES, INDICES, COEFFICIENTS, ABOVE, OUTPUTS, LIST, DELTAS, PLACES };

static struct place {
    uintptr_t start, end;
    unsigned long n;
} places[PLACES];
static int counting;

HOOK static void seen(uintptr_t at, int wrote) {
    for (int i = 0; counting && i < PLACES; i++)
        if (at >= places[i].start && at < places[i].end && wrote == (i == DELTAS))
            places[i].n++;
}

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
HOOK void __tsan_init(void) {
}
HOOK void __tsan_func_entry(void *caller) {
    (void)caller;
}
HOOK void __tsan_func_exit(void) {
}
#define ACCESS(name, wrote)                                                                                            \
    void __tsan_##name(void *at);                                                                                      \
    HOOK void __tsan_##name(void *at) {                                                                                \
        seen((uintptr_t)at, wrote);                                                                                    \
    }
ACCESS(read1, 0)
ACCESS(read2, 0)
ACCESS(read4, 0)
ACCESS(read8, 0)
ACCESS(read16, 0)
ACCESS(write1, 1)
ACCESS(write2, 1)
ACCESS(write4, 1)
ACCESS(write8, 1)
ACCESS(write16, 1)
ACCESS(unaligned_read2, 0)
ACCESS(unaligned_read4, 0)
ACCESS(unaligned_read8, 0)
ACCESS(unaligned_write2, 1)
ACCESS(unaligned_write4, 1)
ACCESS(unaligned_write8, 1)

HOOK static void put(int i, const void *start, size_t len) {
    places[i].start = (uintptr_t)start;
    places[i].end = places[i].start + len;
    places[i].n = 0;
}

HOOK static void counted(const struct sdfa *s, uint32_t l, sdfa_i16 *d, const sdfa_i16 *above) {
    const struct sdfa_layer *layer = sdfa_layer_at(s, l);
    const struct sdfa_dense_op *op = sdfa_layer_op(s, l), *next = sdfa_layer_op(s, l + 1);
    uint32_t n = op->out_n * layer->k, kind = sdfa_learning_of(s)->feedback;
    int table = sdfa_rule_of(s, l) == s->kernels->feedback[0];
    const void *e = table ? (const void *)(s->arena + sdfa_learning_of(s)->error) : (const void *)above;
    const struct sdfa_feedback *real = &sdfa_feedback_live;
    if (table)
        real = &sdfa_feedback_table;
    else if (kind == SDFA_FEEDBACK_BP)
        real = &sdfa_feedback_bp;
    put(WEIGHTS, s->tail_ram + next->weights, next->in_n * next->out_n);
    put(SCALES, s->data + sdfa_layer_at(s, l + 1)->sigma, table ? 0 : 2u * next->out_n);
    put(INDICES, s->data + layer->index, table ? n : 0);
    put(COEFFICIENTS, s->data + layer->coef, table ? n : 0);
    put(ABOVE, e, 2u * (table ? s->class_n : next->out_n));
    put(OUTPUTS, sdfa_values(s, op->op.out), op->out_n);
    put(LIST, sdfa_kept(s), kind == SDFA_FEEDBACK_LIVE && !table ? 4u * s->class_n : 0);
    put(DELTAS, d, 2u * op->out_n);
    counting = 1;
    real->deltas(s, l, d, above);
    counting = 0;
    for (int i = 0; i < PLACES; i++)
        printf("%lu%c", places[i].n, i + 1 < PLACES ? ' ' : '\n');
}

HOOK int main(int argc, char **argv) {
    struct sdfa_feedback mine[3];
    struct sdfa_kernels kernels = sdfa_all_kernels;
    struct net n;
    CHECK(argc == 2);
    for (int i = 0; i < 3; i++) {
        mine[i].check = sdfa_all_kernels.feedback[i]->check;
        mine[i].deltas = counted;
        kernels.feedback[i] = &mine[i];
    }
    n = load(argv[1]);
    CHECK(open_with(&n, &kernels, 1) == SDFA_ERR_OK);
    for (uint32_t i = 0; i < n.s.input_len; i++)
        sdfa_input(&n.s)[i] = (int8_t)(i & 127u);
    sdfa_run(&n.s);
    CHECK(sdfa_learn(&n.s, 0) == SDFA_ERR_OK);
    printf("%llu\n", (unsigned long long)n.s.stats.weights_nonzero);
    unload(&n);
    return 0;
}
