/* Flash in files of this computer, in sectors of 4 KB, 8 bytes programmed at once. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

enum { STORE_LEN = 256 * 1024, SLOTS_LEN = 512 * 1024 };

extern const struct sdfa_flash flash_store, flash_slots;
extern uint8_t flash_slots_memory[SLOTS_LEN]; /* what flash_slots holds */

/* Opens the store, the file SDFA_FLASH of the environment, else flash.bin; and the slots, SDFA_FLASH_SLOTS, else
 * slots.bin. One that is missing or too short is filled with erased bytes. Ends the program where that cannot be. */
void flash_start(void);

#endif
