/* Blue Pill: STM32F103C8, 64 KB of flash in pages of 1 KB; the last 18 are the store. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "bluepill_f103c8"

#define FLASH_SECTOR_LEN 1024
#define STORE_ORIGIN     0x0800b800u
#define STORE_SECTOR     0 /* pages are told apart by their address */
#define STORE_LEN        (18 * FLASH_SECTOR_LEN)

#endif
