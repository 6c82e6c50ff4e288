/* STM32F405, F407, F446 and relatives (RM0090, RM0390): clock, pins, flash. The serial port is USART2 on PA2 (out) and PA3
 * (in): the USB port of a Nucleo, D3 and D2 of a Netduino Plus 2. */
#ifndef FAMILY_H
#define FAMILY_H

#include "stm32.h"

#define FAMILY_USART ((struct stm32_usart *)(uintptr_t)0x40004400u)
#define FAMILY_FLASH ((struct stm32_flash *)(uintptr_t)0x40023c00u)

/* Words are programmed; the supply must have 2.7 V or more. */
typedef uint32_t flash_unit;
enum { FLASH_PROGRAM = 2 << 8 | 1, FLASH_ERASE = 2 << 8 | 2, FLASH_START = 1 << 16 }; /* PSIZE 32, PG; SER; STRT */
enum { FLASH_BUSY = 1 << 16, FLASH_ERRORS = 0xf2, FLASH_DONE = 1 };
#define FLASH_LOCK 0x80000000u

/* A sector of 128 KB takes up to 2 s to erase at this width (data sheet). */
enum { FLASH_STALL_US = 2000000, FLASH_ENDURANCE = 10000 };

/* What selects the sector; number: of the region's first one. */
static inline uint32_t family_sector(uint32_t address, uint32_t number, uint32_t off, uint32_t sector_len) {
    (void)address;
    return (number + off / sector_len) << 3;
}

/* The data cache may hold what was there before. */
static inline void family_forget_cache(void) {
    enum { DCEN = 1 << 10, DCRST = 1 << 12 };

    if (!(FAMILY_FLASH->ACR & DCEN))
        return;
    FAMILY_FLASH->ACR &= ~(uint32_t)DCEN;
    FAMILY_FLASH->ACR |= DCRST;
    FAMILY_FLASH->ACR &= ~(uint32_t)DCRST;
    FAMILY_FLASH->ACR |= DCEN;
}

/* Clock and pins. Returns the clock of core and serial port in Hz: HSI, as after a reset. */
static inline uint32_t family_start(void) {
    *stm32_register(0x40023830u) |= 1u;                                             /* RCC_AHB1ENR: GPIOA */
    *stm32_register(0x40023840u) |= 1u << 17;                                       /* RCC_APB1ENR: USART2 */
    *stm32_register(0x40020000u) = (*stm32_register(0x40020000u) & ~0xf0u) | 0xa0u; /* MODER: alternate function */
    *stm32_register(0x4002000cu) = (*stm32_register(0x4002000cu) & ~0xc0u) | 0x40u; /* PUPDR: the input is pulled up */
    *stm32_register(0x40020020u) = (*stm32_register(0x40020020u) & ~0xff00u) | 0x7700u; /* AFRL: USART2 */
    return 16000000;
}

#endif
