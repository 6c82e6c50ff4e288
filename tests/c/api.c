/* The promises of sdfa.h, one case each: api CASE IMAGE... A broken one is named on stderr, exit code 1. */
#include "api_care.h"
#include "api_net.h"
#include "sdfa_format.h"

#include <string.h>

static const int16_t targets[64];

static int is_error(int value) {
    switch (value) {
#define SDFA_X(name, number, text) case number:
        SDFA_ERRORS(SDFA_X)
#undef SDFA_X
        return 1;
    default:
        return 0;
    }
}

/* Prints value and text of every error. */
static void texts(char **path) {
    (void)path;
#define SDFA_X(name, value, text) printf("%s %d %s\n", #name, SDFA_ERR_##name, sdfa_error_text(SDFA_ERR_##name));
    SDFA_ERRORS(SDFA_X)
#undef SDFA_X
    for (int value = -200; value < 200; value++)
        CHECK(is_error(value) == (strcmp(sdfa_error_text(value), "unknown error") != 0));
}

/* Prints what sdfa_open says to each image. A refused one is refused without memory for the tail, too. */
static void open_all(char **path) {
    for (; *path; path++) {
        struct net n = load(*path);
        int error = open_with(&n, &sdfa_all_kernels, 1);
        CHECK(open_with(&n, &sdfa_all_kernels, 0) == error);
        printf("%d\n", error);
        unload(&n);
    }
}

/* Each block moved by 1, 2 and 3 bytes. */
static void alignment(char **path) {
    struct net n = load(path[0]);
    uint8_t *big = block(n.image_len + 4);
    const struct sdfa_kernels *k = &sdfa_all_kernels;
    for (size_t off = 0; off < 4; off++) {
        int wanted = off ? SDFA_ERR_ALIGN : SDFA_ERR_OK;
        memcpy(big + off, n.image, n.image_len);
        CHECK(sdfa_open(&n.s, big + off, n.image_len, k, n.arena, n.arena_len, n.tail, n.tail_len) == wanted);
        CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena + off, n.arena_len, n.tail, n.tail_len) == wanted);
        CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena, n.arena_len, n.tail + off, n.tail_len) == wanted);
    }
    free(big);
    unload(&n);
}

/* Memory: as much as asked for, one byte less, more. More bytes behind the image are ignored. */
static void memory(char **path) {
    struct net n = load(path[0]);
    const struct sdfa_kernels *k = &sdfa_all_kernels;
    uint8_t *longer = block(n.image_len + 100);
    memset(longer, 0xff, n.image_len + 100);
    memcpy(longer, n.image, n.image_len);
    CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena, n.arena_len - 1, n.tail, n.tail_len) == SDFA_ERR_ARENA);
    CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena, 0, n.tail, n.tail_len) == SDFA_ERR_ARENA);
    CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena, n.arena_len, n.tail, n.tail_len - 1) == SDFA_ERR_TAIL);
    CHECK(sdfa_open(&n.s, n.image, n.image_len, k, n.arena, n.arena_len, n.tail, 0) == SDFA_ERR_TAIL);
    CHECK(sdfa_open(&n.s, n.image, n.image_len - 1, k, n.arena, n.arena_len, n.tail, n.tail_len) == SDFA_ERR_LENGTH);
    CHECK(sdfa_open(&n.s, longer, n.image_len + 100, k, n.arena, n.arena_len, n.tail, n.tail_len) == SDFA_ERR_OK);
    free(longer);
    unload(&n);
}

/* Every counter starts at 0, whatever the struct held. */
static void anew(char **path) {
    struct net n = load(path[0]);
    const struct sdfa_stats none = {0};
    memset(&n.s, 0xa5, sizeof n.s);
    CHECK(open_with(&n, &sdfa_all_kernels, 1) == SDFA_ERR_OK);
    CHECK(memcmp(&n.s.stats, &none, offsetof(struct sdfa_stats, saturated_logits) + 4) == 0);
    CHECK(n.s.ready == 0 && sdfa_class(&n.s) == SDFA_ERR_ORDER);
    memset(&n.s, 0xa5, sizeof n.s);
    CHECK(open_with(&n, &sdfa_all_kernels, 0) == SDFA_ERR_OK);
    CHECK(!n.s.tail_ram && sdfa_reset(&n.s) == SDFA_ERR_FROZEN);
    unload(&n);
}

/* What is not linked: KERNEL. Learning is not needed without memory for the tail. */
static void kernels(char **path) {
    struct net n = load(path[0]);
    struct sdfa_kernels k = sdfa_all_kernels;
    k.op_n = 0;
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_KERNEL);
    CHECK(open_with(&n, &k, 0) == SDFA_ERR_KERNEL);
    k = sdfa_all_kernels;
    k.loss[0] = k.loss[1] = NULL;
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_KERNEL);
    CHECK(open_with(&n, &k, 0) == SDFA_ERR_OK);
    CHECK(n.s.class_n == 0 && sdfa_class(&n.s) == SDFA_ERR_FROZEN);
    run(&n, 0);
    CHECK(sdfa_class(&n.s) == SDFA_ERR_FROZEN && sdfa_learn(&n.s, 0) == SDFA_ERR_FROZEN);
    k = sdfa_all_kernels;
    k.feedback[0] = k.feedback[1] = k.feedback[2] = NULL;
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_KERNEL);
    k = sdfa_all_kernels;
    k.update[0] = NULL;
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_KERNEL);
    CHECK(open_with(&n, &k, 0) == SDFA_ERR_OK && n.s.class_n > 0);
    unload(&n);
}

/* The small form of live feedback is for k = 1 and 2. Images: k = 2, k = 3. */
static void live_two(char **path) {
    struct sdfa_kernels k = sdfa_all_kernels;
    struct net n = load(path[0]);
    k.feedback[2] = &sdfa_feedback_live_two;
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_OK);
    unload(&n);
    n = load(path[1]);
    CHECK(open_with(&n, &k, 1) == SDFA_ERR_KERNEL);
    CHECK(open_with(&n, &sdfa_all_kernels, 1) == SDFA_ERR_OK);
    unload(&n);
}

static void check_frozen(struct net *n) {
    REFUSED(n, sdfa_learn(&n->s, 0), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_learn(&n->s, UINT32_MAX), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_learn_target(&n->s, targets), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_set_rate(&n->s, SDFA_RATE(0.01)), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_set_rate(&n->s, 0), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_set_threshold(&n->s, 0), SDFA_ERR_FROZEN);
    REFUSED(n, sdfa_reset(&n->s), SDFA_ERR_FROZEN);
}

/* Opened without memory for the tail: classifies, does not learn. */
static void frozen(char **path) {
    struct net n = opened_frozen(path[0]);
    check_frozen(&n);
    CHECK(n.s.class_n > 0);
    CHECK(sdfa_class(&n.s) == SDFA_ERR_ORDER);
    run(&n, 0);
    check_frozen(&n);
    CHECK(sdfa_class(&n.s) >= 0 && (uint32_t)sdfa_class(&n.s) < n.s.class_n);
    unload(&n);
}

/* An image in which nothing learns, whatever it is opened with. */
static void nothing_learns(char **path) {
    struct net n = opened(path[0]);
    CHECK(n.s.class_n == 0 && n.s.input_len > 0 && n.s.output_len > 0);
    check_frozen(&n);
    REFUSED(&n, sdfa_class(&n.s), SDFA_ERR_FROZEN);
    run(&n, 0);
    check_frozen(&n);
    REFUSED(&n, sdfa_class(&n.s), SDFA_ERR_FROZEN);
    unload(&n);
}

/* Both ways of opening give the same outputs and classes. */
static void same_outputs(char **path) {
    struct net a = opened(path[0]), b = opened_frozen(path[0]);
    for (uint32_t i = 0; i < 20; i++) {
        run(&a, i);
        run(&b, i);
        CHECK(a.s.output_len == b.s.output_len);
        CHECK(memcmp(sdfa_output(&a.s), sdfa_output(&b.s), a.s.output_len) == 0);
        CHECK(sdfa_class(&a.s) == sdfa_class(&b.s));
    }
    unload(&a);
    unload(&b);
}

/* A run comes before each step. */
static void order(char **path) {
    struct net n = opened(path[0]);
    REFUSED(&n, sdfa_learn(&n.s, 0), SDFA_ERR_ORDER);
    REFUSED(&n, sdfa_class(&n.s), SDFA_ERR_ORDER);
    run(&n, 0);
    CHECK(sdfa_learn(&n.s, 0) == SDFA_ERR_OK);
    REFUSED(&n, sdfa_learn(&n.s, 0), SDFA_ERR_ORDER);
    REFUSED(&n, sdfa_class(&n.s), SDFA_ERR_ORDER);
    run(&n, 1);
    CHECK(sdfa_reset(&n.s) == SDFA_ERR_OK);
    REFUSED(&n, sdfa_learn(&n.s, 0), SDFA_ERR_ORDER);
    run(&n, 1);
    CHECK(sdfa_learn(&n.s, 0) == SDFA_ERR_OK && n.s.stats.steps == 1);
    unload(&n);
}

/* A wrong label is refused, and the step can still be made. */
static void label(char **path) {
    struct net n = opened(path[0]);
    run(&n, 0);
    REFUSED(&n, sdfa_learn(&n.s, n.s.class_n), SDFA_ERR_LABEL);
    REFUSED(&n, sdfa_learn(&n.s, UINT32_MAX), SDFA_ERR_LABEL);
    CHECK(sdfa_learn(&n.s, n.s.class_n - 1) == SDFA_ERR_OK);
    unload(&n);
}

/* Cross-entropy image, then one for mean squared error: each refuses the other's call. */
static void loss(char **path) {
    struct net ce = opened(path[0]), mse = opened(path[1]);
    run(&ce, 0);
    REFUSED(&ce, sdfa_learn_target(&ce.s, targets), SDFA_ERR_LOSS);
    CHECK(sdfa_learn(&ce.s, 0) == SDFA_ERR_OK);
    CHECK(mse.s.class_n <= sizeof targets / sizeof targets[0]);
    REFUSED(&mse, sdfa_learn_target(&mse.s, targets), SDFA_ERR_ORDER);
    run(&mse, 0);
    REFUSED(&mse, sdfa_learn(&mse.s, 0), SDFA_ERR_LOSS);
    CHECK(sdfa_learn_target(&mse.s, targets) == SDFA_ERR_OK);
    CHECK(mse.s.stats.steps == 1 && mse.s.stats.loss > 0);
    unload(&ce);
    unload(&mse);
}

/* Refused at both ends, accepted in one piece between them. */
static void rate(char **path) {
    struct net n = opened(path[0]);
    unsigned turns = 0;
    int last = SDFA_ERR_RATE;
    REFUSED(&n, sdfa_set_rate(&n.s, 0), SDFA_ERR_RATE);
    REFUSED(&n, sdfa_set_rate(&n.s, 1), SDFA_ERR_RATE);
    REFUSED(&n, sdfa_set_rate(&n.s, UINT32_MAX), SDFA_ERR_RATE);
    for (unsigned bit = 0; bit < 32; bit++) {
        int error = sdfa_set_rate(&n.s, (uint32_t)1 << bit);
        CHECK(error == SDFA_ERR_RATE || (error == SDFA_ERR_OK && n.s.rate_q24 == (uint32_t)1 << bit));
        turns += error != last;
        last = error;
    }
    CHECK(turns == 2);
    CHECK(sdfa_set_rate(&n.s, SDFA_RATE(0.01)) == SDFA_ERR_OK && n.s.rate_q24 == 167772);
    unload(&n);
}

/* 0 to 32767; at the upper end no error is large enough. */
static void threshold(char **path) {
    struct net n = opened(path[0]);
    REFUSED(&n, sdfa_set_threshold(&n.s, 32768), SDFA_ERR_THRESHOLD);
    REFUSED(&n, sdfa_set_threshold(&n.s, UINT32_MAX), SDFA_ERR_THRESHOLD);
    CHECK(sdfa_set_threshold(&n.s, 0) == SDFA_ERR_OK && n.s.tau_q15 == 0);
    CHECK(sdfa_set_threshold(&n.s, SDFA_THRESHOLD(0.25)) == SDFA_ERR_OK && n.s.tau_q15 == 8192);
    CHECK(sdfa_set_threshold(&n.s, 32767) == SDFA_ERR_OK && n.s.tau_q15 == 32767);
    teach(&n, 20);
    CHECK(n.s.stats.steps == 20 && n.s.stats.weights_nonzero == 0);
    CHECK(sdfa_set_threshold(&n.s, 0) == SDFA_ERR_OK);
    teach(&n, 20);
    CHECK(n.s.stats.steps == 40 && n.s.stats.moved > 0);
    unload(&n);
}

/* Learning changes the weights in RAM and only these; reset brings the factory's back and nothing else. */
static void reset(char **path) {
    struct net n = opened(path[0]);
    uint8_t *image = copy(n.image, n.image_len), *fresh = copy(n.tail, n.tail_len);
    struct shot before;
    uint32_t random = n.s.random;
    teach(&n, 200);
    CHECK(memcmp(fresh, n.tail, n.tail_len) != 0);
    CHECK(n.s.random != random && n.s.stats.steps == 200);
    run(&n, 0);
    before = shoot(&n);
    CHECK(sdfa_reset(&n.s) == SDFA_ERR_OK);
    CHECK(memcmp(fresh, n.tail, n.tail_len) == 0);
    CHECK(n.s.changed == (uint16_t)(before.s.changed + 1) && n.s.stats.steps == 0);
    n.s.stats.steps = before.s.stats.steps;
    n.s.changed = before.s.changed;
    n.s.ready = before.s.ready;
    memcpy(n.tail, before.tail, n.tail_len);
    memcpy(n.arena, before.arena, n.arena_len); /* holds what was known about the weights */
    CHECK(unchanged(&n, before));
    CHECK(memcmp(image, n.image, n.image_len) == 0);
    free(image);
    free(fresh);
    unload(&n);
}

/* A factory image and the same with learned values: starts with these, and reset leads to the factory's. */
static void learned(char **path) {
    struct net factory = opened(path[0]), n = opened(path[1]), frozen_n = opened_frozen(path[1]);
    CHECK(n.tail_len == factory.tail_len && memcmp(n.tail, factory.tail, n.tail_len) != 0);
    CHECK(n.s.rate_q24 == 100000 && n.s.tau_q15 == 300 && n.s.random == 0 && n.s.stats.steps == 0);
    CHECK(factory.s.rate_q24 != n.s.rate_q24 && factory.s.tau_q15 != n.s.tau_q15);
    run(&factory, 3);
    run(&n, 3);
    run(&frozen_n, 3);
    CHECK(memcmp(sdfa_output(&n.s), sdfa_output(&frozen_n.s), n.s.output_len) == 0);
    CHECK(memcmp(sdfa_output(&n.s), sdfa_output(&factory.s), n.s.output_len) != 0);
    CHECK(sdfa_reset(&n.s) == SDFA_ERR_OK && memcmp(n.tail, factory.tail, n.tail_len) == 0);
    run(&n, 3);
    CHECK(memcmp(sdfa_output(&n.s), sdfa_output(&factory.s), n.s.output_len) == 0);
    CHECK(n.s.rate_q24 == 100000 && n.s.tau_q15 == 300);
    unload(&factory);
    unload(&n);
    unload(&frozen_n);
}

/* Two nets by turns come to what each comes to alone. */
static void two_nets(char **path) {
    struct net a = opened(path[0]), b = opened(path[1]), alone_a = opened(path[0]), alone_b = opened(path[1]);
    for (uint32_t i = 0; i < 50; i++) {
        run(&a, i);
        run(&b, i + 1);
        CHECK(sdfa_learn(&a.s, i % a.s.class_n) == SDFA_ERR_OK);
        CHECK(sdfa_learn(&b.s, i % b.s.class_n) == SDFA_ERR_OK);
    }
    teach(&alone_a, 50);
    for (uint32_t i = 0; i < 50; i++) {
        run(&alone_b, i + 1);
        CHECK(sdfa_learn(&alone_b.s, i % b.s.class_n) == SDFA_ERR_OK);
    }
    CHECK(memcmp(a.tail, alone_a.tail, a.tail_len) == 0 && memcmp(b.tail, alone_b.tail, b.tail_len) == 0);
    CHECK(memcmp(&a.s.stats, &alone_a.s.stats, sizeof a.s.stats) == 0);
    CHECK(memcmp(&b.s.stats, &alone_b.s.stats, sizeof b.s.stats) == 0);
    CHECK(a.s.random == alone_a.s.random && b.s.random == alone_b.s.random);
    unload(&a);
    unload(&b);
    unload(&alone_a);
    unload(&alone_b);
}

/* The same seed learns the same, another seed something else. */
static void seed(char **path) {
    struct net a = opened(path[0]), b = opened(path[0]), c = opened(path[0]);
    a.s.random = b.s.random = 5;
    c.s.random = 6;
    teach(&a, 200);
    teach(&b, 200);
    teach(&c, 200);
    CHECK(memcmp(a.tail, b.tail, a.tail_len) == 0);
    CHECK(memcmp(a.tail, c.tail, a.tail_len) != 0);
    unload(&a);
    unload(&b);
    unload(&c);
}

/* Prints the first output for an input of -128 everywhere. */
static void lowest(char **path) {
    struct net n = opened(path[0]);
    memset(sdfa_input(&n.s), -128, n.s.input_len);
    sdfa_run(&n.s);
    printf("%d\n", *sdfa_output(&n.s));
    unload(&n);
}

static const struct {
    const char *name;
    void (*run)(char **path);
} cases[] = {
    {"texts", texts},
    {"open", open_all},
    {"alignment", alignment},
    {"memory", memory},
    {"anew", anew},
    {"kernels", kernels},
    {"live_two", live_two},
    {"frozen", frozen},
    {"nothing_learns", nothing_learns},
    {"same_outputs", same_outputs},
    {"order", order},
    {"label", label},
    {"loss", loss},
    {"rate", rate},
    {"threshold", threshold},
    {"reset", reset},
    {"learned", learned},
    {"two_nets", two_nets},
    {"seed", seed},
    {"lowest", lowest},
    {"tail_alone", tail_alone},
    {"care_frozen", care_frozen},
    {"ring", ring_of},
    {"gate", gate_of},
    {"guard", guard_of},
    {"weights", weights_of},
    {"classes", classes_of},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run(argv + 2);
            return 0;
        }
    fprintf(stderr, "usage: api CASE IMAGE...\n");
    return 2;
}
