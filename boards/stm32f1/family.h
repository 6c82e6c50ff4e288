/* STM32F100, F101, F103 (RM0008, PM0075): clock, pins, flash. The serial port is USART1 on PA9 (out) and PA10 (in). */
#ifndef FAMILY_H
#define FAMILY_H

#include "stm32.h"

#define FAMILY_USART ((struct stm32_usart *)(uintptr_t)0x40013800u)
#define FAMILY_FLASH ((struct stm32_flash *)(uintptr_t)0x40022000u)

typedef uint16_t flash_unit;
enum { FLASH_PROGRAM = 1, FLASH_ERASE = 2, FLASH_START = 1 << 6 }; /* PG; PER; STRT */
enum { FLASH_BUSY = 1, FLASH_ERRORS = 0x14, FLASH_DONE = 1 << 5 };
#define FLASH_LOCK (1u << 7)

enum { FLASH_STALL_US = 40000, FLASH_ENDURANCE = 10000 }; /* of a page (data sheet) */

/* The page is selected by its address. */
static inline uint32_t family_sector(uint32_t address, uint32_t number, uint32_t off, uint32_t sector_len) {
    (void)number;
    (void)sector_len;
    FAMILY_FLASH->AR = address + off;
    return 0;
}

static inline void family_forget_cache(void) {
}

/* Clock and pins. Returns the clock of core and serial port in Hz: HSI / 2 * 16, or HSI itself if the PLL does not start. */
static inline uint32_t family_start(void) {
    enum { PLLON = 1 << 24, PLLRDY = 1 << 25, PLL_64_MHZ = 15 << 18 | 4 << 8, SW_PLL = 2, TRIES = 10000 };
    volatile uint32_t *cr = stm32_register(0x40021000u), *cfgr = stm32_register(0x40021004u);
    uint32_t tries = 0;

    *stm32_register(0x40021018u) |= 1u << 2 | 1u << 14;                               /* RCC_APB2ENR: GPIOA, USART1 */
    *stm32_register(0x40010804u) = (*stm32_register(0x40010804u) & ~0xff0u) | 0x8b0u; /* CRH: output, pulled input */
    *stm32_register(0x4001080cu) |= 1u << 10;                                         /* ODR: the input is pulled up */
    FAMILY_FLASH->ACR = 0x12; /* prefetch, two wait states: for more than 48 MHz */
    *cfgr = PLL_64_MHZ;       /* APB1 at half of it */
    *cr |= PLLON;
    while (!(*cr & PLLRDY))
        if (++tries == TRIES)
            return 8000000;
    *cfgr = PLL_64_MHZ | SW_PLL;
    return 64000000;
}

#endif
