/* QEMU's board mps3-an547 for the device program (boards/emulated). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "mps3-an547"
#define UART_CMSDK
#define UART_ORIGIN 0x59303000u
#define TIMER_SSE
#define TIMER_ORIGIN 0x58100000u
#define TIMER_MHZ    32u
#define SLOTS_ORIGIN 0x31100000u /* behind the RAM of board.ld */
#define SLOTS_LEN    (512 * 1024)

enum { STORE_LEN = 256 * 1024, FLASH_SECTOR_LEN = 4096, FLASH_WRITE_LEN = 8 };

#endif
