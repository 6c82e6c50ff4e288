/* Stand-in for Mbed OS. */
#include "cells.h"

namespace mbed {
struct FlashIAP {
    int init() {
        return cells_erase(0, CELLS_LEN);
    }

    uint32_t get_flash_start() const {
        return 0x10000000u;
    }

    uint32_t get_flash_size() const {
        return CELLS_LEN;
    }

    int read(void *to, uint32_t at, uint32_t len) {
        return cells_read(to, at - get_flash_start(), len);
    }

    int program(const void *from, uint32_t at, uint32_t len) {
        return cells_program(from, at - get_flash_start(), len);
    }

    int erase(uint32_t at, uint32_t len) {
        return cells_erase(at - get_flash_start(), len);
    }
};
} // namespace mbed
