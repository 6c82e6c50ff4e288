/* Flash of an emulated board: files that outlive the emulator, in its working folder, by semihosting. */
#ifndef FLASH_H
#define FLASH_H

#include "sdfa_store.h"

/* STORE_LEN bytes of flash.bin, in sectors of STORE_SECTOR_LEN, programmed STORE_WRITE_LEN at once, as board.h says. */
extern const struct sdfa_flash flash_store;

/* Opens the file. One that is missing, or too short, is filled with erased bytes. */
void flash_start(void);

#endif
