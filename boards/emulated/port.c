/* Device port of the emulated boards: polled UART, a free-running counter, flash in files (flash.c).
 *
 * board.h of the board: BOARD_NAME, UART_CMSDK, UART_NRF51 or UART_16550 and UART_ORIGIN, TIMER_CMSDK, TIMER_NRF51,
 * TIMER_SSE or TIMER_MTIME, TIMER_ORIGIN and TIMER_MHZ; STORE_LEN, FLASH_SECTOR_LEN, FLASH_WRITE_LEN; SLOTS_ORIGIN and
 * SLOTS_LEN where there is memory enough. */
#include "sdfa_port.h"

#include "board.h"
#include "cpu.h"
#include "flash.h"
#include "microseconds.h"
#include "timer.h"
#include "uart.h"

#ifdef SLOTS_ORIGIN
#define SLOTS &flash_slots, (const void *)SLOTS_ORIGIN
#else
#define SLOTS 0, 0
#endif

const struct sdfa_port sdfa_port = {BOARD_NAME, &flash_store, SLOTS};

void sdfa_port_start(void) {
    timer_start();
    uart_start();
    flash_start();
}

int sdfa_port_get(void) {
    enum { PAUSE = 1000 };
    int byte;

    (void)sdfa_port_us();
    byte = uart_get();
    /* The emulator brings no byte while registers are read: without a pause it takes up to ten times longer. */
    for (uint32_t i = 0; byte < 0 && i < PAUSE; i++)
        __asm__ volatile("");
    return byte;
}

void sdfa_port_put(const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        uart_put(bytes[i]);
}

uint32_t sdfa_port_us(void) {
    return microseconds(timer_ticks(), TIMER_MHZ);
}

void sdfa_port_reset(void) {
    cpu_reset();
}
