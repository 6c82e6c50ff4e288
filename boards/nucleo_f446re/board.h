/* ST Nucleo-F446RE: STM32F446RE, 512 KB of flash in sectors of 4 * 16, 64, 3 * 128 KB; the last two are the store. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "nucleo_f446re"

#define FLASH_SECTOR_LEN (128 * 1024)
#define STORE_ORIGIN     0x08040000u
#define STORE_SECTOR     6
#define STORE_LEN        (2 * FLASH_SECTOR_LEN)

#endif
