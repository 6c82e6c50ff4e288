/* corrupt IMAGE: the image cut at every length and damaged at every byte. A sanitizer or an abort ends it when the
 * runtime misbehaves; what was accepted is counted. */
#include "exercise.h"
#include "sdfa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t good[65536], bad[65536];

static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};

static void refused(const char *what, size_t at, size_t len) {
    if (exercise(bad, len, (uint32_t)at) == SDFA_ERR_OK) {
        fprintf(stderr, "accepted: %s at byte %zu\n", what, at);
        exit(1);
    }
}

/* As it is: always refused. With the length and the CRC-32 repaired: refused, or it behaves. */
static void cut(size_t len) {
    memcpy(bad, good, len);
    refused("cut", len, len);
    exercise_seal(bad, len);
    exercise(bad, len, 1);
}

static void damage(size_t at, size_t len) {
    for (size_t i = 0; i < sizeof masks; i++) {
        memcpy(bad, good, len);
        bad[at] ^= masks[i];
        refused("damage", at, len);
        if (at >= 8) {
            uint32_t crc = exercise_crc(bad + 8, len - 8);
            memcpy(bad + 4, &crc, 4);
            exercise(bad, len, (uint32_t)at);
        }
    }
}

int main(int argc, char **argv) {
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t len = f ? fread(good, 1, sizeof good, f) : 0;
    if (!f || len == 0 || len == sizeof good || exercise(good, len, 1) != SDFA_ERR_OK) {
        fprintf(stderr, "not a small, sound image\n");
        return 2;
    }
    fclose(f);
    for (size_t n = 0; n < len; n++)
        cut(n);
    for (size_t n = 0; n < len; n++)
        damage(n, len);
    printf("images %lu accepted %lu learnable %lu\n", exercise_counts.images, exercise_counts.accepted,
           exercise_counts.learnable);
    return 0;
}
