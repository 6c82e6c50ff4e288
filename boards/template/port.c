/* Template of a port: copy this file to boards/NAME/port.c and fill in (1) to (6), as firmware/PORTING.md tells. As it
 * stands it compiles, for a chip that does not exist. */
#include "sdfa_port.h"

#include <string.h>

/* (1) Name, and the region of flash for learned weights: two or more whole sectors at the end that board.ld leaves free. */
#define BOARD_NAME "template"
enum { STORE_ORIGIN = 0x00070000, STORE_LEN = 64 * 1024, SECTOR_LEN = 4096, WRITE_LEN = 4 };

/* Registers of the chip, as its reference manual lists them. */
struct uart {
    volatile uint32_t STATE, DATA, DIVIDER, ENABLE;
};
enum { UART_HAS_BYTE = 1, UART_HAS_ROOM = 2 };
#define UART ((struct uart *)(uintptr_t)0x40001000u)

struct controller {
    volatile uint32_t STATE, MODE, ADDRESS;
};
enum { FLASH_BUSY = 1, FLASH_FAILED = 2, FLASH_READ_ONLY = 0, FLASH_PROGRAM = 1, FLASH_ERASE = 2 };
#define CONTROLLER ((struct controller *)(uintptr_t)0x40002000u)

#define COUNTER (*(volatile uint32_t *)(uintptr_t)0x40003000u) /* 32 bits, free-running */

enum { CLOCK_MHZ = 16, BAUD = 115200 };

/* (2) Clock, pins, serial port, counter. */
void sdfa_port_start(void) {
    UART->DIVIDER = CLOCK_MHZ * 1000000u / BAUD;
    UART->ENABLE = 1;
}

/* (3) The serial port, polled. Where bytes can come too late, clear that error here: the link repeats the frame. */
int sdfa_port_get(void) {
    (void)sdfa_port_us();
    return UART->STATE & UART_HAS_BYTE ? (int)(UART->DATA & 0xffu) : -1;
}

void sdfa_port_put(const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        while (!(UART->STATE & UART_HAS_ROOM)) {
        }
        UART->DATA = bytes[i];
    }
}

/* (4) Microseconds, from any counter of 32 bits that is faster. */
uint32_t sdfa_port_us(void) {
    static uint32_t us, last;
    uint32_t passed = (COUNTER - last) / CLOCK_MHZ;

    last += passed * CLOCK_MHZ;
    us += passed;
    return us;
}

/* (5) Flash. Each function returns 0 when it did what was asked, and never waits for ever. */
static int wait(void) {
    uint32_t left = 1u << 24;

    while (CONTROLLER->STATE & FLASH_BUSY)
        if (--left == 0)
            return 1;
    return (CONTROLLER->STATE & FLASH_FAILED) != 0;
}

static int read(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    memcpy(to, (const uint8_t *)(uintptr_t)STORE_ORIGIN + off, len);
    return 0;
}

static int program(void *context, uint32_t off, const void *from) {
    int error;
    uint32_t word;

    (void)context;
    memcpy(&word, from, sizeof word);
    CONTROLLER->MODE = FLASH_PROGRAM;
    *(volatile uint32_t *)(uintptr_t)(STORE_ORIGIN + off) = word;
    error = wait();
    CONTROLLER->MODE = FLASH_READ_ONLY;
    return error;
}

static int erase(void *context, uint32_t off) {
    int error;

    (void)context;
    CONTROLLER->MODE = FLASH_ERASE;
    CONTROLLER->ADDRESS = STORE_ORIGIN + off;
    error = wait();
    CONTROLLER->MODE = FLASH_READ_ONLY;
    return error;
}

static uint32_t unit; /* WRITE_LEN bytes, aligned as program wants them */

/* What the data sheet says of the flash; see struct sdfa_flash. */
static const struct sdfa_flash store = {
    .read = read,
    .program = program,
    .erase = erase,
    .unit = (uint8_t *)&unit,
    .len = STORE_LEN,
    .sector_len = SECTOR_LEN,
    .endurance = 10000,
    .stall_us = 100000,
    .write_len = WRITE_LEN,
    .erased = 0xff,
};

const struct sdfa_port sdfa_port = {BOARD_NAME, &store, NULL, NULL};

/* (6) As after a power-on. This is how every Cortex-M does it. */
void sdfa_port_reset(void) {
    *(volatile uint32_t *)(uintptr_t)0xe000ed0cu = 0x05fa0004u;
    for (;;) {
    }
}
