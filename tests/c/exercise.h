/* Any bytes as an image, in memory of exactly the size it asks for: opened, and if accepted run and taught. */
#ifndef EXERCISE_H
#define EXERCISE_H

#include <stddef.h>
#include <stdint.h>

/* What happened so far. */
struct exercise_counts {
    unsigned long images, accepted, learnable, steps, skipped;
};
extern struct exercise_counts exercise_counts;

/* sdfa_open's answer. Aborts when the runtime breaks its contract. Accepted images that cost too much are not run. */
int exercise(const uint8_t *bytes, size_t len, uint32_t seed);

/* CRC-32, written apart from the runtime's. */
uint32_t exercise_crc(const uint8_t *bytes, size_t len);

/* Right magic, version, image_len and CRC-32; nothing for less than a header. */
void exercise_seal(uint8_t *bytes, size_t len);

#endif
