/* The serial port of an emulated board, polled. board.h says which kind, and where. */
#ifndef UART_H
#define UART_H

#include <stdint.h>

#include "board.h"

static inline volatile uint32_t *uart_register(uint32_t offset) {
    return (volatile uint32_t *)((uintptr_t)UART_ORIGIN + offset);
}

#if defined(UART_CMSDK)

enum { UART_DATA = 0x00, UART_STATE = 0x04, UART_CTRL = 0x08, UART_BAUDDIV = 0x10 };
enum { UART_TX_FULL = 1, UART_RX_FULL = 2 };

static inline void uart_start(void) {
    *uart_register(UART_BAUDDIV) = 16;
    *uart_register(UART_CTRL) = 3; /* send and receive */
}

static inline int uart_get(void) {
    return *uart_register(UART_STATE) & UART_RX_FULL ? (int)(*uart_register(UART_DATA) & 0xffu) : -1;
}

static inline void uart_put(uint8_t byte) {
    while (*uart_register(UART_STATE) & UART_TX_FULL) {
    }
    *uart_register(UART_DATA) = byte;
}

#elif defined(UART_NRF51)

enum { UART_STARTRX = 0x000, UART_STARTTX = 0x008, UART_RXDRDY = 0x108, UART_TXDRDY = 0x11c };
enum { UART_ENABLE = 0x500, UART_PSELTXD = 0x50c, UART_PSELRXD = 0x514, UART_RXD = 0x518, UART_TXD = 0x51c };
enum { UART_BAUDRATE = 0x524 };

static inline void uart_start(void) {
    *uart_register(UART_PSELTXD) = 24; /* the microbit's pins to its USB chip */
    *uart_register(UART_PSELRXD) = 25;
    *uart_register(UART_BAUDRATE) = 0x01d7e000; /* 115200 */
    *uart_register(UART_ENABLE) = 4;
    *uart_register(UART_STARTRX) = 1;
    *uart_register(UART_STARTTX) = 1;
}

static inline int uart_get(void) {
    if (!*uart_register(UART_RXDRDY))
        return -1;
    *uart_register(UART_RXDRDY) = 0;
    return (int)(*uart_register(UART_RXD) & 0xffu);
}

static inline void uart_put(uint8_t byte) {
    *uart_register(UART_TXDRDY) = 0;
    *uart_register(UART_TXD) = byte;
    while (!*uart_register(UART_TXDRDY)) {
    }
}

#elif defined(UART_16550)

enum { UART_DATA = 0, UART_STATE = 5 };
enum { UART_RX_READY = 0x01, UART_TX_EMPTY = 0x20 };

static inline volatile uint8_t *uart_byte(uint32_t offset) {
    return (volatile uint8_t *)((uintptr_t)UART_ORIGIN + offset);
}

static inline void uart_start(void) {
}

static inline int uart_get(void) {
    return *uart_byte(UART_STATE) & UART_RX_READY ? *uart_byte(UART_DATA) : -1;
}

static inline void uart_put(uint8_t byte) {
    while (!(*uart_byte(UART_STATE) & UART_TX_EMPTY)) {
    }
    *uart_byte(UART_DATA) = byte;
}

#else
#error "no serial port: board.h must say UART_CMSDK, UART_NRF51 or UART_16550"
#endif

#endif
