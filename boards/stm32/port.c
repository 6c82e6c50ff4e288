/* Device port of STM32F1 and STM32F4 without any vendor's library: polled serial port at 115200 baud, the core's cycle
 * counter, flash of the chip (flash.c). */
#include "sdfa_port.h"

#include "board.h"
#include "cpu.h"
#include "family.h"
#include "flash.h"
#include "microseconds.h"

#ifdef SLOTS_ORIGIN
#define SLOTS &flash_slots, (const void *)SLOTS_ORIGIN
#else
#define SLOTS 0, 0
#endif

const struct sdfa_port sdfa_port = {BOARD_NAME, &flash_store, SLOTS};

enum { BAUD = 115200 };

static uint32_t clock_mhz;

/* DWT_CYCCNT of the core, which DEMCR and DWT_CTRL switch on. */
static void cycles_start(void) {
    *stm32_register(0xe000edfcu) |= 1u << 24;
    *stm32_register(0xe0001000u) |= 1u;
}

static uint32_t cycles(void) {
    return *stm32_register(0xe0001004u);
}

void sdfa_port_start(void) {
    uint32_t hz = family_start();

    clock_mhz = hz / 1000000;
    cycles_start();
    FAMILY_USART->BRR = (hz + BAUD / 2) / BAUD;
    FAMILY_USART->CR1 = USART_ENABLE;
}

/* A byte that came too late to be read has left ORE set; reading clears it. The frame is damaged, and comes again. */
int sdfa_port_get(void) {
    (void)sdfa_port_us();
    return FAMILY_USART->SR & (USART_RXNE | USART_ORE) ? (int)(FAMILY_USART->DR & 0xffu) : -1;
}

void sdfa_port_put(const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        while (!(FAMILY_USART->SR & USART_TXE)) {
        }
        FAMILY_USART->DR = bytes[i];
    }
}

uint32_t sdfa_port_us(void) {
    return microseconds(cycles(), clock_mhz);
}

void sdfa_port_reset(void) {
    cpu_reset();
}
