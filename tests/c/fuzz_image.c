/* libFuzzer over images. With FUZZ_RAW the bytes are as the fuzzer made them; else CRC-32 and lengths are repaired, so
 * that what lies behind them is reached. The last line of the output counts what happened. */
#include "exercise.h"
#include "sdfa_fixed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_counts(void) {
    const struct exercise_counts *n = &exercise_counts;
    fprintf(stderr, "images %lu accepted %lu learnable %lu steps %lu skipped %lu\n", n->images, n->accepted,
            n->learnable, n->steps, n->skipped);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    return atexit(print_counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    exercise(data, size, (uint32_t)size);
    return 0;
}

#ifndef FUZZ_RAW
#define HEADER_LEN 64u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* A value that may hurt in the place of `old`: an edge, a neighbour, or a value from elsewhere in the image. */
static uint32_t awkward(const uint8_t *data, size_t size, uint32_t old, uint32_t *random) {
    uint32_t pick = sdfa_random(random), other;
    switch (pick >> 29) {
    case 0:
        return old + 1u;
    case 1:
        return old - 1u;
    case 2:
        return 1u << ((pick >> 8) & 31u);
    case 3:
        return (1u << ((pick >> 8) & 31u)) - 1u;
    case 4:
        return old + 4u * ((pick & 63u) - 32u);
    case 5:
        return (pick >> 8) & 127u;
    case 6:
        return old ^ (1u << (pick & 31u));
    default:
        memcpy(&other, data + sdfa_random(random) % (size - 3u) / 2u * 2u, 4);
        return other;
    }
}

/* Writes one awkward value over a field of 1, 2 or 4 bytes. */
static void poke(uint8_t *data, size_t size, uint32_t *random) {
    static const uint8_t widths[4] = {4, 4, 2, 1};
    size_t width = widths[sdfa_random(random) & 3u], at = 8 + sdfa_random(random) % (size - 8u - 4u);
    uint32_t value = 0;
    at = at / width * width;
    memcpy(&value, data + at, width);
    value = awkward(data, size, value, random);
    memcpy(data + at, &value, width);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    uint32_t random = seed;
    uint32_t how = sdfa_random(&random) & 7u;
    if (how < 2 || size < HEADER_LEN + 16u)
        size = LLVMFuzzerMutate(data, size, max_size);
    else
        for (uint32_t n = 0; n < how / 2u; n++)
            poke(data, size, &random);
    exercise_seal(data, size);
    return size;
}
#endif
