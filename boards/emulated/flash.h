/* Flash of an emulated board: files that outlive the emulator, in its working folder, by semihosting. Sectors and units
 * of programming as board.h says. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

extern const struct sdfa_flash flash_store; /* STORE_LEN bytes of flash.bin */
extern const struct sdfa_flash flash_slots; /* SLOTS_LEN bytes of slots.bin, which stand at SLOTS_ORIGIN as well */

/* Opens the files. One that is missing, or too short, is filled with erased bytes. */
void flash_start(void);

#endif
