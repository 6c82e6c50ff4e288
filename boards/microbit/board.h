/* QEMU's board microbit for the device program (boards/emulated). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "microbit"
#define UART_NRF51
#define UART_ORIGIN 0x40002000u
#define TIMER_NRF51
#define TIMER_ORIGIN 0x40008000u
#define TIMER_MHZ    16u

enum { STORE_LEN = 32 * 1024, FLASH_SECTOR_LEN = 1024, FLASH_WRITE_LEN = 4 };

#endif
