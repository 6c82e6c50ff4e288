/* Where a board under the Arduino framework keeps learned weights: FLASH_STORE is NULL where it cannot. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

#if defined(ARDUINO_ARCH_ESP32) || defined(ARDUINO_ARCH_MBED)
extern "C" const struct sdfa_flash flash_store;
#define FLASH_STORE &flash_store
void flash_start(void);
#else /* Teensy 4.0: nothing that keeps a record of some kilobytes without a file system */
#define FLASH_STORE nullptr
static inline void flash_start(void) {
}
#endif

#endif
