/* Flash of the stand-ins: bits can only be cleared, until they are erased. */
#ifndef CELLS_H
#define CELLS_H

#include <stdint.h>
#include <string.h>

enum { CELLS_LEN = 1 << 20 };
static uint8_t cells[CELLS_LEN];

static inline int cells_read(void *to, uint32_t at, uint32_t len) {
    memcpy(to, cells + at, len);
    return 0;
}

static inline int cells_program(const void *from, uint32_t at, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        cells[at + i] &= ((const uint8_t *)from)[i];
    return 0;
}

static inline int cells_erase(uint32_t at, uint32_t len) {
    if (at % 4096 || len % 4096)
        return -1;
    memset(cells + at, 0xff, len);
    return 0;
}

#endif
