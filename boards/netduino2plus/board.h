/* Netduino Plus 2: STM32F405RG, 1 MB of flash in sectors of 4 * 16, 64, 7 * 128 KB; the last four are slots and store. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "netduino2plus"

#define FLASH_SECTOR_LEN (128 * 1024)
#define SLOTS_ORIGIN     0x08080000u
#define SLOTS_SECTOR     8
#define SLOTS_LEN        (2 * FLASH_SECTOR_LEN)
#define STORE_ORIGIN     0x080c0000u
#define STORE_SECTOR     10
#define STORE_LEN        (2 * FLASH_SECTOR_LEN)

#endif
