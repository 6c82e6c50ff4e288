/* The digits on a board: what they say and what they learn is what the integer model in Python says (known.h). */
#include "checks.h"
#include "digits.h"
#include "known.h"
#include "sdfa.h"

static struct sdfa net;
static uint32_t arena[DIGITS_ARENA_LEN / 4], tail[DIGITS_TAIL_LEN / 4];

static int open_net(void) {
    return sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena, tail, sizeof tail);
}

/* FNV-1a. */
static uint32_t digest(uint32_t hash, const void *data, uint32_t len) {
    const uint8_t *byte = data;

    while (len--)
        hash = (hash ^ *byte++) * 16777619u;
    return hash;
}

static uint32_t draw(uint32_t *random) {
    *random = *random * 1664525u + 1013904223u;
    return *random >> 24;
}

static void fill_input(uint32_t *random) {
    int8_t *input = sdfa_input(&net);

    for (uint32_t i = 0; i < net.input_len; i++)
        input[i] = (int8_t)((int32_t)draw(random) - 128);
}

static void test_open(void) {
    CHECK(open_net() == SDFA_ERR_OK);
    CHECK(net.input_len == DIGITS_INPUT_LEN);
    CHECK(net.output_len == DIGITS_OUTPUT_LEN);
    CHECK(net.class_n == 10);
}

static void test_refuse_too_little_memory(void) {
    CHECK(sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena - 4, tail,
                    sizeof tail) == SDFA_ERR_ARENA);
    CHECK(sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena, tail,
                    sizeof tail - 4) == SDFA_ERR_TAIL);
    CHECK(sdfa_open(&net, digits_image, sizeof digits_image - 4, &digits_kernels, arena, sizeof arena, tail,
                    sizeof tail) == SDFA_ERR_LENGTH);
}

static void test_outputs_are_known(void) {
    uint32_t random = KNOWN_SEED, hash = 2166136261u;

    CHECK(open_net() == SDFA_ERR_OK);
    for (int i = 0; i < KNOWN_RUNS; i++) {
        fill_input(&random);
        sdfa_run(&net);
        hash = digest(hash, sdfa_output(&net), net.output_len);
    }
    CHECK(hash == KNOWN_OUTPUTS);
}

static void test_learning_is_known(void) {
    uint32_t random = KNOWN_SEED;

    CHECK(open_net() == SDFA_ERR_OK);
    for (int i = 0; i < KNOWN_STEPS; i++) {
        fill_input(&random);
        sdfa_run(&net);
        CHECK(sdfa_learn(&net, draw(&random) % 10) == SDFA_ERR_OK);
    }
    CHECK(net.stats.steps == KNOWN_STEPS);
    CHECK(net.random == KNOWN_RANDOM);
    CHECK(digest(2166136261u, tail, sizeof tail) == KNOWN_TAIL);
}

static void test_it_learns_one_picture(void) {
    uint32_t random = KNOWN_SEED;

    CHECK(open_net() == SDFA_ERR_OK);
    for (int i = 0; i < 30; i++) {
        random = KNOWN_SEED;
        fill_input(&random);
        sdfa_run(&net);
        CHECK(sdfa_learn(&net, 7) == SDFA_ERR_OK);
    }
    random = KNOWN_SEED;
    fill_input(&random);
    sdfa_run(&net);
    CHECK(sdfa_class(&net) == 7);
}

static void test_reset_gives_the_factory_weights(void) {
    uint32_t factory;

    CHECK(open_net() == SDFA_ERR_OK);
    factory = digest(2166136261u, tail, sizeof tail);
    sdfa_run(&net);
    CHECK(sdfa_learn(&net, 3) == SDFA_ERR_OK);
    CHECK(digest(2166136261u, tail, sizeof tail) != factory);
    CHECK(sdfa_reset(&net) == SDFA_ERR_OK);
    CHECK(digest(2166136261u, tail, sizeof tail) == factory);
}

static void test_errors_change_nothing(void) {
    CHECK(open_net() == SDFA_ERR_OK);
    CHECK(sdfa_learn(&net, 1) == SDFA_ERR_ORDER);
    sdfa_run(&net);
    CHECK(sdfa_learn(&net, 10) == SDFA_ERR_LABEL);
    CHECK(sdfa_set_rate(&net, 0) == SDFA_ERR_RATE);
    CHECK(sdfa_set_threshold(&net, 32768) == SDFA_ERR_THRESHOLD);
    CHECK(net.stats.steps == 0);
    CHECK(sdfa_learn(&net, 1) == SDFA_ERR_OK);
}

int main(void) {
    checks_begin();
    RUN(test_open);
    RUN(test_refuse_too_little_memory);
    RUN(test_outputs_are_known);
    RUN(test_learning_is_known);
    RUN(test_it_learns_one_picture);
    RUN(test_reset_gives_the_factory_weights);
    RUN(test_errors_change_nothing);
    return checks_end();
}
