/* Flash in a file of this computer: 256 KB in sectors of 4 KB, 8 bytes programmed at once. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

extern const struct sdfa_flash flash_store;

/* Opens the file SDFA_FLASH of the environment, else flash.bin; one that is missing or too short is filled with erased
 * bytes. Ends the program where that cannot be. */
void flash_start(void);

#endif
