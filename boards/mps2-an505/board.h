/* QEMU's board mps2-an505 for the device program (boards/emulated). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "mps2-an505"
#define UART_CMSDK
#define UART_ORIGIN 0x50200000u
#define TIMER_CMSDK
#define TIMER_ORIGIN 0x50000000u
#define TIMER_MHZ    20u
#define SLOTS_ORIGIN 0x38100000u /* behind the RAM of board.ld */
#define SLOTS_LEN    (512 * 1024)

enum { STORE_LEN = 256 * 1024, FLASH_SECTOR_LEN = 4096, FLASH_WRITE_LEN = 8 };

#endif
