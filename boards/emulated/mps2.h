/* The boards MPS2 with a core that has no security extension: one memory map for all. */
#ifndef MPS2_H
#define MPS2_H

#define UART_CMSDK
#define UART_ORIGIN 0x40004000u
#define TIMER_CMSDK
#define TIMER_ORIGIN 0x40000000u
#define TIMER_MHZ    25u
#define SLOTS_ORIGIN 0x20300000u /* behind the RAM of board.ld */
#define SLOTS_LEN    (512 * 1024)

enum { STORE_LEN = 256 * 1024, FLASH_SECTOR_LEN = 4096, FLASH_WRITE_LEN = 8 };

#endif
