/* QEMU's board virt for the device program (boards/emulated). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "riscv32"
#define UART_16550
#define UART_ORIGIN 0x10000000u
#define TIMER_MTIME
#define TIMER_ORIGIN 0x0200bff8u
#define TIMER_MHZ    10u
#define SLOTS_ORIGIN 0x80b00000u /* behind the RAM of board.ld */
#define SLOTS_LEN    (512 * 1024)

enum { STORE_LEN = 256 * 1024, FLASH_SECTOR_LEN = 4096, FLASH_WRITE_LEN = 8 };

#endif
