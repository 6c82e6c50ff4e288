/* The promises of the headers around learning. */
#include "api_care.h"

#include <string.h>

#include "api_net.h"
#include "sdfa_care.h"

enum { MEMORY_LEN = 4096 };

/* Running the tail on what it read before gives the same output, class and step. */
void tail_alone(char **path) {
    struct net a = opened(path[0]), b = opened(path[0]);
    struct sdfa_score score = {0, 0, 0};
    uint8_t *input;
    REFUSED(&a, sdfa_score_label(&a.s, 0, &score), SDFA_ERR_ORDER);
    run(&a, 3);
    input = copy((const uint8_t *)sdfa_tail_input(&a.s), sdfa_tail_input_len(&a.s));
    memcpy(sdfa_tail_input(&b.s), input, sdfa_tail_input_len(&b.s));
    CHECK(sdfa_run_tail(&b.s) == SDFA_ERR_OK);
    CHECK(sdfa_class(&a.s) == sdfa_class(&b.s));
    CHECK(memcmp(sdfa_output(&a.s), sdfa_output(&b.s), a.s.output_len) == 0);
    CHECK(sdfa_learn(&a.s, 1) == SDFA_ERR_OK && sdfa_learn(&b.s, 1) == SDFA_ERR_OK);
    CHECK(memcmp(a.tail, b.tail, a.tail_len) == 0 && a.s.stats.loss == b.s.stats.loss);
    CHECK(memcmp(sdfa_tail_input(&a.s), input, sdfa_tail_input_len(&a.s)) == 0);
    run(&a, 4);
    REFUSED(&a, sdfa_score_label(&a.s, a.s.class_n, &score), SDFA_ERR_LABEL);
    CHECK(score.n == 0 && sdfa_score_label(&a.s, 0, &score) == SDFA_ERR_OK && score.n == 1);
    CHECK(a.s.stats.steps == 1 && memcmp(a.tail, b.tail, a.tail_len) == 0);
    REFUSED(&a, sdfa_learn(&a.s, 0), SDFA_ERR_ORDER);
    free(input);
    unload(&a);
    unload(&b);
}

/* Nothing learns, or there is no memory for the tail: FROZEN from all that would change weights. */
void care_frozen(char **path) {
    struct net n = opened_frozen(path[0]);
    static const struct sdfa_guard_config config = SDFA_GUARD_REPORTING;
    uint8_t *memory = block(MEMORY_LEN);
    struct sdfa_guard guard;
    struct sdfa_gate gate;
    struct sdfa_replay ring;
    run(&n, 0);
    REFUSED(&n, sdfa_freeze(&n.s, 1), SDFA_ERR_FROZEN);
    REFUSED(&n, sdfa_decay(&n.s, 1), SDFA_ERR_FROZEN);
    REFUSED(&n, sdfa_add_class(&n.s), SDFA_ERR_FROZEN);
    REFUSED(&n, sdfa_learn_weighted(&n.s, 0, 1), SDFA_ERR_FROZEN);
    REFUSED(&n, sdfa_guard_init(&guard, &n.s, &config, NULL, 0), SDFA_ERR_FROZEN);
    REFUSED(&n, sdfa_gate_init(&gate, &n.s, memory, MEMORY_LEN, NULL, 0), SDFA_ERR_FROZEN);
    if (n.s.class_n == 0) {
        struct sdfa_score score = {0, 0, 0};
        struct sdfa_balance balance;
        CHECK(sdfa_tail_input_len(&n.s) == 0 && sdfa_tail_input(&n.s) == NULL);
        REFUSED(&n, sdfa_run_tail(&n.s), SDFA_ERR_FROZEN);
        REFUSED(&n, sdfa_score_label(&n.s, 0, &score), SDFA_ERR_FROZEN);
        REFUSED(&n, sdfa_replay_init(&ring, &n.s, SDFA_REPLAY_BALANCED, memory, MEMORY_LEN, 1), SDFA_ERR_FROZEN);
        REFUSED(&n, sdfa_balance_init(&balance, &n.s, memory, MEMORY_LEN), SDFA_ERR_FROZEN);
    } else if (!sdfa_replay_init(&ring, &n.s, SDFA_REPLAY_RESERVOIR, memory, MEMORY_LEN, 1)) {
        CHECK(sdfa_replay_put(&ring, &n.s, 0) == 1);
        REFUSED(&n, sdfa_replay_learn(&ring, &n.s), SDFA_ERR_FROZEN);
    }
    free(memory);
    unload(&n);
}

/* Memory of exactly n samples holds n; its ring refuses what learn refuses. */
void ring_of(char **path) {
    struct net n = opened(path[0]);
    for (uint32_t policy = 0; policy < 2; policy++) {
        uint32_t len = SDFA_REPLAY_LEN(sdfa_tail_input_len(&n.s), 5u, policy ? n.s.class_n : 0u);
        enum sdfa_replay_policy p = policy ? SDFA_REPLAY_BALANCED : SDFA_REPLAY_RESERVOIR;
        uint8_t *memory = block(len);
        struct sdfa_replay r;
        CHECK(sdfa_replay_init(&r, &n.s, p, memory + 1, len - 1, 1) == SDFA_ERR_ALIGN);
        CHECK(sdfa_replay_init(&r, &n.s, p, memory, sdfa_tail_input_len(&n.s) + 1, 1) == SDFA_ERR_ROOM);
        CHECK(sdfa_replay_init(&r, &n.s, p, memory, 0, 1) == SDFA_ERR_ROOM);
        CHECK(sdfa_replay_init(&r, &n.s, p, memory, len, 1) == SDFA_ERR_OK && r.samples.n_max == 5);
        REFUSED(&n, sdfa_replay_learn(&r, &n.s), SDFA_ERR_ORDER);
        for (uint32_t i = 0; i < 40; i++) {
            run(&n, i);
            CHECK(sdfa_replay_put(&r, &n.s, n.s.class_n) == SDFA_ERR_LABEL);
            CHECK((uint32_t)sdfa_replay_put(&r, &n.s, i % n.s.class_n) <= 1);
            CHECK(sdfa_learn(&n.s, i % n.s.class_n) == SDFA_ERR_OK);
            CHECK(sdfa_replay_put(&r, &n.s, 0) == SDFA_ERR_ORDER);
            CHECK(sdfa_replay_learn(&r, &n.s) == SDFA_ERR_OK);
        }
        CHECK(r.seen == 40 && r.samples.n == 5);
        free(memory);
    }
    unload(&n);
}

/* Accepts what it marked, refuses ruined weights and brings the good ones back. */
void gate_of(char **path) {
    struct net n = opened(path[0]);
    uint32_t len = SDFA_SAMPLES_LEN(sdfa_tail_input_len(&n.s), 4u);
    uint8_t *memory = block(len), *kept = block(n.tail_len), *before;
    struct sdfa_gate g;
    CHECK(sdfa_gate_init(&g, &n.s, memory, len, kept, n.tail_len - 1) == SDFA_ERR_TAIL);
    CHECK(sdfa_gate_init(&g, &n.s, memory, 3, kept, n.tail_len) == SDFA_ERR_ROOM);
    CHECK(sdfa_gate_init(&g, &n.s, memory, len, kept, n.tail_len) == SDFA_ERR_OK);
    CHECK(sdfa_gate_mark(&g, &n.s) == SDFA_ERR_ORDER && sdfa_gate_judge(&g, &n.s) == SDFA_ERR_ORDER);
    CHECK(sdfa_gate_put(&g, &n.s, 0) == SDFA_ERR_ORDER);
    for (uint32_t i = 0; i < 4; i++) {
        run(&n, i);
        CHECK(sdfa_gate_put(&g, &n.s, (uint32_t)sdfa_class(&n.s)) == SDFA_ERR_OK);
    }
    CHECK(sdfa_gate_put(&g, &n.s, 0) == SDFA_ERR_ROOM);
    CHECK(sdfa_gate_judge(&g, &n.s) == SDFA_ERR_ORDER);
    CHECK(sdfa_gate_mark(&g, &n.s) == SDFA_ERR_OK && g.marked.n == 4 && g.marked.correct == 4);
    CHECK(sdfa_gate_judge(&g, &n.s) == SDFA_GATE_AS_GOOD);
    before = copy(n.tail, n.tail_len);
    n.s.tau_q15 = 0;
    for (uint32_t i = 0; i < 300; i++) { /* every sample is of the class that it looks least like */
        run(&n, i % 4);
        CHECK(sdfa_learn(&n.s, ((uint32_t)sdfa_class(&n.s) + 1) % n.s.class_n) == SDFA_ERR_OK);
    }
    CHECK(memcmp(before, n.tail, n.tail_len) != 0);
    CHECK(sdfa_gate_judge(&g, &n.s) >= SDFA_GATE_MORE_WRONG);
    CHECK(memcmp(before, n.tail, n.tail_len) == 0 && g.marked.correct == 4 && n.s.stats.steps == 300);
    free(before);
    free(kept);
    free(memory);
    unload(&n);
}

void guard_of(char **path) {
    struct net n = opened(path[0]);
    struct sdfa_guard_config config = SDFA_GUARD_REPORTING;
    uint8_t *kept = block(n.tail_len);
    struct sdfa_guard g;
    CHECK(sdfa_guard_init(&g, &n.s, &config, kept, n.tail_len - 1) == SDFA_ERR_TAIL);
    for (uint32_t i = 0; i < 5; i++) {
        struct sdfa_guard_config wrong = config;
        wrong.window = i == 0 ? 0 : i == 1 ? 1025 : 64;
        wrong.saturated_shift = i == 2 ? 32 : 6;
        wrong.coarse_shift = i == 3 ? 32 : 4;
        wrong.idle_shift = i == 4 ? 32 : 14;
        CHECK(sdfa_guard_init(&g, &n.s, &wrong, NULL, 0) == SDFA_ERR_RATE);
    }
    config.window = 1;
    config.coarse_shift = 31; /* any change is too coarse */
    config.halve = 1;
    CHECK(sdfa_guard_init(&g, &n.s, &config, NULL, 0) == SDFA_ERR_OK);
    for (uint32_t i = 0; i < 200; i++) { /* halves until sdfa_set_rate refuses, and goes on */
        teach(&n, 1);
        (void)sdfa_guard_step(&g, &n.s);
        CHECK(sdfa_guard_step(&g, &n.s) == 0);
    }
    CHECK(g.windows == 200 && g.halvings > 3 && g.halvings < 40 && n.s.rate_q24 > 0);
    /* a reset in a window: it begins anew */
    config.window = 3;
    CHECK(sdfa_guard_init(&g, &n.s, &config, NULL, 0) == SDFA_ERR_OK);
    teach(&n, 2);
    CHECK(sdfa_reset(&n.s) == SDFA_ERR_OK && n.s.stats.steps == 0);
    CHECK(sdfa_guard_step(&g, &n.s) == 0 && g.windows == 0);
    teach(&n, 2);
    CHECK(sdfa_guard_step(&g, &n.s) == 0 && g.windows == 0);
    teach(&n, 1);
    (void)sdfa_guard_step(&g, &n.s);
    CHECK(g.windows == 1);
    free(kept);
    unload(&n);
}

/* sdfa_learn_weighted, sdfa_balance and sdfa_decay. */
void weights_of(char **path) {
    struct net a = opened(path[0]), b = opened(path[0]);
    uint8_t *counts = block(2 * a.s.class_n);
    struct sdfa_balance t;
    run(&a, 0);
    run(&b, 0);
    REFUSED(&a, sdfa_learn_weighted(&a.s, 0, 0), SDFA_ERR_RATE);
    REFUSED(&a, sdfa_learn_weighted(&a.s, 0, 1u << 20), SDFA_ERR_RATE);
    REFUSED(&a, sdfa_learn_weighted(&a.s, a.s.class_n, 1), SDFA_ERR_LABEL);
    CHECK(sdfa_learn_weighted(&a.s, 0, SDFA_WEIGHT_ONE) == SDFA_ERR_OK && sdfa_learn(&b.s, 0) == SDFA_ERR_OK);
    CHECK(memcmp(a.tail, b.tail, a.tail_len) == 0 && a.s.rate_q24 == b.s.rate_q24);
    run(&a, 1);
    CHECK(sdfa_learn_weighted(&a.s, 0, 1) == SDFA_ERR_OK); /* a rate that sdfa_set_rate would call too small */
    CHECK(a.s.rate_q24 == b.s.rate_q24);
    memcpy(b.tail, a.tail, a.tail_len);
    CHECK(sdfa_balance_init(&t, &a.s, counts + 1, 2 * a.s.class_n) == SDFA_ERR_ALIGN);
    CHECK(sdfa_balance_init(&t, &a.s, counts, 2 * a.s.class_n - 1) == SDFA_ERR_ROOM);
    CHECK(sdfa_balance_init(&t, &a.s, counts, 2 * a.s.class_n) == SDFA_ERR_OK);
    CHECK(sdfa_balance_count(&t, UINT32_MAX) == SDFA_WEIGHT_ONE && sdfa_balance_count(&t, 0) == SDFA_WEIGHT_ONE);
    for (uint32_t i = 0; i < 200000; i++) /* the counts fade, they do not overflow */
        CHECK(sdfa_balance_count(&t, i % 100 ? 0 : 1) <= SDFA_WEIGHT_MAX);
    CHECK(sdfa_balance_count(&t, 1) == SDFA_WEIGHT_MAX && sdfa_balance_count(&t, 0) < SDFA_WEIGHT_ONE);
    run(&a, 2);
    REFUSED(&a, sdfa_decay(&a.s, 65536), SDFA_ERR_RATE);
    CHECK(sdfa_decay(&a.s, 0) == SDFA_ERR_OK && memcmp(a.tail, b.tail, a.tail_len) == 0);
    REFUSED(&a, sdfa_learn(&a.s, 0), SDFA_ERR_ORDER);
    free(counts);
    unload(&a);
    unload(&b);
}

/* An image with one spare class: closed, opened, none left, closed again by reset. */
void classes_of(char **path) {
    struct net n = opened(path[0]);
    uint32_t spare = n.s.class_n - 1;
    run(&n, 0);
    REFUSED(&n, sdfa_learn(&n.s, spare), SDFA_ERR_LABEL);
    CHECK(sdfa_class(&n.s) != (int32_t)spare);
    CHECK(sdfa_add_class(&n.s) == (int32_t)spare);
    REFUSED(&n, sdfa_learn(&n.s, spare), SDFA_ERR_ORDER);
    REFUSED(&n, sdfa_add_class(&n.s), SDFA_ERR_SPARE);
    for (uint32_t i = 0; i < 200; i++) {
        run(&n, 0);
        CHECK(sdfa_learn(&n.s, spare) == SDFA_ERR_OK);
    }
    run(&n, 0);
    CHECK(sdfa_class(&n.s) == (int32_t)spare);
    CHECK(sdfa_reset(&n.s) == SDFA_ERR_OK);
    run(&n, 0);
    REFUSED(&n, sdfa_learn(&n.s, spare), SDFA_ERR_LABEL);
    unload(&n);
}
