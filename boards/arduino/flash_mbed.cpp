/* Learned weights of a Pico or Nano 33 BLE: the end of its flash, by Mbed OS. The program must not reach that far. */
#if defined(ARDUINO_ARCH_MBED)

#include <FlashIAP.h>

#include "flash.h"

enum { STORE_LEN = 65536, SECTOR_LEN = 4096, WRITE_LEN = 256 }; /* both boards erase 4 KB; 256 suits RP2040 and nRF52 */

static mbed::FlashIAP chip;
static uint32_t start, unit[WRITE_LEN / 4];

void flash_start(void) {
    if (chip.init() == 0)
        start = chip.get_flash_start() + chip.get_flash_size() - STORE_LEN;
}

static int read(void *, uint32_t off, void *to, uint32_t len) {
    return !start || chip.read(to, start + off, len) != 0;
}

static int program(void *, uint32_t off, const void *from) {
    return !start || chip.program(from, start + off, WRITE_LEN) != 0;
}

static int erase(void *, uint32_t off) {
    return !start || chip.erase(start + off, SECTOR_LEN) != 0;
}

extern "C" const struct sdfa_flash flash_store = {
    read, program, erase, nullptr, (uint8_t *)unit, STORE_LEN, SECTOR_LEN, 10000, 400000, WRITE_LEN, 0xff,
};

#endif
